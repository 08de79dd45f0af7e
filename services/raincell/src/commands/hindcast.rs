//! `raincell hindcast`: the nowcast of a past time, as CF-netCDF.

use std::time::Instant;

use anyhow::Context;
use raincell_nowcasts::{Inflow, LeadTimes, METHODS};

use crate::cli::{HindcastArguments, UsageError};
use crate::{Outcome, frames_folder, output};

/// Step assumed where one frame is all there is, minutes.
const DEFAULT_STEP_MIN: f64 = 5.0;

/// Reads, nowcasts, writes, and says what each took.
pub fn run(arguments: &HindcastArguments) -> anyhow::Result<Outcome> {
    let method = raincell_nowcasts::method(&arguments.method)
        .ok_or_else(|| UsageError(format!("--method {}: expected one of {}", arguments.method, METHODS.join(", "))))?;
    if arguments.members > 0 {
        let reason = format!("--members {}: this version makes no ensembles, only 0 is accepted", arguments.members);
        return Err(UsageError(reason).into());
    }
    let began = Instant::now();
    let past = frames_folder::read(&arguments.frames, Some(arguments.at), method.history())?;
    let read_s = began.elapsed().as_secs_f64();
    let step_min = frames_folder::step_min(&past).unwrap_or(DEFAULT_STEP_MIN);
    let leads = LeadTimes { step_min, count: usize::from(arguments.steps) };
    // Scores count what is left empty as dry, so that the best guess stands everywhere.
    let nowcast = method.run(&past, &leads, Inflow::LastObservation)?;
    let issue_time = past.iter().map(|f| f.valid_time).max().context("no frame")?;
    let began = Instant::now();
    let bytes = raincell_io::netcdf::write_nowcast(issue_time, &nowcast.fields)?;
    std::fs::write(&arguments.out, bytes).with_context(|| arguments.out.display().to_string())?;
    let io_s = read_s + began.elapsed().as_secs_f64();
    let (motion_s, nowcast_s) = (nowcast.timings.motion_s, nowcast.timings.nowcast_s);
    output::line(&format!("motion_s={motion_s:.4} nowcast_s={nowcast_s:.4} io_s={io_s:.4}"))?;
    Ok(Outcome::AllDone)
}
