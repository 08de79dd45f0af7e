//! `raincell inspect`: what is in a raw file, or what exactly is wrong with it.

use std::fs::File;

use anyhow::Context;

use crate::cli::InspectArguments;
use crate::{Outcome, output};

/// Prints the report, or the error.
pub fn run(arguments: &InspectArguments) -> anyhow::Result<Outcome> {
    let name = arguments.file.display().to_string();
    let file = File::open(&arguments.file).with_context(|| name.clone())?;
    let report = raincell_io::inspect(file, &name)?;
    output::line(&if arguments.json { report.to_json() } else { report.to_string() })?;
    Ok(Outcome::AllDone)
}
