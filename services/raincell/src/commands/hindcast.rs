//! `raincell hindcast`: the nowcast of a past time, as CF-netCDF or GeoTIFF.

use std::io::{Seek, Write};
use std::time::Instant;

use anyhow::Context;
use raincell_io::WriteError;
use raincell_io::geotiff::{self, Band};
use raincell_io::netcdf::{NowcastOutline, NowcastWriter, RainSpell};
use raincell_model::RainField;
use raincell_nowcasts::{
    ARRIVAL_PERCENTILES, Arrivals, EnsembleSettings, EnsembleStep, Inflow, LeadTimes, METHODS, PROBABILITY_RATES_MM_H,
    ensemble_history,
};

use crate::cli::{HindcastArguments, UsageError};
use crate::whole_file::WholeFile;
use crate::{Outcome, frames_folder, output};

/// Step assumed where one frame is all there is, minutes.
const DEFAULT_STEP_MIN: f64 = 5.0;

/// Seconds, by what they went into.
#[derive(Default)]
struct Spent {
    nowcast_s: f64,
    io_s: f64,
}

/// Does something and adds the seconds that it took.
fn timed<T>(seconds: &mut f64, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    *seconds += began.elapsed().as_secs_f64();
    done
}

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
    let mut spent = Spent::default();
    let history = method.history().max(ensemble_history());
    let past = timed(&mut spent.io_s, || frames_folder::read(&arguments.frames, Some(arguments.at), history))?;
    let step_min = frames_folder::step_min(&past).unwrap_or(DEFAULT_STEP_MIN);
    let leads = LeadTimes { step_min, count: usize::from(arguments.steps) };
    let file = timed(&mut spent.io_s, || WholeFile::create(&arguments.out))?;
    let name = || arguments.out.display().to_string();
    // Scores count what is left empty as dry, so that the best guess stands everywhere.
    let nowcast = method.run(&past, &leads, Inflow::LastObservation)?;
    let timings = nowcast.timings;
    if is_geotiff {
        let write = || file.bytes().write_all(&bands(&nowcast.fields)?).with_context(name);
        timed(&mut spent.io_s, write)?;
    } else {
        let outline = outline(&past, &leads, arguments)?;
        let mut writer = timed(&mut spent.io_s, || NowcastWriter::new(file.bytes(), &outline)).with_context(name)?;
        let mut write = || {
            let mut fields = nowcast.fields.iter().enumerate();
            fields.try_for_each(|(step, field)| writer.rain_rate(step, &field.rate_mm_h))
        };
        timed(&mut spent.io_s, &mut write).with_context(name)?;
        // The ensemble needs most of the room: all else makes place for it.
        drop(nowcast);
        if arguments.members > 0 {
            draw(&mut writer, past, &leads, arguments, &mut spent)?;
        }
        timed(&mut spent.io_s, || writer.finish()).with_context(name)?;
    }
    timed(&mut spent.io_s, || file.keep())?;
    let (motion_s, nowcast_s, io_s) = (timings.motion_s, spent.nowcast_s + timings.nowcast_s, spent.io_s);
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

/// What the file will hold.
fn outline(past: &[RainField], leads: &LeadTimes, arguments: &HindcastArguments) -> anyhow::Result<NowcastOutline> {
    // They are in the order of their times.
    let newest = past.last().context("no frame")?;
    let valid_times = leads.valid_times(newest.valid_time)?;
    let mut outline = NowcastOutline::deterministic(newest.valid_time, newest.grid.clone(), valid_times);
    outline.method.clone_from(&arguments.method);
    if arguments.members > 0 {
        outline.members = usize::from(arguments.members);
        outline.thresholds_mm_h = PROBABILITY_RATES_MM_H.into();
        outline.percentiles = ARRIVAL_PERCENTILES.into();
    }
    Ok(outline)
}

/// Draws the members, and writes each lead before the next one is drawn. The fields of the past are given away, as nobody
/// needs them once the odds are there.
fn draw<W: Write + Seek>(
    writer: &mut NowcastWriter<W>,
    past: Vec<RainField>,
    leads: &LeadTimes,
    arguments: &HindcastArguments,
    spent: &mut Spent,
) -> anyhow::Result<()> {
    let name = || arguments.out.display().to_string();
    let settings = EnsembleSettings { members: usize::from(arguments.members), seed: arguments.seed };
    let (steps, _) =
        timed(&mut spent.nowcast_s, || raincell_nowcasts::ensemble(&past, leads, Inflow::LastObservation, settings))?;
    drop(past);
    let mut steps = steps.following_arrivals();
    for lead in 0..leads.count {
        let Some(step) = timed(&mut spent.nowcast_s, || steps.next()) else { break };
        let step = step?;
        timed(&mut spent.io_s, || write_step(writer, lead, &step)).with_context(name)?;
    }
    let arrivals = timed(&mut spent.nowcast_s, || steps.arrivals());
    let spell = arrivals.map(|Arrivals { probability, begins_min, ends_min }| RainSpell {
        probability,
        begins_min: begins_min.into(),
        ends_min: ends_min.into(),
    });
    timed(&mut spent.io_s, || spell.map_or(Ok(()), |spell| writer.spell(&spell))).with_context(name)
}

fn write_step<W: Write + Seek>(
    writer: &mut NowcastWriter<W>,
    lead: usize,
    step: &EnsembleStep,
) -> Result<(), WriteError> {
    for (threshold, field) in step.probabilities().into_iter().enumerate() {
        writer.probability(threshold, lead, &field)?;
    }
    for (member, field) in (0..step.members()).filter_map(|member| Some((member, step.member_mm_h(member)?))) {
        writer.member(member, lead, &field)?;
    }
    Ok(())
}
