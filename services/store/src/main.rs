//! The `raincell-store` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    raincell_service_runtime::service_main(raincell_store::run)
}
