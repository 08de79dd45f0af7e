//! `raincell up`: all five services in one process on real sources.

use std::io::Write as _;

use anyhow::Context;
use raincell_service_runtime::{Runtime, TraceSettings, service, telemetry};

use crate::cli::{UpArguments, UsageError};
use crate::house::House;
use crate::presets::Preset;
use crate::{Outcome, output};

/// Runs until SIGTERM or Ctrl-C.
pub fn run(arguments: &UpArguments) -> anyhow::Result<Outcome> {
    let preset = Preset::of(arguments)?;
    if arguments.print_config {
        let preset = preset.ok_or_else(|| UsageError("--print-config wants --radar or --composite".into()))?;
        output::line(preset.config().trim_end())?;
        return Ok(Outcome::AllDone);
    }
    // A preset goes the way of any config file: the environment stands above it.
    let written = preset.map(|preset| written(&preset)).transpose()?;
    let file = written.as_ref().map(tempfile::NamedTempFile::path).or(arguments.config.as_deref());
    let _exporter = telemetry::init_tracing("info", &TraceSettings::load(file)?)?;
    service::block_on(async {
        let house = House::open(file, toml::Table::new()).await?;
        output::notice(&format!("listening on {}", house.url()?));
        let runtime = Runtime::system();
        service::cancel_on_signal(runtime.shutdown.clone());
        let shutdown = runtime.shutdown.clone();
        service::drain_within(service::DRAIN, shutdown, house.run(runtime)).await
    })?;
    Ok(Outcome::AllDone)
}

fn written(preset: &Preset) -> anyhow::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new().context("no room for a temporary file")?;
    file.write_all(preset.config().as_bytes())?;
    Ok(file)
}
