//! The `raincell` command: work on files, and all five services in one process.

mod cli;
mod commands;
mod doctor;
mod frames_folder;
mod house;
mod output;
mod presets;
mod whole_file;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a command comes to: everything done, or some input failed and the rest is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    AllDone,
    SomeFailed,
}

fn main() -> ExitCode {
    raincell_service_runtime::config::read_dotenv();
    let result = match Cli::parse().command {
        Command::Demo(arguments) => commands::demo::run(&arguments),
        Command::Up(arguments) => commands::up::run(&arguments),
        Command::Prepare(arguments) => commands::prepare::run(&arguments),
        Command::Composite(arguments) => commands::composite::run(&arguments),
        Command::Hindcast(arguments) => commands::hindcast::run(&arguments),
        Command::Verify(arguments) => commands::verify::run(&arguments),
        Command::Render(arguments) => commands::render::run(&arguments),
        Command::Inspect(arguments) => commands::inspect::run(&arguments),
        Command::Store(arguments) => commands::store::run(&arguments),
        Command::DeadLetters(arguments) => commands::store::run_dead_letters(&arguments),
        Command::Doctor(arguments) => commands::doctor::run(&arguments),
        Command::Archive(arguments) => commands::archive::run(&arguments),
        Command::Alerts(arguments) => commands::alerts::run(&arguments),
    };
    match result {
        Ok(Outcome::AllDone) => ExitCode::SUCCESS,
        Ok(Outcome::SomeFailed) => ExitCode::FAILURE,
        // `raincell inspect FILE | head`: whoever reads has had enough, which is no failure.
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(output::is_closed) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raincell: {error:#}");
            let wrong_usage = error.is::<cli::UsageError>() || error.is::<raincell_service_runtime::ConfigError>();
            if wrong_usage { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}
