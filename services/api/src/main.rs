//! The `raincell-api` binary.

fn main() {}
