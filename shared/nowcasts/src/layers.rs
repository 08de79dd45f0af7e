//! The rain as layers of intensity, each with its own scales and memory.

use ndarray::Array2;
use rayon::prelude::*;

use crate::scales::Scales;

/// Lower edges of the layers, mm/h; each reaches up to the next one.
pub(crate) const EDGES_MM_H: [f32; 3] = [0.1, 1.0, 5.0];
/// Number of scales.
const BANDS: usize = 5;
/// Standard deviations of the smoothing between scales, cells of the halved grid.
const SIGMAS: [f32; BANDS] = [0.75, 1.5, 3.0, 6.0, 12.0];
/// How far below its lower edge a layer's heights begin and how far above its upper edge they end, dB: what nearly
/// belongs to the layer says where it is going to be.
const MARGIN_DB: f32 = 6.0;
/// How much higher a cell stands for being within the layer, dB.
const STEP_DB: f32 = 2.0;
/// The same for the lowest layer, which has nothing but dry cells below it.
const WET_STEP_DB: f32 = 3.0;
/// Share of what has faded that is kept in the heaviest layer at long leads: small and rare rain would drown otherwise.
const TEXTURE: f32 = 0.4;
/// Minutes in which that share is reached but for 1/e.
const TEXTURE_MIN: f32 = 60.0;
/// Correlations are kept this far from 0 and 1, so that their logarithms are numbers.
const LEAST_CORRELATION: f32 = 1e-4;
/// Least decline of the correlation from one lag to the next, as a factor.
const DECLINE: f32 = 0.9995;

/// Intensities of one layer: all in rain decibels, `10·log10(mm/h)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    /// Lower edge.
    pub low: f32,
    /// Upper edge, infinite for the last layer.
    pub high: f32,
    margin: f32,
    step: f32,
}

impl Range {
    /// The range of a layer by its index in [`EDGES_MM_H`].
    pub fn of(layer: usize) -> Self {
        Self {
            low: decibels(EDGES_MM_H[layer]),
            high: EDGES_MM_H.get(layer + 1).map_or(f32::INFINITY, |&r| decibels(r)),
            margin: if layer == 0 { 0.0 } else { MARGIN_DB },
            step: if layer == 0 { WET_STEP_DB } else { STEP_DB },
        }
    }

    /// What a rain rate adds to the layer's pattern, dB; 0 far below it.
    #[inline]
    pub fn height_db(&self, rate_db: f32) -> f32 {
        let height = (rate_db.min(self.high + MARGIN_DB) - self.low + self.margin).max(0.0);
        if rate_db >= self.low { height + self.step } else { height }
    }
}

/// Rain decibels of mm/h; NaN stays, dry is −∞.
#[inline]
pub(crate) fn decibels(rate_mm_h: f32) -> f32 {
    // Most cells are dry, and a logarithm costs.
    if rate_mm_h <= 0.0 { f32::NEG_INFINITY } else { 10.0 * rate_mm_h.log10() }
}

/// An earlier field carried to the newest one's time, in rain decibels.
pub(crate) struct Earlier {
    pub minutes: f32,
    pub rate_db: Array2<f32>,
}

/// One layer of the newest field by scale, and how long the past says that each scale lasts.
pub(crate) struct Layer {
    /// Heights on the halved grid.
    whole: Array2<f32>,
    now: Scales,
    /// The youngest earlier field and its age, minutes.
    before: Option<(f32, Scales)>,
    memory: [Memory; BANDS],
    /// True for the layer without an upper edge.
    heaviest: bool,
}

impl Layer {
    /// From the newest field in rain decibels and earlier ones carried to its time, the youngest first.
    pub fn of(range: Range, newest_db: &Array2<f32>, earlier: &[Earlier]) -> Self {
        let whole = halved(newest_db, range);
        let now = Scales::split(&whole, &SIGMAS);
        let mut memory = [const { Memory(Vec::new()) }; BANDS];
        let mut before = None;
        for e in earlier {
            let then = Scales::split(&halved(&e.rate_db, range), &SIGMAS);
            for ((memory, a), b) in memory.iter_mut().zip(&then.details).zip(&now.details) {
                memory.learn(e.minutes, correlation(a, b));
            }
            before.get_or_insert((e.minutes, then));
        }
        Self { whole, now, before, memory, heaviest: range.high.is_infinite() }
    }

    /// The best linear guess of the layer's pattern after `minutes`, scale by scale from its two newest states.
    ///
    /// On the halved grid, and without what the full grid's own heights have to add: these, with the weight given.
    pub fn pattern(&self, minutes: f32) -> (Array2<f32>, f32) {
        let (mut now, mut before) = ([0.0; BANDS], [0.0; BANDS]);
        let texture = if self.heaviest { TEXTURE * (1.0 - (-minutes / TEXTURE_MIN).exp()) } else { 0.0 };
        for (band, memory) in self.memory.iter().enumerate() {
            let lasting = memory.after(minutes);
            now[band] = lasting;
            if let Some((age, _)) = &self.before {
                // Normal equations of two predictors. A negative weight goes on with the change there was.
                let (apart, longer) = (memory.after(*age), memory.after(minutes + age));
                before[band] = ((longer - apart * lasting) / (1.0 - apart * apart)).clamp(-lasting, lasting);
                now[band] -= apart * before[band];
            }
            now[band] += texture * (1.0 - lasting);
        }
        let mut pattern = self.now.weighted(&now);
        if let Some((_, earlier)) = &self.before {
            for (detail, weight) in earlier.details.iter().zip(before) {
                pattern.scaled_add(weight, detail);
            }
        }
        pattern.scaled_add(-now[0], &self.whole);
        (pattern, now[0])
    }
}

/// Correlation of a scale with itself along the motion, by (minutes, correlation), falling.
#[derive(Clone, Debug)]
struct Memory(Vec<(f32, f32)>);

impl Memory {
    fn learn(&mut self, minutes: f32, correlation: f32) {
        let last = self.0.last().map_or(1.0, |l| l.1);
        self.0.push((minutes, correlation.clamp(LEAST_CORRELATION, 1.0).min(DECLINE * last)));
    }

    /// Exponential between what was measured, and on beyond the last; for ever where nothing was.
    fn after(&self, minutes: f32) -> f32 {
        let Some(last) = self.0.len().checked_sub(1) else { return 1.0 };
        let i = self.0.iter().position(|m| minutes <= m.0).unwrap_or(last);
        let (t0, c0) = if i == 0 { (0.0, 1.0) } else { self.0[i - 1] };
        let (t1, c1) = self.0[i];
        c0 * ((c1 / c0).ln() / (t1 - t0) * (minutes - t0)).exp()
    }
}

/// The layer's heights averaged over 2 × 2 cells; unknown ones have no say, and where all are, the height is 0.
fn halved(rate_db: &Array2<f32>, range: Range) -> Array2<f32> {
    let (rows, columns) = rate_db.dim();
    let mut out = Array2::zeros((rows.div_ceil(2), columns.div_ceil(2)));
    let width = out.ncols();
    let (Some(cells), Some(source)) = (out.as_slice_mut(), rate_db.as_slice()) else { return out };
    cells.par_chunks_mut(width.max(1)).enumerate().for_each(|(row, line)| {
        for (column, value) in line.iter_mut().enumerate() {
            let (mut sum, mut known) = (0.0, 0.0);
            for r in 2 * row..(2 * row + 2).min(rows) {
                for &db in &source[r * columns + 2 * column..r * columns + (2 * column + 2).min(columns)] {
                    if !db.is_nan() {
                        known += 1.0;
                        sum += range.height_db(db);
                    }
                }
            }
            *value = if known > 0.0 { sum / known } else { 0.0 };
        }
    });
    out
}

/// Correlation of two details, whose means are zero by construction.
fn correlation(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
    let (mut aa, mut bb, mut ab) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (f64::from(x), f64::from(y));
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    if aa * bb > 0.0 { (ab / (aa * bb).sqrt()) as f32 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_passes_through_what_was_measured_and_goes_on_falling() {
        let mut memory = Memory(Vec::new());
        assert_eq!(memory.after(60.0), 1.0);
        memory.learn(5.0, 0.8);
        memory.learn(15.0, 0.5);
        assert!((memory.after(5.0) - 0.8).abs() < 1e-5 && (memory.after(15.0) - 0.5).abs() < 1e-5);
        assert!((memory.after(25.0) - 0.5 * 0.5 / 0.8).abs() < 1e-4, "{}", memory.after(25.0));
    }

    #[test]
    fn correlations_that_are_none_still_fall() {
        let mut memory = Memory(Vec::new());
        for (minutes, correlation) in [(5.0, -0.3), (10.0, 0.9), (20.0, f32::MIN_POSITIVE)] {
            memory.learn(minutes, correlation);
        }
        let at = [1.0, 5.0, 9.0, 20.0, 90.0].map(|t| memory.after(t));
        assert!(at.windows(2).all(|w| w[0] > w[1] && w[1] >= 0.0), "{at:?}");
    }

    #[test]
    fn a_layer_that_does_not_change_is_forecast_as_it_is() {
        let field =
            Array2::from_shape_fn((40, 60), |(r, c)| decibels(2.0 + ((r as f32 * 0.3).sin() + (c as f32 * 0.2).cos())));
        let range = Range::of(1);
        let earlier = [5.0, 15.0].map(|minutes| Earlier { minutes, rate_db: field.clone() });
        let layer = Layer::of(range, &field, &earlier);
        let (mut pattern, own_weight) = layer.pattern(5.0);
        pattern.scaled_add(own_weight, &layer.whole);
        assert!(pattern.iter().zip(&layer.whole).all(|(a, b)| (a - b).abs() < 0.02));
    }

    #[test]
    fn unknown_cells_have_no_say_in_the_halved_grid() {
        let db = ndarray::array![[f32::NAN, 0.0, f32::NAN], [0.0, 0.0, f32::NAN]];
        let halved = halved(&db, Range::of(0));
        assert!((halved[(0, 0)] - (10.0 + WET_STEP_DB)).abs() < 1e-4, "{halved}");
        assert_eq!(halved[(0, 1)], 0.0);
    }
}
