//! Packing of values into integers with gain and offset, as ODIM_H5 stores them.

use ndarray::ArrayView2;
use raincell_model::{Sample, SampleKind};

/// Packed values, in the narrower of the two integer types that hold them.
#[derive(Debug)]
pub(crate) enum Codes {
    /// One byte a value; 0 = undetect, 255 = nodata.
    Bytes(Vec<u8>),
    /// Two bytes a value; 0 = undetect, 65535 = nodata.
    Words(Vec<u16>),
}

/// Values as integers: `value = code * gain + offset`, with two codes set apart.
#[derive(Debug)]
pub(crate) struct Packed {
    /// Row by row.
    pub codes: Codes,
    /// Value of one code step.
    pub gain: f64,
    /// Value of code 0, were it not undetect.
    pub offset: f64,
    /// Code of "not observed".
    pub nodata: f64,
    /// Code of "observed, nothing there".
    pub undetect: f64,
}

/// Half-unit steps are what radars themselves send reflectivity in; if all values lie on them, a byte loses nothing.
const BYTE_GAIN: f64 = 0.5;
const BYTE_LEVELS: f64 = 253.0;
const WORD_LEVELS: f64 = 65_533.0;

/// Packs samples: into bytes where that loses nothing, else into words with the finest round step that spans the values.
pub(crate) fn pack_samples(samples: &ArrayView2<'_, Sample>) -> Packed {
    let (mut low, mut high, mut on_half_steps) = (f64::INFINITY, f64::NEG_INFINITY, true);
    for value in samples.iter().filter_map(|s| s.as_value()) {
        let value = f64::from(value);
        low = low.min(value);
        high = high.max(value);
        on_half_steps &= (value / BYTE_GAIN).fract() == 0.0;
    }
    if low > high {
        (low, high) = (0.0, 0.0);
    }
    if on_half_steps && high - low <= BYTE_GAIN * BYTE_LEVELS {
        let offset = low - BYTE_GAIN;
        let code = |sample: &Sample| match sample.kind() {
            SampleKind::NoData => u8::MAX,
            SampleKind::Undetect => 0,
            SampleKind::Value(v) => ((f64::from(v) - offset) / BYTE_GAIN).round().clamp(1.0, 254.0) as u8,
        };
        let codes = Codes::Bytes(samples.iter().map(code).collect());
        return Packed { codes, gain: BYTE_GAIN, offset, nodata: 255.0, undetect: 0.0 };
    }
    let gain = finest_round_step(high - low);
    let offset = (low / gain).floor() * gain - gain;
    let code = |sample: &Sample| match sample.kind() {
        SampleKind::NoData => u16::MAX,
        SampleKind::Undetect => 0,
        SampleKind::Value(v) => ((f64::from(v) - offset) / gain).round().clamp(1.0, 65_534.0) as u16,
    };
    let codes = Codes::Words(samples.iter().map(code).collect());
    Packed { codes, gain, offset, nodata: 65_535.0, undetect: 0.0 }
}

/// Packs rain rates (mm/h, NaN = no data, 0 = dry) into words. A rate too small for the step becomes one step, never
/// dry.
pub(crate) fn pack_rates(rates_mm_h: &ArrayView2<'_, f32>) -> Packed {
    let highest = rates_mm_h.iter().copied().filter(|r| r.is_finite()).fold(0.0_f32, f32::max);
    // A hundredth of mm/h is finer than any rain gauge, and reaches 655 mm/h; only beyond that is the step coarser.
    let gain = finest_round_step(f64::from(highest)).max(0.01);
    let code = |&rate: &f32| {
        if rate.is_finite() {
            if rate > 0.0 { (f64::from(rate) / gain).round().clamp(1.0, 65_534.0) as u16 } else { 0 }
        } else {
            u16::MAX
        }
    };
    let codes = Codes::Words(rates_mm_h.iter().map(code).collect());
    Packed { codes, gain, offset: 0.0, nodata: 65_535.0, undetect: 0.0 }
}

/// The smallest of …, 0.01, 0.02, 0.05, 0.1, … that spans `range` in the levels of a word, with one to spare.
fn finest_round_step(range: f64) -> f64 {
    let least = range.max(1e-6) / (WORD_LEVELS - 1.0);
    let decade = least.log10().floor() as i32;
    let steps = [1.0, 2.0, 5.0, 10.0].map(|mantissa| {
        // Dividing by a power of ten gives the double nearest to 0.01, multiplying by its inverse does not.
        if decade < 0 { mantissa / 10_f64.powi(-decade) } else { mantissa * 10_f64.powi(decade) }
    });
    steps.into_iter().find(|step| *step >= least).unwrap_or(steps[3])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ndarray::array;

    #[test]
    fn half_decibel_steps_fit_in_bytes_without_loss() {
        let samples = array![[Sample::value(-31.5), Sample::value(70.0)], [Sample::UNDETECT, Sample::NODATA]];
        let packed = pack_samples(&samples.view());
        let Codes::Bytes(codes) = packed.codes else { panic!("words") };
        assert_eq!(codes, [1, 204, 0, 255]);
        assert_eq!(203.0 * packed.gain + packed.offset + packed.gain, 70.0);
    }

    #[test]
    fn finer_values_keep_a_fine_round_step() {
        let samples = array![[Sample::value(-10.003), Sample::value(50.25), Sample::NODATA]];
        let packed = pack_samples(&samples.view());
        let Codes::Words(codes) = packed.codes else { panic!("bytes") };
        assert_eq!(packed.gain, 0.001);
        assert!((f64::from(codes[1]) * packed.gain + packed.offset - 50.25).abs() <= 0.0005 + 1e-9);
        assert_eq!(codes[2], 65_535);
    }

    #[test]
    fn the_lightest_rain_is_never_written_as_dry() {
        let packed = pack_rates(&array![[0.0, 0.001, 1.234, f32::NAN, 655.0]].view());
        let Codes::Words(codes) = packed.codes else { panic!("bytes") };
        assert_eq!(codes, [0, 1, 123, 65_535, 65_500]);
    }
}
