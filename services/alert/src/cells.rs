//! Cells of heavy rain anywhere in the domain, followed from frame to frame, as a pure function.
//!
//! A cell is what hangs together above a rate, on blocks of about [`BLOCK_KM`]; it is the cell of the frame before when
//! that one, moved on with the motion field, overlaps it (as in TITAN, Dixon and Wiener 1993, without its optimisation).
//! A cell is news in the second frame that shows it, unless others near it were told of lately; it is over when two
//! frames no longer show it. Where the radar did not see, a cell is dropped without a word.

mod find;

use std::collections::BTreeSet;

use jiff::{SignedDuration as Span, Timestamp};
use raincell_model::{MotionField, RainField, distance_km};
use serde::{Deserialize, Serialize};

use find::{Found, Raster};

/// Side of a block, km.
const BLOCK_KM: f64 = 4.0;
/// After a longer gap between two frames nothing is followed.
const BLIND: Span = Span::from_mins(20);
/// Frames that must show a cell before it is told of, and that must not show it before it is over.
const FRAMES: u32 = 2;
const HOUR: Span = Span::from_mins(60);

/// What cells are told of.
#[derive(Clone, Debug)]
pub struct CellRules {
    /// A cell is where it rains at least so hard, mm/h …
    pub rate_mm_h: f32,
    /// … over so many square kilometres.
    pub area_km2: f64,
    /// Nothing is told of a cell so near to another that was told of …
    pub apart_km: f64,
    /// … until this time after that one was last seen.
    pub re_arm: Span,
    /// The most cells that are told of in an hour.
    pub most_per_hour: usize,
    /// Frames older than this make no news.
    pub stale_after: Span,
}

/// The cells that are followed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CellState {
    /// Of the grid that the blocks are on.
    grid: u64,
    /// Valid time of the newest frame.
    pub seen_at: Option<Timestamp>,
    tracks: Vec<Track>,
    told: Vec<Told>,
}

/// One cell as last seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Track {
    /// (row, column) of its blocks.
    blocks: Vec<(u32, u32)>,
    lat_deg: f64,
    lon_deg: f64,
    seen_at: Timestamp,
    frames: u32,
    missed: u32,
    peak_mm_h: f32,
    /// When it was told of, and under which name.
    told: Option<(Timestamp, String)>,
}

/// A cell that was told of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Told {
    at: Timestamp,
    town: String,
    /// When and where it was last seen.
    seen_at: Timestamp,
    lat_deg: f64,
    lon_deg: f64,
}

/// Something to tell of a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct CellNews {
    /// True when it is over.
    pub over: bool,
    /// Valid time of the frame.
    pub time: Timestamp,
    /// When it was last seen.
    pub about: Timestamp,
    /// The rate that a few square kilometres of it reach, mm/h; once over, the strongest so far.
    pub rate_mm_h: f32,
    /// Its middle, degrees north.
    pub lat_deg: f64,
    /// Its middle, degrees east.
    pub lon_deg: f64,
    /// The town it is named after.
    pub town: String,
    /// (speed in km/h, where to in degrees clockwise from north).
    pub motion: Option<(f32, f32)>,
    /// When it was first told of.
    pub first: Timestamp,
}

/// Follows the cells into a frame. `town` names a place at (latitude, longitude); a cell without a name is not told of.
pub fn step(
    state: &CellState,
    rules: &CellRules,
    field: &RainField,
    motion: Option<&MotionField>,
    town: impl Fn(f64, f64) -> Option<String>,
    now: Timestamp,
) -> (CellState, Vec<CellNews>) {
    let time = field.valid_time;
    let stale = now.duration_since(time) > rules.stale_after;
    if stale || state.seen_at.is_some_and(|seen| time <= seen) {
        return (state.clone(), Vec::new());
    }
    let Some(raster) = Raster::new(field, BLOCK_KM) else { return (state.clone(), Vec::new()) };
    let motion = motion.filter(|motion| motion.u.dim() == field.rate_mm_h.dim());
    let found = raster.cells(rules.rate_mm_h, rules.area_km2);
    let known =
        state.grid == raster.fingerprint && state.seen_at.is_some_and(|seen| time.duration_since(seen) <= BLIND);
    let before: &[Track] = if known { &state.tracks } else { &[] };
    let told =
        state.told.iter().filter(|told| time.duration_since(told.seen_at) <= rules.re_arm.max(HOUR)).cloned().collect();
    let mut next = CellState { grid: raster.fingerprint, seen_at: Some(time), tracks: Vec::new(), told };
    let moved: Vec<BTreeSet<(u32, u32)>> = before.iter().map(|track| raster.moved(track, motion, time)).collect();
    let successor = successors(&moved, &found);
    let mut news = Vec::new();
    for (index, track) in before.iter().enumerate() {
        if successor.contains(&Some(index)) {
            continue;
        }
        // It became part of another cell, or nobody saw what became of it.
        let merged = found.iter().any(|cell| overlap(&moved[index], cell) > 0);
        if merged || !raster.observed(&moved[index]) {
            continue;
        }
        let missed = track.missed + 1;
        if missed < FRAMES {
            next.tracks.push(Track { missed, ..track.clone() });
        } else if let Some((first, town)) = track.told.clone() {
            news.push(CellNews {
                over: true,
                time,
                about: track.seen_at,
                rate_mm_h: track.peak_mm_h,
                lat_deg: track.lat_deg,
                lon_deg: track.lon_deg,
                town,
                motion: None,
                first,
            });
        }
    }
    for (cell, predecessor) in found.into_iter().zip(successor) {
        let track = follow(predecessor.map(|index| &before[index]), cell, time);
        next.remember(&track);
        next.tracks.push(track);
    }
    for index in 0..next.tracks.len() {
        news.extend(next.tell(index, rules, &raster, motion, &town));
    }
    (next, news)
}

/// A cell found, as the one that it was before.
fn follow(before: Option<&Track>, cell: Found, time: Timestamp) -> Track {
    Track {
        blocks: cell.blocks.into_iter().collect(),
        lat_deg: cell.lat_deg,
        lon_deg: cell.lon_deg,
        seen_at: time,
        frames: before.map_or(0, |track| track.frames) + 1,
        missed: 0,
        peak_mm_h: cell.rate_mm_h.max(before.map_or(0.0, |track| track.peak_mm_h)),
        told: before.and_then(|track| track.told.clone()),
    }
}

impl CellState {
    /// Where a cell that was told of is now.
    fn remember(&mut self, track: &Track) {
        let Some((at, town)) = &track.told else { return };
        for told in self.told.iter_mut().filter(|told| told.at == *at && told.town == *town) {
            (told.seen_at, told.lat_deg, told.lon_deg) = (track.seen_at, track.lat_deg, track.lon_deg);
        }
    }

    fn tell(
        &mut self,
        index: usize,
        rules: &CellRules,
        raster: &Raster<'_>,
        motion: Option<&MotionField>,
        town: impl Fn(f64, f64) -> Option<String>,
    ) -> Option<CellNews> {
        let time = self.seen_at?;
        let track = self.tracks.get(index)?;
        if track.told.is_some() || track.frames < FRAMES || track.missed > 0 {
            return None;
        }
        let here = (track.lat_deg, track.lon_deg);
        let near = |lat_deg, lon_deg| distance_km(here, (lat_deg, lon_deg)) < rules.apart_km;
        let lately =
            |told: &Told| time.duration_since(told.seen_at) <= rules.re_arm && near(told.lat_deg, told.lon_deg);
        let beside_another = self.tracks.iter().any(|other| other.told.is_some() && near(other.lat_deg, other.lon_deg));
        let this_hour = self.told.iter().filter(|told| time.duration_since(told.at) < HOUR).count();
        if beside_another || self.told.iter().any(lately) || this_hour >= rules.most_per_hour {
            return None;
        }
        let name = town(here.0, here.1)?;
        let motion = motion.and_then(|motion| {
            let (row, column) = raster.index_of(here.0, here.1)?;
            motion.speed_and_direction(row, column)
        });
        let track = self.tracks.get_mut(index)?;
        track.told = Some((time, name.clone()));
        self.told.push(Told { at: time, town: name.clone(), seen_at: time, lat_deg: here.0, lon_deg: here.1 });
        Some(CellNews {
            over: false,
            time,
            about: time,
            rate_mm_h: track.peak_mm_h,
            lat_deg: here.0,
            lon_deg: here.1,
            town: name,
            motion,
            first: time,
        })
    }
}

/// For each cell found the one before that overlaps it most; each goes into one only.
fn successors(moved: &[BTreeSet<(u32, u32)>], found: &[Found]) -> Vec<Option<usize>> {
    let mut pairs = Vec::new();
    for (before, blocks) in moved.iter().enumerate() {
        for (after, cell) in found.iter().enumerate() {
            let shared = overlap(blocks, cell);
            if shared > 0 {
                pairs.push((shared, before, after));
            }
        }
    }
    pairs.sort_by(|a, b| b.cmp(a));
    let mut successor = vec![None; found.len()];
    for (_, before, after) in pairs {
        if successor[after].is_none() && !successor.contains(&Some(before)) {
            successor[after] = Some(before);
        }
    }
    successor
}

/// Blocks of a cell on or beside those of a moved one.
fn overlap(moved: &BTreeSet<(u32, u32)>, cell: &Found) -> usize {
    let beside = |&(row, column): &(u32, u32)| {
        let rows = row.saturating_sub(1)..=row + 1;
        rows.into_iter().any(|r| moved.range((r, column.saturating_sub(1))..=(r, column + 1)).next().is_some())
    };
    cell.blocks.iter().filter(|block| beside(block)).count()
}

#[cfg(test)]
mod tests;
