//! What `raincell doctor` looks at: configuration, services, database, sources, posting targets, collector of spans,
//! clock, disk, certificates. It changes nothing, posts nothing and takes no message out of a queue.

mod collector;
mod file;
mod machine;
mod remote;
mod services;
mod web;

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use raincell_service_runtime::{ConfigError, ServiceConfig, TraceSettings, config};
use serde::Serialize;

use web::Web;

/// The check of the configuration.
pub const CONFIG: &str = "config";

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Well,
    /// It works, but somebody should look at it.
    Warning,
    /// It does not work.
    Wrong,
    /// There is nothing to look at.
    Skipped,
}

/// What was found of one thing.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What kind of thing it is.
    pub check: &'static str,
    /// Which one.
    pub subject: String,
    /// How it is.
    pub state: State,
    /// What was seen.
    pub found: String,
    /// What to do; empty where nothing is to be done.
    pub advice: String,
}

impl Finding {
    fn well(check: &'static str, subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check, subject: subject.into(), state: State::Well, found: found.into(), advice: String::new() }
    }

    fn skipped(check: &'static str, found: impl Into<String>) -> Self {
        Self { state: State::Skipped, ..Self::well(check, "", found) }
    }

    fn warning(check: &'static str, subject: impl Into<String>, found: impl Into<String>, advice: &str) -> Self {
        Self { state: State::Warning, advice: advice.into(), ..Self::well(check, subject, found) }
    }

    fn wrong(check: &'static str, subject: impl Into<String>, found: impl Into<String>, advice: &str) -> Self {
        Self { state: State::Wrong, advice: advice.into(), ..Self::well(check, subject, found) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.state {
            State::Well => "well   ",
            State::Warning => "LOOK   ",
            State::Wrong => "WRONG  ",
            State::Skipped => "–      ",
        };
        let subject = if self.subject.is_empty() { String::new() } else { format!(" {}", self.subject) };
        write!(f, "{word} {}{subject}: {}", self.check, self.found)?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, "\n         → {}", self.advice) }
    }
}

/// The sections that could be read.
struct Sections {
    store: Option<raincell_store::Config>,
    prepare: Option<raincell_prepare::Config>,
    nowcast: Option<raincell_nowcast::Config>,
    api: Option<raincell_api::Config>,
    alert: Option<raincell_alert::Config>,
}

/// Looks at everything that the configuration names; what a bad section hides is left out.
///
/// # Errors
/// When the file cannot be read or is no TOML; when no HTTP client can be made.
pub async fn examine(file: Option<&Path>, certificates: &[PathBuf]) -> anyhow::Result<Vec<Finding>> {
    let mut findings = file.map(file::look).transpose()?.unwrap_or_default();
    let sections = Sections {
        store: section(file, &mut findings),
        prepare: section(file, &mut findings),
        nowcast: section(file, &mut findings),
        api: section(file, &mut findings),
        alert: section(file, &mut findings),
    };
    let traces = usable("trace", TraceSettings::load(file), &mut findings);
    let mut web = Web::new()?;
    findings.extend(services::look(&web, &sections).await);
    if let Some(store) = &sections.store {
        findings.push(remote::database(&mut web, store).await);
    }
    if let Some(prepare) = &sections.prepare {
        findings.extend(remote::sources(&mut web, prepare).await);
    }
    if let Some(alert) = &sections.alert {
        findings.extend(remote::targets(&mut web, alert).await);
    }
    if let Some(traces) = &traces {
        findings.push(collector::look(&web, traces).await);
    }
    findings.push(web.clock());
    findings.extend(machine::disks(&sections));
    findings.extend(machine::certificates(certificates, Timestamp::now()));
    Ok(findings)
}

fn section<C: ServiceConfig>(file: Option<&Path>, findings: &mut Vec<Finding>) -> Option<C> {
    usable(C::SECTION, config::load(file), findings)
}

/// Tells whether a section can be used, and hands it over if so.
fn usable<T>(name: &str, loaded: Result<T, ConfigError>, findings: &mut Vec<Finding>) -> Option<T> {
    findings.push(match &loaded {
        Ok(_) => Finding::well(CONFIG, name, "can be used"),
        Err(error) => Finding::wrong(
            CONFIG,
            name,
            error.to_string(),
            "correct the keys named; all of them are explained in the service's config.default.toml",
        ),
    });
    loaded.ok()
}
