//! `raincell hindcast`: the nowcast of a past time, as CF-netCDF or GeoTIFF.

use std::time::Instant;

use anyhow::Context;
use raincell_io::geotiff::{self, Band};
use raincell_io::netcdf::{self, Ensemble, Exceedance, Provenance, RainSpell};
use raincell_model::RainField;
use raincell_nowcasts::{
    ARRIVAL_PERCENTILES, Arrivals, EnsembleSettings, Inflow, LeadTimes, METHODS, PROBABILITY_RATES_MM_H,
    ensemble_history,
};

use crate::cli::{HindcastArguments, UsageError};
use crate::{Outcome, frames_folder, output};

/// Step assumed where one frame is all there is, minutes.
const DEFAULT_STEP_MIN: f64 = 5.0;

/// Reads, nowcasts, writes, and says what each took.
pub fn run(arguments: &HindcastArguments) -> anyhow::Result<Outcome> {
    let method = raincell_nowcasts::method(&arguments.method)
        .ok_or_else(|| UsageError(format!("--method {}: expected one of {}", arguments.method, METHODS.join(", "))))?;
    let is_geotiff =
        arguments.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("tif") || e.eq_ignore_ascii_case("tiff"));
    if is_geotiff && arguments.members > 0 {
        let reason = "a GeoTIFF holds a band a lead time: --members wants a netCDF file as --out".to_owned();
        return Err(UsageError(reason).into());
    }
    let began = Instant::now();
    let past = frames_folder::read(&arguments.frames, Some(arguments.at), method.history().max(ensemble_history()))?;
    let read_s = began.elapsed().as_secs_f64();
    let step_min = frames_folder::step_min(&past).unwrap_or(DEFAULT_STEP_MIN);
    let leads = LeadTimes { step_min, count: usize::from(arguments.steps) };
    // Scores count what is left empty as dry, so that the best guess stands everywhere.
    let nowcast = method.run(&past, &leads, Inflow::LastObservation)?;
    let issue_time = past.iter().map(|f| f.valid_time).max().context("no frame")?;
    let mut nowcast_s = nowcast.timings.nowcast_s;
    let ensemble = if arguments.members > 0 {
        let began = Instant::now();
        let drawn = drawn(&past, &leads, arguments)?;
        nowcast_s += began.elapsed().as_secs_f64();
        drawn
    } else {
        Ensemble::default()
    };
    let began = Instant::now();
    let bytes = if is_geotiff {
        bands(&nowcast.fields)?
    } else {
        let provenance = Provenance { method: &arguments.method, ..Provenance::default() };
        netcdf::write_ensemble_nowcast(provenance, issue_time, &nowcast.fields, &ensemble)?
    };
    std::fs::write(&arguments.out, bytes).with_context(|| arguments.out.display().to_string())?;
    let io_s = read_s + began.elapsed().as_secs_f64();
    let motion_s = nowcast.timings.motion_s;
    output::line(&format!("motion_s={motion_s:.4} nowcast_s={nowcast_s:.4} io_s={io_s:.4}"))?;
    Ok(Outcome::AllDone)
}

/// A band a lead time, named after its valid time.
fn bands(fields: &[RainField]) -> anyhow::Result<Vec<u8>> {
    let grid = &fields.first().context("no lead time")?.grid;
    let bands: Vec<Band<'_>> =
        fields.iter().map(|field| Band { name: field.valid_time.to_string(), values: &field.rate_mm_h }).collect();
    Ok(geotiff::write(grid, "mm/h", &bands)?)
}

/// All members, as the file wants them, and the probabilities.
fn drawn(past: &[RainField], leads: &LeadTimes, arguments: &HindcastArguments) -> anyhow::Result<Ensemble> {
    let settings = EnsembleSettings { members: usize::from(arguments.members), seed: arguments.seed };
    let (steps, _) = raincell_nowcasts::ensemble(past, leads, Inflow::LastObservation, settings)?;
    let mut steps = steps.following_arrivals();
    let mut ensemble = Ensemble {
        members: vec![Vec::with_capacity(leads.count); settings.members],
        probabilities: PROBABILITY_RATES_MM_H
            .map(|threshold_mm_h| Exceedance { threshold_mm_h, by_lead: Vec::with_capacity(leads.count) })
            .into(),
        spell: None,
    };
    for step in steps.by_ref() {
        let step = step?;
        for (member, fields) in ensemble.members.iter_mut().enumerate() {
            fields.extend(step.member_mm_h(member).map(|field| field.to_owned()));
        }
        for (exceedance, field) in ensemble.probabilities.iter_mut().zip(step.probabilities()) {
            exceedance.by_lead.push(field.to_owned());
        }
    }
    ensemble.spell = steps.arrivals().map(|Arrivals { probability, begins_min, ends_min }| RainSpell {
        probability,
        percentiles: ARRIVAL_PERCENTILES.into(),
        begins_min: begins_min.into(),
        ends_min: ends_min.into(),
    });
    Ok(ensemble)
}
