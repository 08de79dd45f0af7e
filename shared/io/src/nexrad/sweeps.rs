//! From radials to sweeps.

use ndarray::Array2;
use raincell_model::{Moment, Quantity, Sample, Sweep};
use rayon::prelude::*;

use super::messages::{RawMoment, Ray};
use crate::limits::{MAX_RAYS, MAX_SWEEPS, check_count};
use crate::{ReadErrorKind, ReadOptions};

/// Cells of all moments of a volume together: four times the largest that is met.
const MAX_VOLUME_CELLS: usize = 400_000_000;
/// The commanded angle is believed when the antenna was this near to it.
const SAME_ELEVATION_DEG: f32 = 0.5;

/// Groups radials by cut and turns their codes into samples. `coverage_deg` holds the commanded elevation of each cut.
pub(crate) fn assemble(
    rays: Vec<Ray>,
    coverage_deg: &[f32],
    options: &ReadOptions,
) -> Result<Vec<Sweep>, ReadErrorKind> {
    let mut cuts: Vec<Vec<Ray>> = Vec::new();
    for ray in rays {
        match cuts.last_mut() {
            Some(cut) if cut.last().is_some_and(|last| last.cut == ray.cut) => cut.push(ray),
            _ => cuts.push(vec![ray]),
        }
    }
    cuts.retain(|cut| options.wants_elevation(commanded_elevation(cut, coverage_deg)));
    if cuts.is_empty() {
        return Err(ReadErrorKind::Nothing { what: "sweep asked for" });
    }
    check_count("number of sweeps", cuts.len(), MAX_SWEEPS)?;
    let mut cells = 0_usize;
    for cut in &cuts {
        check_count(format!("rays of cut {}", cut[0].cut), cut.len(), MAX_RAYS)?;
        for (_, gates) in moment_sizes(cut) {
            cells += cut.len() * gates;
        }
    }
    check_count("cells of the volume", cells.max(1), MAX_VOLUME_CELLS)?;
    Ok(cuts.into_par_iter().map(|cut| build_sweep(cut, coverage_deg)).filter(|s| !s.moments.is_empty()).collect())
}

fn commanded_elevation(rays: &[Ray], coverage_deg: &[f32]) -> f32 {
    let mut measured: Vec<f32> = rays.iter().map(|ray| ray.elevation_deg).collect();
    measured.sort_by(f32::total_cmp);
    let median = measured[measured.len() / 2];
    usize::from(rays[0].cut)
        .checked_sub(1)
        .and_then(|index| coverage_deg.get(index))
        .copied()
        .filter(|commanded| (commanded - median).abs() <= SAME_ELEVATION_DEG)
        .unwrap_or(median)
}

/// The quantities of a cut in the order of their first appearance, and the most gates that any ray has of each.
fn moment_sizes(rays: &[Ray]) -> Vec<(Quantity, usize)> {
    let mut sizes: Vec<(Quantity, usize)> = Vec::new();
    for moment in rays.iter().flat_map(|ray| &ray.moments) {
        let gates = moment.codes.len() / moment.code_bytes;
        match sizes.iter_mut().find(|(quantity, _)| *quantity == moment.quantity) {
            Some((_, most)) => *most = (*most).max(gates),
            None => sizes.push((moment.quantity.clone(), gates)),
        }
    }
    sizes.retain(|(_, gates)| *gates > 0);
    sizes
}

fn build_sweep(mut rays: Vec<Ray>, coverage_deg: &[f32]) -> Sweep {
    let elevation_deg = commanded_elevation(&rays, coverage_deg);
    let times = || rays.iter().map(|ray| ray.time);
    let (start_time, end_time) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
    for ray in &mut rays {
        if ray.azimuth_deg >= 360.0 {
            ray.azimuth_deg = 0.0;
        }
    }
    rays.sort_by(|a, b| a.azimuth_deg.total_cmp(&b.azimuth_deg));
    let moments = moment_sizes(&rays).into_iter().filter_map(|(quantity, gates)| build_moment(&rays, quantity, gates));
    let moments = moments.collect();
    let azimuths_deg = rays.iter().map(|ray| ray.azimuth_deg).collect();
    Sweep { elevation_deg, start_time, end_time, azimuths_deg, moments }
}

fn build_moment(rays: &[Ray], quantity: Quantity, gates: usize) -> Option<Moment> {
    let of_ray = |ray: &'_ Ray| ray.moments.iter().position(|moment| moment.quantity == quantity);
    let first = rays.iter().find_map(|ray| of_ray(ray).map(|index| &ray.moments[index]))?;
    let (first_gate_m, gate_spacing_m) = (first.first_gate_m, first.gate_spacing_m);
    let mut table = CodeTable::new(first);
    let mut data = Array2::from_elem((rays.len(), gates), Sample::NODATA);
    for (mut row, ray) in data.rows_mut().into_iter().zip(rays) {
        let Some(moment) = of_ray(ray).map(|index| &ray.moments[index]) else { continue };
        // Rays of one cut share their gates; one that does not cannot be placed.
        if moment.first_gate_m != first_gate_m || moment.gate_spacing_m != gate_spacing_m {
            continue;
        }
        table.set(moment);
        if let Some(row) = row.as_slice_mut() {
            table.decode(moment, row);
        }
    }
    Some(Moment { quantity, first_gate_m, gate_spacing_m, data })
}

/// Samples of the codes of one scale and offset.
struct CodeTable {
    scale: f32,
    offset: f32,
    bytes: Vec<Sample>,
}

impl CodeTable {
    fn new(moment: &RawMoment) -> Self {
        let (scale, offset) = (moment.scale, moment.offset);
        Self { scale, offset, bytes: (0..=u8::MAX).map(|code| sample(u16::from(code), scale, offset)).collect() }
    }

    fn set(&mut self, moment: &RawMoment) {
        if moment.scale != self.scale || moment.offset != self.offset {
            *self = Self::new(moment);
        }
    }

    fn decode(&self, moment: &RawMoment, row: &mut [Sample]) {
        if moment.code_bytes == 1 {
            for (out, code) in row.iter_mut().zip(&moment.codes) {
                *out = self.bytes[usize::from(*code)];
            }
        } else {
            for (out, code) in row.iter_mut().zip(moment.codes.as_chunks::<2>().0) {
                *out = sample(u16::from_be_bytes(*code), self.scale, self.offset);
            }
        }
    }
}

/// ICD 2620002: 0 is below the signal-to-noise threshold, 1 is range folded (an echo from who knows where).
fn sample(code: u16, scale: f32, offset: f32) -> Sample {
    match code {
        0 => Sample::UNDETECT,
        1 => Sample::NODATA,
        code => Sample::value((f32::from(code) - offset) / scale),
    }
}
