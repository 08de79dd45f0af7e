//! A folder of ODIM_H5 composites as a sequence of rain fields.

use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use raincell_io::{RawScan, ReadOptions};
use raincell_model::RainField;
use raincell_prepare::{Recipe, pipeline};
use rayon::prelude::*;

/// Rain fields of the composites in `folder` up to and including `until`, not older than `history` before the newest of
/// them, ascending in time. Files that are later by their name are never opened.
pub fn read(folder: &Path, until: Option<Timestamp>, history: SignedDuration) -> anyhow::Result<Vec<RainField>> {
    let mut files = composites(folder)?;
    files.retain(|(time, _)| until.is_none_or(|until| time.is_none_or(|t| t <= until)));
    // Times in file names may be those of the end or the start of a scan: some slack, the data decide below.
    let newest_by_name = files.iter().filter_map(|(time, _)| *time).max();
    if let Some(newest) = newest_by_name {
        let oldest = newest - history - SignedDuration::from_mins(15);
        files.retain(|(time, _)| time.is_none_or(|t| t >= oldest));
    }
    let mut fields: Vec<RainField> =
        files.par_iter().map(|(_, path)| read_file(path)).collect::<anyhow::Result<_>>()?;
    fields.retain(|field| until.is_none_or(|until| field.valid_time <= until));
    fields.sort_by_key(|field| field.valid_time);
    let newest = fields.last().map(|f| f.valid_time);
    fields.retain(|field| newest.is_some_and(|newest| newest.duration_since(field.valid_time) <= history));
    anyhow::ensure!(!fields.is_empty(), "{}: no composite up to the time asked for", folder.display());
    Ok(fields)
}

/// The step between fields in minutes: the median, so that one missing file does not change it.
pub fn step_min(fields: &[RainField]) -> Option<f64> {
    let mut steps: Vec<f64> = fields
        .windows(2)
        .map(|pair| pair[1].valid_time.duration_since(pair[0].valid_time).as_secs_f64() / 60.0)
        .filter(|step| *step > 0.0)
        .collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).copied()
}

fn read_file(path: &Path) -> anyhow::Result<RainField> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    match raincell_io::read(&bytes, &path.display().to_string(), &ReadOptions::default())? {
        scan @ RawScan::Grid(_) => Ok(pipeline::to_rain(&scan, &Recipe::default())?.field),
        RawScan::Volume(_) => {
            anyhow::bail!("{}: a polar volume; `raincell prepare` makes composites of those", path.display())
        }
    }
}

/// HDF5 files of a folder with the time that their name tells, by name.
fn composites(folder: &Path) -> anyhow::Result<Vec<(Option<Timestamp>, PathBuf)>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        let is_hdf5 = path.extension().is_some_and(|e| e == "h5" || e == "hdf" || e == "hdf5");
        if is_hdf5 && path.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((time_in_name(&name), path));
        }
    }
    files.sort();
    Ok(files)
}

/// The first `YYYYMMDDHHMM` or `YYYYMMDDTHHMM` in a file name.
fn time_in_name(name: &str) -> Option<Timestamp> {
    let digits: Vec<(usize, u8)> = name.bytes().enumerate().filter(|(_, b)| b.is_ascii_digit()).collect();
    digits.windows(12).find_map(|window| {
        let span = window[11].0 - window[0].0;
        let separated = span == 12 && matches!(name.as_bytes()[window[7].0 + 1], b'T' | b'_' | b'-');
        if span != 11 && !separated {
            return None;
        }
        let text: String = window.iter().map(|(_, b)| char::from(*b)).collect();
        let time = DateTime::strptime("%Y%m%d%H%M", text).ok()?;
        let plausible = (1980..2100).contains(&time.year());
        plausible.then(|| time.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| z.timestamp())).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_tell_their_time() {
        let time: Timestamp = "2015-05-15T16:45:00Z".parse().unwrap();
        for name in ["201505151645.h5", "demo_20150515T164500_RATE.h5", "x20150515_1645.h5"] {
            assert_eq!(time_in_name(name), Some(time), "{name}");
        }
        assert_eq!(time_in_name("composite.h5"), None);
        assert_eq!(time_in_name("2015-05-15.h5"), None);
    }
}
