//! Sweeps drawn as pictures, for tests: `.` undetect, `?` nodata, a digit 5 dBZ each.

use jiff::Timestamp;
use ndarray::Array2;
use raincell_model::{Moment, Quantity, Sample, SampleKind, Sweep};

/// A full turn with a ray for each line.
pub(crate) fn sweep(picture: &[&str]) -> Sweep {
    let data =
        Array2::from_shape_fn((picture.len(), picture[0].len()), |(ray, gate)| match picture[ray].as_bytes()[gate] {
            b'.' => Sample::UNDETECT,
            b'?' => Sample::NODATA,
            digit => Sample::value(f32::from(digit - b'0') * 5.0),
        });
    let spacing = 360.0 / picture.len() as f32;
    Sweep {
        elevation_deg: 0.5,
        start_time: Timestamp::UNIX_EPOCH,
        end_time: Timestamp::UNIX_EPOCH,
        azimuths_deg: (0..picture.len()).map(|ray| (ray as f32 + 0.5) * spacing).collect(),
        moments: vec![Moment { quantity: Quantity::Dbzh, first_gate_m: 500.0, gate_spacing_m: 1000.0, data }],
    }
}

/// The picture of a moment.
pub(crate) fn drawn(moment: &Moment) -> Vec<String> {
    let letter = |sample: &Sample| match sample.kind() {
        SampleKind::Undetect => '.',
        SampleKind::NoData => '?',
        SampleKind::Value(dbz) => char::from(b'0' + (dbz / 5.0).round() as u8),
    };
    moment.data.rows().into_iter().map(|ray| ray.iter().map(letter).collect()).collect()
}
