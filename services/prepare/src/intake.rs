//! From files to scans: which files belong together, and reading them.
//!
//! A unit is what is read in one go: one file, or the real-time chunks of one NEXRAD volume. Several units can make one
//! scan: ODIM files that hold one moment or one sweep each are merged by radar and nominal time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use raincell_io::{RawScan, ReadError, ReadOptions};
use raincell_model::PolarVolume;
use thiserror::Error;

/// The lowest sweep of nearly every radar lies below this; higher ones need not be decoded.
const LOW_SWEEP_DEG: f32 = 1.3;

/// What is read in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// One file.
    File(PathBuf),
    /// The chunks of one NEXRAD volume, in order.
    Chunks(Vec<PathBuf>),
}

/// Why a unit cannot be read.
#[derive(Debug, Error)]
pub enum IntakeError {
    /// The system does not give it.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is not what a radar file should be.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Which scan something belongs to: where the radar stands (or what the composite is called) and the nominal time. Not
/// the radar's identifier: one file of a scan may give its WMO number, another its node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScanKey {
    /// Nominal time.
    pub time: Timestamp,
    /// Position of the radar to 0.01°, or name of the composite.
    pub origin: String,
}

impl Unit {
    /// The first of its files names it.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Chunks(paths) => paths.first().map_or(Path::new(""), PathBuf::as_path),
        }
    }

    /// All of its files.
    pub fn paths(&self) -> &[PathBuf] {
        match self {
            Self::File(path) => std::slice::from_ref(path),
            Self::Chunks(paths) => paths,
        }
    }

    /// True when nothing more is to come: a file, or all chunks from the first to the last one. (The last one may come
    /// before others; its number says how many there are.)
    pub fn is_complete(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Chunks(paths) => {
                let numbers: BTreeSet<u32> = paths.iter().filter_map(|p| chunk_number(&file_name(p))).collect();
                let last = paths.iter().map(|p| file_name(p)).find(|name| name.ends_with("-E"));
                last.and_then(|name| chunk_number(&name)).is_some_and(|last| (1..=last).all(|n| numbers.contains(&n)))
            }
        }
    }

    /// True when a low sweep may be there already: chunks from the first one on without a gap.
    pub fn begins_whole(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Chunks(paths) => {
                let numbers: BTreeSet<u32> = paths.iter().filter_map(|p| chunk_number(&file_name(p))).collect();
                numbers.len() >= 2 && numbers.iter().zip(1..).all(|(number, expected)| *number == expected)
            }
        }
    }

    /// Reads what rain is made of: of a volume only its low sweeps.
    ///
    /// # Errors
    /// [`IntakeError`] naming the file, the place and the reason.
    pub fn read(&self) -> Result<RawScan, IntakeError> {
        let files: Vec<(String, Vec<u8>)> = self
            .paths()
            .iter()
            .map(|path| Ok((file_name(path), bytes_of(path)?)))
            .collect::<Result<_, IntakeError>>()?;
        Ok(self.decode(&files)?)
    }

    /// The same from bytes that are here already: (file name, content) of each of its files, in their order.
    ///
    /// # Errors
    /// [`ReadError`] naming the file, the place and the reason.
    pub fn decode(&self, files: &[(String, Vec<u8>)]) -> Result<RawScan, ReadError> {
        match self.decode_with(&ReadOptions::for_rain(LOW_SWEEP_DEG), files) {
            Ok(RawScan::Volume(volume)) if volume.lowest_sweep().is_some() => Ok(RawScan::Volume(volume)),
            Ok(grid @ RawScan::Grid(_)) => Ok(grid),
            // A radar on a mountain may begin higher up, a part of a scan may hold another moment or one high sweep.
            _ => self.decode_with(&ReadOptions::default(), files),
        }
    }

    fn decode_with(&self, options: &ReadOptions, files: &[(String, Vec<u8>)]) -> Result<RawScan, ReadError> {
        match (self, files) {
            (Self::File(_), [(name, bytes)]) => raincell_io::read(bytes, name, options),
            _ => raincell_io::nexrad::read_chunks(files, options).map(RawScan::Volume),
        }
    }
}

/// True when the sweep that rain is made of goes all the way round; what comes later in the volume is not needed.
pub fn low_sweep_is_whole(scan: &RawScan) -> bool {
    let RawScan::Volume(volume) = scan else { return true };
    volume.lowest_sweep().is_some_and(|sweep| goes_round(&sweep.azimuths_deg))
}

/// True when no gap between neighbouring rays is more than two of the usual ones.
fn goes_round(azimuths_deg: &[f32]) -> bool {
    let mut sorted: Vec<f32> = azimuths_deg.iter().map(|azimuth| azimuth.rem_euclid(360.0)).collect();
    sorted.sort_by(f32::total_cmp);
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return false };
    let mut gaps: Vec<f32> = sorted.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.push(first + 360.0 - last);
    gaps.sort_by(f32::total_cmp);
    let (usual, widest) = (gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
    sorted.len() >= 90 && widest <= 2.5 * usual
}

/// The scan that something read belongs to.
pub fn scan_key(scan: &RawScan) -> ScanKey {
    match scan {
        RawScan::Volume(PolarVolume { site, nominal_time, .. }) => {
            ScanKey { time: *nominal_time, origin: format!("{:.2},{:.2}", site.lat_deg, site.lon_deg) }
        }
        RawScan::Grid(grid) => ScanKey { time: grid.valid_time, origin: grid.source.to_lowercase() },
    }
}

/// Sorts files into units: chunks of one volume in one folder go together, every other file stands for itself.
pub fn units(mut paths: Vec<PathBuf>) -> Vec<Unit> {
    paths.sort();
    let mut units = Vec::new();
    let mut chunks: BTreeMap<(PathBuf, String), Vec<PathBuf>> = BTreeMap::new();
    for path in paths {
        match chunk_volume(&file_name(&path)) {
            Some(volume) => {
                let folder = path.parent().unwrap_or(Path::new("")).to_owned();
                chunks.entry((folder, volume.to_owned())).or_default().push(path);
            }
            None => units.push(Unit::File(path)),
        }
    }
    units.extend(chunks.into_values().map(Unit::Chunks));
    units.sort_by(|a, b| a.path().cmp(b.path()));
    units
}

/// Merges parts of one scan. What comes twice stands as it came first: a moment of a sweep, and all of a grid.
pub fn merge(parts: Vec<RawScan>) -> Option<RawScan> {
    let mut volumes: Vec<PolarVolume> = Vec::new();
    let mut grid = None;
    for part in parts {
        match part {
            RawScan::Volume(volume) => volumes.push(volume),
            RawScan::Grid(_) => grid = grid.or(Some(part)),
        }
    }
    grid.or_else(|| raincell_io::odim::group_volumes(volumes).into_iter().next().map(RawScan::Volume))
}

/// The volume that a chunk's file name belongs to: `YYYYMMDD-HHMMSS` of `YYYYMMDD-HHMMSS-NNN-{S|I|E}`.
fn chunk_volume(name: &str) -> Option<&str> {
    let mut parts = name.split('-');
    let (date, time, number, kind) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let digits = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
    let is_chunk = digits(date, 8)
        && digits(time, 6)
        && digits(number, 3)
        && matches!(kind, "S" | "I" | "E")
        && parts.next().is_none();
    is_chunk.then(|| &name[..15])
}

/// NNN of a chunk's file name.
fn chunk_number(name: &str) -> Option<u32> {
    chunk_volume(name).and_then(|_| name.get(16..19)?.parse().ok())
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, IntakeError> {
    std::fs::read(path).map_err(|source| IntakeError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_of_a_volume_go_together_and_files_stand_alone() {
        let paths = ["k/20210729-123848-002-I", "k/20210729-123848-001-S", "b.h5", "k/20210729-124500-001-S", "a.gz"];
        let units = units(paths.iter().map(PathBuf::from).collect());
        assert_eq!(
            units,
            vec![
                Unit::File("a.gz".into()),
                Unit::File("b.h5".into()),
                Unit::Chunks(vec!["k/20210729-123848-001-S".into(), "k/20210729-123848-002-I".into()]),
                Unit::Chunks(vec!["k/20210729-124500-001-S".into()]),
            ]
        );
        assert!(!units[2].is_complete());
    }

    #[test]
    fn chunks_are_complete_once_none_is_missing_before_the_last() {
        let chunks = |ends: &[&str]| Unit::Chunks(ends.iter().map(|e| format!("20210729-123848-{e}").into()).collect());
        assert!(chunks(&["001-S", "002-I", "003-E"]).is_complete());
        assert!(chunks(&["003-E", "001-S", "002-I"]).is_complete());
        for missing in [&["001-S", "002-I"][..], &["001-S", "003-E"], &["002-I", "003-E"], &["003-E"]] {
            assert!(!chunks(missing).is_complete(), "{missing:?}");
        }
    }

    #[test]
    fn the_beginning_of_a_volume_has_no_gap() {
        let chunks = |ends: &[&str]| Unit::Chunks(ends.iter().map(|e| format!("20210729-123848-{e}").into()).collect());
        assert!(chunks(&["001-S", "002-I"]).begins_whole() && chunks(&["002-I", "001-S", "003-I"]).begins_whole());
        for gap in [&["001-S"][..], &["001-S", "003-I"], &["002-I", "003-I"]] {
            assert!(!chunks(gap).begins_whole(), "{gap:?}");
        }
    }

    #[test]
    fn a_sweep_goes_round_when_no_ray_is_missing() {
        let rays = |count: usize, step: f32| -> Vec<f32> { (0..count).map(|n| 300.3 + n as f32 * step).collect() };
        assert!(goes_round(&rays(720, 0.5)) && goes_round(&rays(360, 1.0)) && goes_round(&rays(361, 1.0)));
        assert!(!goes_round(&rays(700, 0.5)) && !goes_round(&rays(120, 0.5)) && !goes_round(&[]));
    }

    #[test]
    fn other_names_are_not_chunks() {
        for name in
            ["KLOT20210729_123848_V06", "20210729-123848-001-X", "20210729-123848-1-S", "20210729-123848-001-S-x"]
        {
            assert_eq!(chunk_volume(name), None, "{name}");
        }
    }
}
