//! Odds put right by the last hour: how those of short hindcasts came out.

use crate::calibrated_weights::{RATES, RATES_MM_H};

/// The rates that are looked at, numbers of them; the others lie between or beyond.
pub(crate) const LOOKED_AT: [usize; 3] = [0, 2, 4];
/// However many cells there are, they count as so many independent ones: neighbours share their errors.
const INDEPENDENT: f64 = 400.0;
/// How far shift and slope are expected to be off 0 and 1 (standard deviations).
const SHIFT_OFF: f64 = 0.5;
const SLOPE_OFF: f64 = 0.15;
/// What was learnt holds up to this lead, and fades beyond in so many minutes but for 1/e.
const LEARNT_MIN: f32 = 30.0;
const FADES_MIN: f32 = 60.0;
/// Newton's steps, of which few are ever needed.
const MOST_STEPS: usize = 20;

/// A shift and a slope of the log-odds for each rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Recalibration {
    shift: [f32; RATES],
    slope: [f32; RATES],
}

impl Default for Recalibration {
    fn default() -> Self {
        Self { shift: [0.0; RATES], slope: [1.0; RATES] }
    }
}

/// The odds of a cell and whether its rain reached the rate, by rate that is looked at.
pub(crate) type Cases = [Vec<(f32, bool)>; LOOKED_AT.len()];

impl Recalibration {
    /// The likeliest one after these cases (logistic regression on the log-odds, Platt 1999), held near the identity by a
    /// normal prior.
    pub fn of(cases: &Cases) -> Self {
        let fitted = cases.each_ref().map(|cases| likeliest(cases));
        let at = |k: usize| {
            let place = RATES_MM_H[k].ln();
            let known = LOOKED_AT.map(|rate| RATES_MM_H[rate].ln());
            let above = known.partition_point(|x| *x < place);
            match (above.checked_sub(1), known.get(above)) {
                (Some(below), Some(x)) => {
                    let share = (place - known[below]) / (x - known[below]);
                    let between = |part: fn(&(f32, f32)) -> f32| {
                        part(&fitted[below]) + share * (part(&fitted[above]) - part(&fitted[below]))
                    };
                    (between(|f| f.0), between(|f| f.1))
                }
                (Some(below), None) => fitted[below],
                (None, _) => fitted[0],
            }
        };
        Self { shift: std::array::from_fn(|k| at(k).0), slope: std::array::from_fn(|k| at(k).1) }
    }

    /// Shift and slope at a lead time by rate, and in the last lane none.
    pub fn at(&self, lead_min: f32) -> ([f32; RATES + 1], [f32; RATES + 1]) {
        let share = (-(lead_min - LEARNT_MIN).max(0.0) / FADES_MIN).exp();
        let or = |values: &[f32; RATES], k: usize, none: f32| values.get(k).map_or(none, |v| none + share * (v - none));
        (std::array::from_fn(|k| or(&self.shift, k, 0.0)), std::array::from_fn(|k| or(&self.slope, k, 1.0)))
    }
}

/// Shift and slope by Newton's method on the posterior, which has one maximum.
fn likeliest(cases: &[(f32, bool)]) -> (f32, f32) {
    let weight = (INDEPENDENT / cases.len().max(1) as f64).min(1.0);
    let (precision_shift, precision_slope) = (SHIFT_OFF.powi(-2), SLOPE_OFF.powi(-2));
    let (mut shift, mut slope) = (0.0_f64, 1.0_f64);
    for _ in 0..MOST_STEPS {
        let mut gradient = [-shift * precision_shift, -(slope - 1.0) * precision_slope];
        let mut curvature = [precision_shift, 0.0, precision_slope];
        for (odds, reached) in cases {
            let odds = f64::from(*odds);
            let p = 1.0 / (1.0 + (-(shift + slope * odds)).exp());
            let (error, spread) = (weight * (f64::from(u8::from(*reached)) - p), weight * p * (1.0 - p));
            gradient[0] += error;
            gradient[1] += error * odds;
            curvature[0] += spread;
            curvature[1] += spread * odds;
            curvature[2] += spread * odds * odds;
        }
        let [a, b, c] = curvature;
        let determinant = a * c - b * b;
        let step =
            [(c * gradient[0] - b * gradient[1]) / determinant, (a * gradient[1] - b * gradient[0]) / determinant];
        if !step.iter().all(|s| s.is_finite()) {
            return (0.0, 1.0);
        }
        shift += step[0];
        slope += step[1];
        if step.iter().all(|s| s.abs() < 1e-4) {
            break;
        }
    }
    // More likely odds never come to mean less rain.
    (shift as f32, slope.max(0.2) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every odds between −4 and 4 equally often, reached as often as `truth` of them says.
    fn cases(truth: impl Fn(f32) -> f32) -> Vec<(f32, bool)> {
        let each = |odds: f32| {
            let p = 1.0 / (1.0 + (-truth(odds)).exp());
            (0..200).map(move |i| (odds, (i as f32 + 0.5) / 200.0 < p))
        };
        (-40..=40).map(|i| i as f32 / 10.0).flat_map(each).collect()
    }

    fn of(truth: impl Fn(f32) -> f32) -> Recalibration {
        let one = cases(truth);
        Recalibration::of(&[one.clone(), one.clone(), one])
    }

    #[test]
    fn odds_that_came_out_stay_as_they_are() {
        let (shift, slope) = of(|odds| odds).at(15.0);
        assert!(shift.iter().all(|s| s.abs() < 0.02) && slope.iter().all(|s| (s - 1.0).abs() < 0.02), "{slope:?}");
    }

    #[test]
    fn odds_that_were_too_low_and_too_sure_rise_and_flatten_but_not_all_the_way() {
        let (shift, slope) = of(|odds| 0.6 + 0.7 * odds).at(15.0);
        for k in 0..RATES {
            assert!((0.3..0.6).contains(&shift[k]) && (0.7..0.95).contains(&slope[k]), "{} {}", shift[k], slope[k]);
        }
    }

    #[test]
    fn what_was_learnt_fades_with_the_lead() {
        let recalibration = of(|odds| 1.0 + odds);
        let shift = |lead_min: f32| recalibration.at(lead_min).0[0];
        assert!(shift(5.0) == shift(30.0) && shift(60.0) < shift(30.0) && shift(600.0) < 0.01);
        assert_eq!((recalibration.at(15.0).0[RATES], recalibration.at(15.0).1[RATES]), (0.0, 1.0));
    }

    #[test]
    fn rates_between_those_looked_at_lie_between() {
        let recalibration = Recalibration::of(&[cases(|o| o), cases(|o| 0.8 + o), cases(|o| o - 0.8)]);
        let (shift, _) = recalibration.at(15.0);
        assert!(shift[0] < shift[1] && shift[1] < shift[2] && shift[2] > shift[3] && shift[3] > shift[4]);
        assert_eq!(shift[4], shift[6]);
    }

    #[test]
    fn nothing_learnt_changes_nothing() {
        assert_eq!(Recalibration::of(&Cases::default()), Recalibration::default());
        let never = vec![(-80.0, false); 10];
        assert!(Recalibration::of(&[never.clone(), never.clone(), never]).at(5.0).0.iter().all(|s| s.abs() < 0.01));
    }
}
