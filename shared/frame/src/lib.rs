//! The sparse frame: codec, header, quantisation.
