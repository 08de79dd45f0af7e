//! Sequences of composites as flat files, so that experiments read them in no time.
//!
//! A folder holds `meta.txt` (`rows columns cell_km`) and `YYYYMMDDHHMM.f32`: little-endian mm/h, row-major, NaN unknown.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ndarray::Array2;
use raincell_model::{Grid, RainField};

/// All fields of a folder, ascending.
pub fn load(folder: &Path) -> Result<Vec<RainField>> {
    let meta = fs::read_to_string(folder.join("meta.txt")).with_context(|| format!("{}", folder.display()))?;
    let numbers: Vec<f64> = meta.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    ensure!(numbers.len() == 3, "meta.txt wants `rows columns cell_km`");
    let (height, width, cell_km) = (numbers[0] as usize, numbers[1] as usize, numbers[2]);
    let grid = Arc::new(Grid { width, height, ..Grid::around_radar(50.0, 5.0, 100.0, cell_km) });
    let mut names: Vec<_> = fs::read_dir(folder)?.filter_map(|e| Some(e.ok()?.path())).collect();
    names.retain(|p| p.extension().is_some_and(|e| e == "f32"));
    names.sort();
    names
        .iter()
        .map(|path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let valid_time = DateTime::strptime("%Y%m%d%H%M", &*stem)?.to_zoned(TimeZone::UTC)?.timestamp();
            let bytes = fs::read(path)?;
            let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            Ok(RainField {
                grid: grid.clone(),
                valid_time,
                rate_mm_h: Array2::from_shape_vec((height, width), values)?,
            })
        })
        .collect()
}

/// Minutes between fields: the median, so that a gap does not change it.
#[allow(dead_code, reason = "not each example that has this module wants it")]
pub fn step_min(fields: &[RainField]) -> f64 {
    let minutes = |pair: &[RainField]| pair[1].valid_time.duration_since(pair[0].valid_time).as_secs_f64() / 60.0;
    let mut steps: Vec<f64> = fields.windows(2).map(minutes).collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).copied().unwrap_or(5.0)
}
