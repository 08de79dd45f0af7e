//! The `raincell-nowcast` binary.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    raincell_service_runtime::service_main(raincell_nowcast::run)
}
