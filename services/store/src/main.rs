//! The `raincell-store` binary.

fn main() {}
