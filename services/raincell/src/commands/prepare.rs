//! `raincell prepare`: raw scans to frame files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::ProgressBar;
use raincell_io::RawScan;
use raincell_prepare::intake::{self, ScanKey, Unit};
use raincell_prepare::pipeline::{self, Prepared};
use raincell_prepare::{Config, Recipe};
use raincell_service_runtime::config;
use rayon::prelude::*;

use crate::cli::PrepareArguments;
use crate::{Outcome, output};

/// A scan that became a frame file.
struct Made {
    prepared: Prepared,
    file: PathBuf,
}

/// Reads all files, merges what belongs to one scan, writes a frame file a scan; a bad file does not stop the others.
pub fn run(arguments: &PrepareArguments) -> anyhow::Result<Outcome> {
    let recipe = recipe(arguments.config.as_deref())?;
    std::fs::create_dir_all(&arguments.out).with_context(|| arguments.out.display().to_string())?;
    let units = intake::units(files_of(&arguments.files)?);
    anyhow::ensure!(!units.is_empty(), "no files in the folders given");
    // Hidden by itself where standard error is no terminal.
    let progress = ProgressBar::new(units.len() as u64);
    let (scans, mut errors) = read_all(&units, &progress);
    let made: Vec<anyhow::Result<Made>> =
        scans.into_par_iter().map(|(key, parts)| make(&key, parts, &recipe, &arguments.out)).collect();
    progress.finish_and_clear();
    for outcome in made {
        match outcome {
            Ok(made) => output::line(&if arguments.json { json_line(&made) } else { text_line(&made) })?,
            Err(error) => errors.push(format!("{error:#}")),
        }
    }
    for error in &errors {
        eprintln!("raincell: {error}");
    }
    Ok(if errors.is_empty() { Outcome::AllDone } else { Outcome::SomeFailed })
}

pub(super) fn recipe(file: Option<&Path>) -> anyhow::Result<Recipe> {
    let config: Config = config::load(file)?;
    Ok(config.sources.into_iter().next().map_or_else(Recipe::default, |source| source.recipe))
}

/// The files named, and those in the folders named.
pub(super) fn files_of(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            for entry in std::fs::read_dir(path).with_context(|| path.display().to_string())? {
                let entry = entry?.path();
                if entry.is_file() {
                    files.push(entry);
                }
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

pub(super) type Scans = BTreeMap<ScanKey, Vec<RawScan>>;

pub(super) fn read_all(units: &[Unit], progress: &ProgressBar) -> (Scans, Vec<String>) {
    let read: Vec<Result<RawScan, String>> = units
        .par_iter()
        .map(|unit| {
            let result = unit.read().map_err(|e| e.to_string());
            progress.inc(1);
            result
        })
        .collect();
    let (mut scans, mut errors) = (Scans::new(), Vec::new());
    for result in read {
        match result {
            Ok(scan) => scans.entry(intake::scan_key(&scan)).or_default().push(scan),
            Err(error) => errors.push(error),
        }
    }
    (scans, errors)
}

fn make(key: &ScanKey, parts: Vec<RawScan>, recipe: &Recipe, out: &Path) -> anyhow::Result<Made> {
    let scan = intake::merge(parts).with_context(|| format!("{} {}: nothing to merge", key.origin, key.time))?;
    let prepared = pipeline::to_rain(&scan, recipe)?;
    let name: String =
        prepared.radar.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let file = out.join(format!("{name}_{}_RATE.h5", prepared.field.valid_time.strftime("%Y%m%dT%H%M%S")));
    let bytes = raincell_io::odim::write_composite(&prepared.field, &prepared.radar, prepared.quality.as_ref())?;
    std::fs::write(&file, bytes).with_context(|| file.display().to_string())?;
    Ok(Made { prepared, file })
}

fn text_line(made: &Made) -> String {
    let Made { prepared, file } = made;
    let filters: Vec<String> = prepared.filters.iter().map(|f| format!("{} {}", f.name, f.gates_taken)).collect();
    let filters = if filters.is_empty() { String::new() } else { format!(" ({})", filters.join(", ")) };
    format!(
        "{}  {}  {} sweeps  wet {:.2} %  rejected gates {}{filters}  capped {}  {}",
        prepared.radar,
        prepared.field.valid_time,
        prepared.sweeps,
        prepared.wet_percent(),
        prepared.rejected_gates(),
        prepared.capped,
        file.display()
    )
}

fn json_line(made: &Made) -> String {
    let Made { prepared, file } = made;
    let filters: serde_json::Map<String, serde_json::Value> =
        prepared.filters.iter().map(|f| (f.name.to_string(), f.gates_taken.into())).collect();
    serde_json::json!({
        "radar": prepared.radar,
        "time": prepared.field.valid_time,
        "sweeps": prepared.sweeps,
        "wet_percent": prepared.wet_percent(),
        "rain_sum_mm_h": prepared.rain_sum_mm_h(),
        "rejected_gates": prepared.rejected_gates(),
        "filters": filters,
        "capped": prepared.capped,
        "file": file,
    })
    .to_string()
}
