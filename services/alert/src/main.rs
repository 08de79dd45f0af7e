//! The `raincell-alert` binary.

fn main() {}
