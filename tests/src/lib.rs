//! End-to-end tests of the real binaries; see `tests/` beside this file.
