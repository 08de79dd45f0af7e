//! Rays as neighbours: in a full turn the last ray lies beside the first.

use raincell_model::Sweep;

/// True when the rays of a sweep close to a full turn: no gap wider than three usual spacings at north.
pub(crate) fn closes(sweep: &Sweep) -> bool {
    let (Some(first), Some(last)) = (sweep.azimuths_deg.first(), sweep.azimuths_deg.last()) else {
        return false;
    };
    let rays = sweep.azimuths_deg.len();
    rays > 2 && 360.0 - (last - first) <= 3.0 * (last - first) / (rays - 1) as f32
}

/// The ray `step` away from `ray`, if there is one.
pub(crate) fn neighbour(ray: usize, step: isize, rays: usize, closed: bool) -> Option<usize> {
    let there = ray as isize + step;
    if closed {
        Some(there.rem_euclid(rays as isize) as usize)
    } else {
        (0..rays as isize).contains(&there).then_some(there as usize)
    }
}
