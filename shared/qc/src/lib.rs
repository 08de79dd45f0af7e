//! Sweep filters that take out what is not rain, and their chain.
