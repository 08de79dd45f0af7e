//! The `raincell-nowcast` binary.

fn main() {}
