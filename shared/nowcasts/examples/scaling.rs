//! Seconds of each stage of the engine: `bench_engine [FLAT_FOLDER [MEMBERS STEPS]]`, without a folder on made-up rain of
//! 710 × 640; with MEMBERS only an ensemble of so many, once, and the most memory that it took.
//!
//! Prints the least and the median over the runs, in milliseconds, by the clock and of processor time.

mod flat;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_extrapolation::{Inflow, Interpolation, Trajectories};
use raincell_model::{Grid, RainField};
use raincell_motion::{MotionEstimator, PyramidFlow};
use raincell_nowcasts::{DEFAULT_METHOD, EnsembleSettings, LeadTimes, ensemble, method};

const RUNS: usize = 15;

fn main() -> Result<()> {
    let fields = match std::env::args().nth(1) {
        Some(folder) => flat::load(Path::new(&folder))?,
        None => (0..7).map(made_up).collect(),
    };
    let past = &fields[..fields.len().min(20)];
    let last = past.last().context("no fields")?;
    let step_min = flat::step_min(past);
    if let (Some(members), Some(steps)) = (std::env::args().nth(2), std::env::args().nth(3)) {
        return time_ensemble(past, LeadTimes { step_min, count: steps.parse()? }, members.parse()?);
    }
    let motion = PyramidFlow::default().estimate(past)?;

    time("motion", || PyramidFlow::default().estimate(past).map(drop))?;
    time("12 steps of trajectories", || {
        let mut trajectories = Trajectories::new(&motion)?;
        (0..12).for_each(|_| trajectories.advance(step_min as f32));
        Ok::<(), raincell_extrapolation::ExtrapolationError>(())
    })?;
    let mut trajectories = Trajectories::new(&motion)?;
    trajectories.advance(30.0);
    for interpolation in [Interpolation::Nearest, Interpolation::Bilinear, Interpolation::Smooth] {
        time(&format!("carry one field, {interpolation:?}"), || {
            trajectories.carry(&last.rate_mm_h, interpolation, Inflow::LastObservation).map(drop)
        })?;
    }
    let nowcasting = method(DEFAULT_METHOD).context("no default method")?;
    time(&format!("{DEFAULT_METHOD}, 12 steps, whole run"), || {
        nowcasting.run(past, &LeadTimes { step_min, count: 12 }, Inflow::LastObservation).map(drop)
    })
}

fn time_ensemble(past: &[RainField], leads: LeadTimes, members: usize) -> Result<()> {
    let (started, cpu) = (Instant::now(), processor_s()?);
    let (nowcast, motion_s) = ensemble(past, &leads, Inflow::LastObservation, EnsembleSettings { members, seed: 42 })?;
    for step in nowcast {
        step?;
    }
    let (clock_s, cpu_s) = (started.elapsed().as_secs_f64(), processor_s()? - cpu);
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).context("no peak of memory")?;
    println!(
        "{members} members, {} steps: {clock_s:.2} s (motion {motion_s:.2}), processors {cpu_s:.2} s, {peak}",
        leads.count
    );
    Ok(())
}

fn time<E: std::error::Error + Send + Sync + 'static>(stage: &str, run: impl Fn() -> Result<(), E>) -> Result<()> {
    let (mut ms, mut cpu_ms) = (Vec::with_capacity(RUNS), Vec::with_capacity(RUNS));
    for _ in 0..RUNS {
        let (started, cpu) = (Instant::now(), processor_s()?);
        run()?;
        ms.push(started.elapsed().as_secs_f64() * 1e3);
        cpu_ms.push((processor_s()? - cpu) * 1e3);
    }
    ms.sort_by(f64::total_cmp);
    cpu_ms.sort_by(f64::total_cmp);
    println!(
        "{stage:40} min {:7.2} ms   median {:7.2} ms   processors min {:7.2} ms   median {:7.2} ms",
        ms[0],
        ms[RUNS / 2],
        cpu_ms[0],
        cpu_ms[RUNS / 2]
    );
    Ok(())
}

/// Seconds that all threads of this process have been on a processor: on a busy machine a better measure than the clock.
fn processor_s() -> Result<f64> {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split_whitespace().next().context("no time in schedstat")?.parse::<f64>()?;
    }
    Ok(sum / 1e9)
}

fn made_up(step: usize) -> RainField {
    let grid = Arc::new(Grid { width: 710, height: 640, ..Grid::around_radar(50.0, 5.0, 100.0, 1.0) });
    let rate_mm_h = Array2::from_shape_fn(grid.shape(), |(r, c)| {
        let (x, y) = (c as f32 - 2.5 * step as f32, r as f32 - 1.5 * step as f32);
        let wave = (x * 0.13).sin() * (y * 0.11).cos() + 0.4 * (x * 0.31 + y * 0.23).sin();
        if wave > 0.3 { 0.5 * (3.5 * wave).exp() } else { 0.0 }
    });
    let valid_time = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(5 * step as i64);
    RainField { grid, valid_time, rate_mm_h }
}
