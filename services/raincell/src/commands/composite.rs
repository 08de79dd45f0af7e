//! `raincell composite`: the scans of many radars at one time as one composite with a quality layer.

use std::sync::Arc;

use anyhow::{Context, ensure};
use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};
use raincell_gridding::{Weighted, common_grid, composite};
use raincell_io::RawScan;
use raincell_model::{Grid, PolarVolume, RadarSite};
use raincell_prepare::{Recipe, intake, pipeline};
use rayon::prelude::*;

use super::prepare;
use crate::cli::CompositeArguments;
use crate::{Outcome, output};

/// Scans that are farther than this from the newest one are of another time.
const SAME_TIME: SignedDuration = SignedDuration::from_mins(10);

/// One radar on the common grid, and its id.
struct Radar {
    id: String,
    time: Timestamp,
    weighted: Weighted,
}

/// Reads all files, lays each radar onto one grid and writes the composite; a radar that cannot be had is named, and the
/// others are put together all the same.
pub fn run(arguments: &CompositeArguments) -> anyhow::Result<Outcome> {
    let recipe = prepare::recipe(arguments.config.as_deref())?;
    let units = intake::units(prepare::files_of(&arguments.files)?);
    ensure!(!units.is_empty(), "no files in the folders given");
    let progress = ProgressBar::new(units.len() as u64);
    let (scans, mut errors) = prepare::read_all(&units, &progress);
    progress.finish_and_clear();
    let mut volumes = Vec::new();
    for (key, parts) in scans {
        match intake::merge(parts) {
            Some(RawScan::Volume(volume)) => volumes.push(volume),
            Some(RawScan::Grid(_)) => {
                errors.push(format!("{} {}: a composite already, no polar volume", key.origin, key.time));
            }
            None => errors.push(format!("{} {}: nothing to merge", key.origin, key.time)),
        }
    }
    let volumes = of_one_time(volumes, &mut errors);
    let radars = if volumes.is_empty() { Vec::new() } else { on_one_grid(&volumes, &recipe, &mut errors)? };
    for error in &errors {
        eprintln!("raincell: {error}");
    }
    ensure!(!radars.is_empty(), "no radar to put together");
    let (told, weighted): (Vec<_>, Vec<Weighted>) = radars.into_iter().map(|r| ((r.id, r.time), r.weighted)).unzip();
    let whole = composite(&weighted)?;
    let bytes = raincell_io::odim::write_composite(&whole.field, "CMT:raincell", Some(&whole.quality))?;
    std::fs::write(&arguments.out, bytes).with_context(|| arguments.out.display().to_string())?;
    output::line(&if arguments.json {
        json_line(&whole, &told, arguments)
    } else {
        text_line(&whole, &told, arguments)
    })?;
    Ok(if errors.is_empty() { Outcome::AllDone } else { Outcome::SomeFailed })
}

/// The newest volume of each radar; what is older than the newest of all by more than [`SAME_TIME`] is an error.
fn of_one_time(mut volumes: Vec<PolarVolume>, errors: &mut Vec<String>) -> Vec<PolarVolume> {
    volumes.sort_by_key(|volume| std::cmp::Reverse(volume.nominal_time));
    let Some(newest) = volumes.first().map(|volume| volume.nominal_time) else { return volumes };
    let mut kept: Vec<PolarVolume> = Vec::with_capacity(volumes.len());
    for volume in volumes {
        let (id, time) = (&volume.site.id, volume.nominal_time);
        if newest.duration_since(time) > SAME_TIME {
            errors.push(format!("{id} {time}: more than {SAME_TIME:#} before {newest}, a composite is of one time"));
        } else if !kept.iter().any(|other| same_place(&other.site, &volume.site)) {
            kept.push(volume);
        }
    }
    kept
}

fn same_place(a: &RadarSite, b: &RadarSite) -> bool {
    (a.lat_deg - b.lat_deg).abs() < 0.01 && (a.lon_deg - b.lon_deg).abs() < 0.01
}

fn on_one_grid(volumes: &[PolarVolume], recipe: &Recipe, errors: &mut Vec<String>) -> anyhow::Result<Vec<Radar>> {
    let sites: Vec<&RadarSite> = volumes.iter().map(|volume| &volume.site).collect();
    let grid: Grid = common_grid(&sites, recipe.radius_km, recipe.cell_km)
        .context("the radars are too far apart for one grid of such cells")?;
    let grid = Arc::new(grid);
    let made: Vec<Result<Radar, String>> = volumes
        .par_iter()
        .map(|volume| {
            let prepared = pipeline::volume_on(volume, Arc::clone(&grid), recipe).map_err(|error| {
                let error = anyhow::Error::new(error);
                format!("{} {}: {error:#}", volume.site.id, volume.nominal_time)
            })?;
            let quality =
                prepared.quality.unwrap_or_else(|| prepared.field.rate_mm_h.mapv(|r| if r.is_nan() { r } else { 1.0 }));
            let weighted = Weighted { field: prepared.field, quality };
            Ok(Radar { id: prepared.radar, time: volume.nominal_time, weighted })
        })
        .collect();
    let mut radars = Vec::with_capacity(made.len());
    for radar in made {
        match radar {
            Ok(radar) => radars.push(radar),
            Err(error) => errors.push(error),
        }
    }
    Ok(radars)
}

/// Mean quality of what was observed, 0–1.
fn mean_quality(whole: &Weighted) -> f64 {
    let known = whole.quality.iter().filter(|q| q.is_finite());
    let (sum, count) = known.fold((0.0, 0.0), |(sum, count), q| (sum + f64::from(*q), count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

fn text_line(whole: &Weighted, radars: &[(String, Timestamp)], arguments: &CompositeArguments) -> String {
    let names: Vec<&str> = radars.iter().map(|(id, _)| id.as_str()).collect();
    let (rows, columns) = whole.field.grid.shape();
    format!(
        "{}  {} radars ({})  {columns} × {rows} cells  wet {:.2} %  quality {:.2}  {}",
        whole.field.valid_time,
        radars.len(),
        names.join(", "),
        whole.field.wet_share(0.1) * 100.0,
        mean_quality(whole),
        arguments.out.display()
    )
}

fn json_line(whole: &Weighted, radars: &[(String, Timestamp)], arguments: &CompositeArguments) -> String {
    let radars: Vec<_> = radars.iter().map(|(id, time)| serde_json::json!({"radar": id, "time": time})).collect();
    let (rows, columns) = whole.field.grid.shape();
    serde_json::json!({
        "time": whole.field.valid_time,
        "radars": radars,
        "rows": rows,
        "columns": columns,
        "wet_percent": whole.field.wet_share(0.1) * 100.0,
        "mean_quality": mean_quality(whole),
        "file": arguments.out,
    })
    .to_string()
}
