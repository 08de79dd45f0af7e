//! `raincell doctor`: what is wrong, in words, and what to do about it.

use raincell_service_runtime::service;

use crate::cli::{DoctorArguments, UsageError};
use crate::doctor::{self, Finding, State};
use crate::{Outcome, output};

/// Looks at everything, prints a line for each thing, and ends with 1 if something is wrong, 2 if it is the configuration.
pub fn run(arguments: &DoctorArguments) -> anyhow::Result<Outcome> {
    let findings = service::block_on(doctor::examine(arguments.config.as_deref(), &arguments.certificate))?;
    if arguments.json {
        output::line(&serde_json::to_string_pretty(&findings)?)?;
    } else {
        for finding in &findings {
            output::line(&finding.to_string())?;
        }
        output::line(&summary(&findings))?;
    }
    let wrong = |finding: &&Finding| finding.state == State::Wrong;
    match findings.iter().find(|finding| wrong(finding) && finding.check == doctor::CONFIG) {
        Some(_) => Err(UsageError("the configuration cannot be used as it is".into()).into()),
        None if findings.iter().any(|finding| wrong(&finding)) => Ok(Outcome::SomeFailed),
        None => Ok(Outcome::AllDone),
    }
}

fn summary(findings: &[Finding]) -> String {
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    match (count(State::Wrong), count(State::Warning)) {
        (0, 0) => "All is well.".into(),
        (0, warnings) => format!("Nothing is wrong; {warnings} to look at."),
        (wrong, warnings) => format!("{wrong} wrong, {warnings} to look at."),
    }
}
