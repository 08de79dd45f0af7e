//! Chores of the project: `cargo xtask dist` makes the release archives.

mod archive;
mod build;
mod dependencies;
mod dist;
mod licences;
mod map_page;
mod sbom;

use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
enum Chore {
    /// Make the release archives: one a service, one with everything, and their SHA-256 sums. The same sources make the
    /// same bytes
    Dist(dist::Arguments),
}

fn main() -> ExitCode {
    let Chore::Dist(arguments) = Chore::parse();
    match dist::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
