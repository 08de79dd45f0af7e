//! Seeded storms with known truth, written as real radar files.
