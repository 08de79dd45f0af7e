//! The `raincell` command.

fn main() {}
