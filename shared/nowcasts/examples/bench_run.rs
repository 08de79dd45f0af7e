//! One nowcast and one ensemble on flat files (see `flat`), with the seconds of each part without input and output:
//! `bench_run FOLDER YYYYMMDDHHMM STEPS MEMBERS RUNS OUT_FOLDER`.
//!
//! Prints `motion_s`, `best_s` (without motion) and `ensemble_s` (without motion; 0 for no members): medians over the
//! runs. OUT_FOLDER gets `best.f32` (steps, rows, columns) and `members.f32` (members, steps, rows, columns), mm/h.

mod flat;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use raincell_motion::{MotionEstimator, PyramidFlow};
use raincell_nowcasts::{DEFAULT_METHOD, EnsembleSettings, Inflow, LeadTimes, ensemble, method};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let [_, folder, at, steps, members, runs, out] = words.as_slice() else {
        anyhow::bail!("usage: bench_run FOLDER YYYYMMDDHHMM STEPS MEMBERS RUNS OUT_FOLDER");
    };
    let at = DateTime::strptime("%Y%m%d%H%M", at)?.to_zoned(TimeZone::UTC)?.timestamp();
    let mut past = flat::load(Path::new(folder))?;
    past.retain(|f| f.valid_time <= at);
    let leads = LeadTimes { step_min: flat::step_min(&past), count: steps.parse()? };
    let settings = EnsembleSettings { members: members.parse()?, seed: 42 };
    let runs: usize = runs.parse()?;
    let nowcasting = method(DEFAULT_METHOD).context("no default method")?;

    let (mut motion_s, mut best_s, mut ensemble_s) = (Vec::new(), Vec::new(), Vec::new());
    let (mut best, mut drawn) = (Vec::new(), Vec::new());
    for _ in 0..runs.max(1) {
        let started = Instant::now();
        PyramidFlow::default().estimate(&past)?;
        motion_s.push(started.elapsed().as_secs_f64());
        let nowcast = nowcasting.run(&past, &leads, Inflow::LastObservation)?;
        best_s.push(nowcast.timings.nowcast_s);
        best = nowcast.fields;
        if settings.members > 0 {
            drawn.clear();
            let started = Instant::now();
            let (products, motion_s) = ensemble(&past, &leads, Inflow::LastObservation, settings)?;
            for step in products {
                drawn.push(step?);
            }
            ensemble_s.push(started.elapsed().as_secs_f64() - motion_s);
        }
    }
    let (motion_s, best_s, ensemble_s) = (median(motion_s), median(best_s), median(ensemble_s));
    println!("motion_s={motion_s:.4} best_s={best_s:.4} ensemble_s={ensemble_s:.4}");

    write(&Path::new(out).join("best.f32"), best.iter().flat_map(|f| f.rate_mm_h.iter().copied()))?;
    let of_member = |m: usize| drawn.iter().filter_map(move |step| step.member_mm_h(m));
    let members = (0..settings.members).flat_map(of_member).flat_map(|field| field.iter().copied().collect::<Vec<_>>());
    write(&Path::new(out).join("members.f32"), members)
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(0.0)
}

fn write(path: &Path, rates: impl Iterator<Item = f32>) -> Result<()> {
    let bytes: Vec<u8> = rates.flat_map(f32::to_le_bytes).collect();
    std::fs::write(path, bytes).with_context(|| path.display().to_string())
}
