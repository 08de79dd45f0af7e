//! Each stage of the engine by itself, and whole nowcasts, on real rain of 710 × 640 cells (MCH 2015-05-15, looked for in
//! `$RAINCELL_TEST_DATA/composites`, else `../shared/data/composites`) or, without it, on made-up rain of that size:
//! `cargo bench -p raincell-nowcasts`.
//!
//! With `RAINCELL_BENCH=processors` times are those that all threads together spent on a processor rather than the
//! clock's: on a busy machine the better measure.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on is to stop")]
#![allow(missing_docs, reason = "the macro that makes `main`")]

mod processors;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use criterion::measurement::Measurement;
use criterion::{BenchmarkId, Criterion};
use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_cascade::BandPass;
use raincell_extrapolation::{Inflow, Interpolation, Trajectories};
use raincell_gridding::{ZR, grid_scan_to_rain};
use raincell_io::{RawScan, ReadOptions};
use raincell_model::{Grid, RainField};
use raincell_motion::{MotionEstimator, PyramidFlow};
use raincell_noise::{MemberNoise, Texture};
use raincell_nowcasts::stages::Stages;
use raincell_nowcasts::{DEFAULT_METHOD, EnsembleSettings, LeadTimes, ensemble, method};

/// Number of the newest field known, and how many there are.
const START: usize = 19;
const PAST: usize = 7;
const LEADS: LeadTimes = LeadTimes { step_min: 5.0, count: 12 };

fn main() {
    if std::env::var("RAINCELL_BENCH").is_ok_and(|by| by == "processors") {
        run(&mut Criterion::default().with_measurement(processors::Processors).configure_from_args());
    } else {
        run(&mut Criterion::default().configure_from_args());
    }
}

fn run<M: Measurement + 'static>(criterion: &mut Criterion<M>) {
    let past = real().unwrap_or_else(|| (0..PAST).map(made_up).collect());
    let last = &past.last().unwrap().rate_mm_h;
    let dry_for_unknown = last.mapv(|r| if r.is_nan() { 0.0 } else { r });

    criterion.bench_function("motion", |b| b.iter(|| PyramidFlow::default().estimate(&past).unwrap()));
    let motion = PyramidFlow::default().estimate(&past).unwrap();
    criterion.bench_function("trajectories, 12 steps", |b| {
        b.iter(|| {
            let mut trajectories = Trajectories::new(&motion).unwrap();
            (0..LEADS.count).for_each(|_| trajectories.advance(LEADS.step_min as f32));
            trajectories
        });
    });
    let mut trajectories = Trajectories::new(&motion).unwrap();
    trajectories.advance(30.0);
    for interpolation in [Interpolation::Nearest, Interpolation::Bilinear, Interpolation::Smooth] {
        criterion.bench_with_input(
            BenchmarkId::new("carry one field", format!("{interpolation:?}")),
            last,
            |b, field| {
                b.iter(|| trajectories.carry(field, interpolation, Inflow::LastObservation).unwrap());
            },
        );
    }
    let filters = BandPass::new(last.dim(), 6).unwrap();
    criterion.bench_function("cascade of 6 levels", |b| b.iter(|| filters.split(&dry_for_unknown).unwrap()));
    let coarse = Array2::from_shape_fn((last.nrows() / 2, last.ncols() / 2), |(r, c)| dry_for_unknown[(2 * r, 2 * c)]);
    let mut noise = MemberNoise::new(Arc::new(Texture::of(&coarse, |_| 0.9)), 42, 0);
    criterion.bench_function("noise of one member", |b| b.iter(|| noise.next_step([1.5, -0.5])));

    let mut stages = Stages::of(&past, 30.0).unwrap();
    criterion.bench_function("best: trajectories, 12 leads", |b| {
        b.iter(|| stages.along(LEADS.step_min as f32, LEADS.count).unwrap());
    });
    criterion.bench_function("best: traits", |b| b.iter(|| stages.traits()));
    criterion.bench_function("best: odds of a lead", |b| b.iter(|| stages.odds().unwrap()));
    criterion.bench_function("best: areas of a lead", |b| b.iter(|| stages.areas()));

    let nowcasting = method(DEFAULT_METHOD).unwrap();
    let mut whole = criterion.benchmark_group("whole");
    whole.sample_size(10);
    whole.bench_function("best, 12 leads, with motion", |b| {
        b.iter(|| nowcasting.run(&past, &LEADS, Inflow::LastObservation).unwrap());
    });
    whole.bench_function("24 members, 12 leads, with motion", |b| {
        b.iter(|| {
            let settings = EnsembleSettings { members: 24, seed: 42 };
            ensemble(&past, &LEADS, Inflow::LastObservation, settings).unwrap().0.map(Result::unwrap).count()
        });
    });
    whole.finish();
}

fn real() -> Option<Vec<RainField>> {
    let data = std::env::var_os("RAINCELL_TEST_DATA").map(PathBuf::from);
    let folder = data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let files = std::fs::read_dir(folder.join("composites/mch_20150515")).ok()?;
    let mut files: Vec<PathBuf> = files.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "h5"));
    files.sort();
    Some(files.get(START + 1 - PAST..=START)?.iter().map(|path| read(path)).collect())
}

fn read(path: &Path) -> RainField {
    let bytes = std::fs::read(path).unwrap();
    match raincell_io::read(&bytes, &path.display().to_string(), &ReadOptions::default()).unwrap() {
        RawScan::Grid(scan) => grid_scan_to_rain(&scan, &ZR::MARSHALL_PALMER, 250.0).unwrap().field,
        RawScan::Volume(_) => panic!("{}: a volume", path.display()),
    }
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
