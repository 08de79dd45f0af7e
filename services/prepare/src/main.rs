//! The `raincell-prepare` binary.

fn main() {}
