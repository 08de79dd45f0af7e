//! Values to eight bits and back.

use crate::DecodeError;
use crate::bytes::wrong;

/// Code of an observed cell without rain: exactly 0.
pub(crate) const DRY: u8 = 0;
/// Highest code that stands for a value.
pub(crate) const TOP: u8 = 254;
/// Code of a cell that was not observed.
pub(crate) const NODATA: u8 = 255;

/// Least highest value of a linear scale: half of its step is still a number that is not zero.
const LEAST_HIGHEST: f32 = 1e-30;

/// How the codes 1 to 254 spread over values. Code 0 is exactly 0 and code 255 no data in all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantisation {
    /// Even steps of the logarithm: each value is off by at most `(highest/lowest)^(1/506) − 1` of itself.
    Logarithmic {
        /// Value of code 1; what is more than half a step below it becomes 0.
        lowest: f32,
        /// Value of code 254; all above becomes this.
        highest: f32,
    },
    /// Even steps from 0: code `k` is `k/254` of `highest`; less than half a step becomes 0.
    Linear {
        /// Value of code 254; all above becomes this.
        highest: f32,
    },
}

impl Quantisation {
    /// Rain rate in mm/h, from 0.05 on in steps of 4.7 %, so that the error is at most 2.4 %. The scale ends far above any
    /// rain: that leaves codes unused, which cost nothing, where finer steps would. The steps are such that rates which
    /// thresholds are made of (0.1, 1, 5) do not become less than they are.
    pub const RAIN_RATE: Self = Self::Logarithmic { lowest: 0.05, highest: 6_000.0 };

    /// Probabilities and other shares: 0 to 1 in steps of 0.004.
    pub const SHARE: Self = Self::Linear { highest: 1.0 };

    /// Whole minutes up to 254.
    pub const MINUTES: Self = Self::Linear { highest: TOP as f32 };

    /// The quantisation that suits a product: shares for `probability…` and `quality`, minutes for `arrival-…` and
    /// `end-…`, rain rate for all others.
    pub fn of_product(product: &str) -> Self {
        if product.starts_with("probability") || product == "quality" {
            Self::SHARE
        } else if product.starts_with("arrival-") || product.starts_with("end-") {
            Self::MINUTES
        } else {
            Self::RAIN_RATE
        }
    }

    /// Its number in the header.
    pub(crate) fn kind(self) -> u8 {
        match self {
            Self::Logarithmic { .. } => 1,
            Self::Linear { .. } => 2,
        }
    }

    /// (lowest, highest) as they stand in the header.
    pub(crate) fn bounds(self) -> (f32, f32) {
        match self {
            Self::Logarithmic { lowest, highest } => (lowest, highest),
            Self::Linear { highest } => (0.0, highest),
        }
    }

    /// From the header; `offset` is where the bounds begin.
    pub(crate) fn from_header(kind: u8, lowest: f32, highest: f32, offset: usize) -> Result<Self, DecodeError> {
        let sane = |least: f32| lowest >= least && highest > lowest && highest.is_finite();
        let found = format_args!("{lowest} to {highest}").to_string();
        match kind {
            1 if sane(f32::MIN_POSITIVE) => Ok(Self::Logarithmic { lowest, highest }),
            2 if sane(0.0) && lowest == 0.0 && highest >= LEAST_HIGHEST => Ok(Self::Linear { highest }),
            1 => Err(wrong("quantisation bounds", offset, "0 < lowest < highest, finite", found)),
            2 => {
                let expected = format_args!("lowest 0, highest at least {LEAST_HIGHEST:e}, finite").to_string();
                Err(wrong("quantisation bounds", offset, expected, found))
            }
            _ => Err(wrong("quantisation kind", 5, "1 (logarithmic) or 2 (linear)", kind)),
        }
    }

    /// True when a reader takes its bounds.
    pub(crate) fn is_sound(self) -> bool {
        let (lowest, highest) = self.bounds();
        Self::from_header(self.kind(), lowest, highest, 0).is_ok()
    }

    /// The value of a code.
    pub(crate) fn value(self, code: u8) -> f32 {
        match (code, self) {
            (DRY, _) => 0.0,
            (NODATA, _) => f32::NAN,
            (_, Self::Logarithmic { lowest, highest }) => {
                let (lowest, highest) = (f64::from(lowest), f64::from(highest));
                (lowest * (highest / lowest).powf(f64::from(code - 1) / 253.0)) as f32
            }
            (_, Self::Linear { highest }) => (f64::from(highest) * f64::from(code) / f64::from(TOP)) as f32,
        }
    }

    /// The value of each code.
    pub(crate) fn values(self) -> [f32; 256] {
        let mut codes = 0..=u8::MAX;
        std::array::from_fn(|_| codes.next().map_or(f32::NAN, |code| self.value(code)))
    }
}

/// Bits of an `f32` that choose a bucket: sign, exponent and 8 bits of the mantissa, so that a bucket is narrower than
/// a logarithmic step and holds at most one limit between codes.
const BUCKET_SHIFT: u32 = 15;

/// Finds the codes of values without a logarithm.
pub(crate) struct Quantiser {
    way: Way,
    table: Table,
}

/// How codes are found.
#[derive(Clone, Copy)]
enum Way {
    /// By an approximate logarithm to base 2: code = factor · log₂ value + offset, rounded.
    Logarithm { factor: f32, offset: f32 },
    /// Code = factor · value, rounded.
    Product { factor: f32 },
    /// By the table.
    Table,
}

/// Steps of the logarithm so small that the approximate one (off by up to 2.3e-6) could mistake a code for the next one.
const STEEPEST: f32 = 2000.0;

/// log₂(1 + x) = x + x (1 − x) (c₀ + c₁ x + …) to 2.3e-6, 0 ≤ x ≤ 1: fitted so that the largest error is least, and
/// exact at both ends, where one power of two ends and the next begins.
const LOGARITHM: [f32; 5] = [0.442_544_94, -0.275_600_28, 0.181_948_77, -0.095_956_29, 0.025_841_37];

#[inline(always)]
fn log2(value: f32) -> f32 {
    let bits = value.to_bits();
    let exponent = ((bits >> 23) as i32 - 127) as f32;
    let x = f32::from_bits(bits & 0x007f_ffff | 0x3f80_0000) - 1.0;
    let [a, b, c, d, e] = LOGARITHM;
    exponent + (x + x * (1.0 - x) * (a + x * (b + x * (c + x * (d + x * e)))))
}

/// The nearest whole number of 0 to 255.
#[inline(always)]
fn rounded(number: f32) -> u8 {
    // The sum keeps no bits behind the point.
    (number + 8_388_608.0).to_bits() as u8
}

#[inline(always)]
fn within(number: f32, least: f32, most: f32) -> f32 {
    let number = if number > least { number } else { least };
    if number < most { number } else { most }
}

/// A look-up by the upper bits of a value, and one comparison.
struct Table {
    first_bucket: u32,
    /// Code at the lower end of each bucket.
    codes: Vec<u8>,
    /// The least value of each code; +∞ above the highest.
    limits: [f32; 256],
    /// More than one limit is in some bucket, as where a scale hardly rises.
    is_narrow: bool,
}

impl Quantiser {
    pub fn new(quantisation: Quantisation) -> Self {
        let way = match quantisation {
            Quantisation::Logarithmic { lowest, highest } => {
                let (lowest, highest) = (f64::from(lowest), f64::from(highest));
                let factor = 253.0 / (highest / lowest).log2();
                Way::Logarithm { factor: factor as f32, offset: (1.0 - factor * lowest.log2()) as f32 }
            }
            Quantisation::Linear { highest } => Way::Product { factor: (f64::from(TOP) / f64::from(highest)) as f32 },
        };
        let is_rough = matches!(way, Way::Logarithm { factor, .. } if factor.is_nan() || factor > STEEPEST);
        Self { way: if is_rough { Way::Table } else { way }, table: Table::new(quantisation) }
    }

    /// The codes of values that are NaN or ≥ 0.
    #[inline(always)]
    pub fn codes<const N: usize>(&self, values: &[f32; N]) -> [u8; N] {
        let mut codes = [0; N];
        // The least value of code 1.
        let least = self.table.limits[1];
        match self.way {
            Way::Logarithm { factor, offset } => {
                for (code, &value) in codes.iter_mut().zip(values) {
                    let near = rounded(within(log2(value) * factor + offset, 1.0, f32::from(TOP)));
                    let wet = if value >= least { near } else { DRY };
                    *code = if value.is_nan() { NODATA } else { wet };
                }
            }
            Way::Product { factor } => {
                for (code, &value) in codes.iter_mut().zip(values) {
                    let near = rounded(within(value * factor, 1.0, f32::from(TOP)));
                    let wet = if value >= least { near } else { DRY };
                    *code = if value.is_nan() { NODATA } else { wet };
                }
            }
            Way::Table => {
                for (code, &value) in codes.iter_mut().zip(values) {
                    *code = self.table.code(value);
                }
            }
        }
        codes
    }
}

impl Table {
    fn new(quantisation: Quantisation) -> Self {
        let values = quantisation.values();
        let mut limits = [f32::INFINITY; 256];
        limits[0] = 0.0;
        limits[1] = match quantisation {
            Quantisation::Logarithmic { .. } => (f64::from(values[1]).powi(3) / f64::from(values[2])).sqrt() as f32,
            Quantisation::Linear { .. } => values[1] / 2.0,
        };
        for code in 2..=usize::from(TOP) {
            let (below, above) = (f64::from(values[code - 1]), f64::from(values[code]));
            limits[code] = match quantisation {
                Quantisation::Logarithmic { .. } => (below * above).sqrt() as f32,
                Quantisation::Linear { .. } => below.midpoint(above) as f32,
            };
        }
        let first_bucket = limits[1].to_bits() >> BUCKET_SHIFT;
        let last_bucket = limits[usize::from(TOP)].to_bits() >> BUCKET_SHIFT;
        let codes: Vec<u8> = (first_bucket..=last_bucket + 1)
            .map(|bucket| {
                let low = f32::from_bits(bucket << BUCKET_SHIFT);
                // Limits ascend, so the code is the number of limits passed.
                limits[1..=usize::from(TOP)].partition_point(|limit| *limit <= low) as u8
            })
            .collect();
        let is_narrow = codes.windows(2).any(|pair| pair[1] > pair[0] + 1);
        Self { first_bucket, codes, limits, is_narrow }
    }

    /// The code of a value that is NaN or ≥ 0.
    #[inline]
    fn code(&self, value: f32) -> u8 {
        // Negative zero becomes zero by the addition; its sign bit would make it the highest of all.
        let bucket = ((value + 0.0).to_bits() >> BUCKET_SHIFT).saturating_sub(self.first_bucket) as usize;
        let mut code = self.codes[bucket.min(self.codes.len() - 1)];
        // Above the highest code the limit is +∞, which no value reaches.
        code += u8::from(value >= self.limits[usize::from(code) + 1]);
        if self.is_narrow {
            while code < TOP && value >= self.limits[usize::from(code) + 1] {
                code += 1;
            }
        }
        if value.is_nan() { NODATA } else { code }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(quantiser: &Quantiser, value: f32) -> u8 {
        quantiser.codes(&[value])[0]
    }

    #[test]
    fn a_scale_so_small_that_dry_would_be_rain_is_refused() {
        for highest in [f32::from_bits(1), f32::MIN_POSITIVE, 0.9e-30] {
            assert!(
                matches!(Quantisation::from_header(2, 0.0, highest, 60), Err(DecodeError::Field { .. })),
                "{highest:e}"
            );
        }
        let least = Quantisation::Linear { highest: LEAST_HIGHEST };
        assert_eq!(Quantisation::from_header(2, 0.0, LEAST_HIGHEST, 60).unwrap(), least);
        assert_eq!(code_of(&Quantiser::new(least), 0.0), DRY);
    }

    #[test]
    fn rain_rates_come_back_within_two_and_a_half_percent() {
        let (quantiser, values) = (Quantiser::new(Quantisation::RAIN_RATE), Quantisation::RAIN_RATE.values());
        let mut rate = 0.05_f32;
        let mut worst = 0.0_f32;
        while rate <= 250.0 {
            let back = values[usize::from(code_of(&quantiser, rate))];
            worst = worst.max((back / rate - 1.0).abs());
            rate *= 1.000_07;
        }
        assert!(worst < 0.0235, "{worst}");
    }

    #[test]
    fn a_rate_that_thresholds_are_made_of_still_reaches_them() {
        let quantiser = Quantiser::new(Quantisation::RAIN_RATE);
        for rate in [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0] {
            let back = Quantisation::RAIN_RATE.value(code_of(&quantiser, rate));
            assert!(back >= rate, "{rate} becomes {back}");
        }
    }

    #[test]
    fn the_ends_of_the_scale_are_as_documented() {
        let quantiser = Quantiser::new(Quantisation::RAIN_RATE);
        for (value, code) in [(0.0, 0), (0.0488, 0), (0.0489, 1), (0.05, 1), (6_000.0, 254), (86_460.0, 254)] {
            assert_eq!(code_of(&quantiser, value), code, "{value}");
        }
        assert_eq!(code_of(&quantiser, f32::NAN), 255);
        assert_eq!(code_of(&quantiser, -0.0), 0);
    }

    #[test]
    fn every_code_stands_for_itself_and_codes_ascend_with_the_value() {
        for quantisation in [Quantisation::RAIN_RATE, Quantisation::SHARE] {
            let (quantiser, values) = (Quantiser::new(quantisation), quantisation.values());
            for code in 0..=255_u8 {
                assert_eq!(code_of(&quantiser, values[usize::from(code)]), code, "{quantisation:?}");
            }
            let codes: Vec<u8> = (0..40_000).map(|i| code_of(&quantiser, i as f32 * 0.007)).collect();
            assert!(codes.is_sorted());
        }
    }

    #[test]
    fn minutes_are_whole() {
        let (quantiser, values) =
            (Quantiser::new(Quantisation::of_product("arrival-p10")), Quantisation::MINUTES.values());
        for minutes in 0_u8..=254 {
            assert_eq!(values[usize::from(code_of(&quantiser, f32::from(minutes) + 0.3))], f32::from(minutes));
        }
    }

    #[test]
    fn a_share_is_off_by_at_most_half_a_step() {
        let (quantiser, values) = (Quantiser::new(Quantisation::SHARE), Quantisation::SHARE.values());
        for i in 0..=10_000 {
            let share = i as f32 / 10_000.0;
            assert!((values[usize::from(code_of(&quantiser, share))] - share).abs() <= 0.5 / 254.0 + 1e-6, "{share}");
        }
    }
}
