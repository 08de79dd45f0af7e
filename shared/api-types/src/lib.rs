//! JSON shapes that servers and clients share.
