//! What a whole nowcast takes on a grid of any size: `scaling ROWS COLUMNS STEPS [MEMBERS [FLAT_FOLDER]]`, without members
//! the default method. The rain of the folder (see `flat`), else made-up rain, is repeated over the grid.
//!
//! Prints seconds by the clock and of processor time, of which the first part for motion, and the most memory that it
//! took. The number of threads is that of `RAYON_NUM_THREADS`.

mod flat;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_model::{Grid, RainField};
use raincell_nowcasts::{DEFAULT_METHOD, EnsembleSettings, Inflow, LeadTimes, ensemble, method};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Fields of the past.
const PAST: usize = 7;

fn main() -> Result<()> {
    let numbers: Vec<usize> = std::env::args().skip(1).take(4).map_while(|a| a.parse().ok()).collect();
    let [rows, columns, steps, ..] = numbers[..] else {
        anyhow::bail!("usage: scaling ROWS COLUMNS STEPS [MEMBERS [FLAT_FOLDER]]");
    };
    let members = numbers.get(3).copied().unwrap_or(0);
    let seen = match std::env::args().nth(5) {
        Some(folder) => flat::load(Path::new(&folder))?,
        None => (0..PAST).map(made_up).collect(),
    };
    let past: Vec<RainField> = seen.iter().rev().take(PAST).rev().map(|f| repeated(f, rows, columns)).collect();
    drop(seen);
    let leads = LeadTimes { step_min: 5.0, count: steps };
    let (started, cpu) = (Instant::now(), processor_s()?);
    let motion_s = if members > 0 {
        let settings = EnsembleSettings { members, seed: 42 };
        let (nowcast, motion_s) = ensemble(&past, &leads, Inflow::LastObservation, settings)?;
        for step in nowcast {
            step?;
        }
        motion_s
    } else {
        method(DEFAULT_METHOD)
            .context("no default method")?
            .run(&past, &leads, Inflow::LastObservation)?
            .timings
            .motion_s
    };
    let (clock_s, cpu_s) = (started.elapsed().as_secs_f64(), processor_s()? - cpu);
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).context("no peak of memory")?;
    println!(
        "{rows} × {columns}, {steps} steps, {members} members: clock {clock_s:.3} s (motion {motion_s:.3}), processors \
         {cpu_s:.3} s, {peak}"
    );
    Ok(())
}

/// The field side by side with itself until a grid of the given size is full.
fn repeated(field: &RainField, rows: usize, columns: usize) -> RainField {
    let (height, width) = field.rate_mm_h.dim();
    let grid = Arc::new(Grid { width: columns, height: rows, ..Grid::clone(&field.grid) });
    let rate_mm_h = Array2::from_shape_fn((rows, columns), |(r, c)| field.rate_mm_h[(r % height, c % width)]);
    RainField { grid, valid_time: field.valid_time, rate_mm_h }
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
