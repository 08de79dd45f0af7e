//! Odds put right by the last hour: how those of short hindcasts came out.

use crate::calibrated_weights::{RATES, RATES_MM_H};

/// The rates that are looked at, numbers of them; the others lie between or beyond.
pub(crate) const LOOKED_AT: [usize; 3] = [0, 2, 4];
/// However many cells there are, they count as so many independent ones: neighbours share their errors.
const INDEPENDENT: f64 = 400.0;
/// How far shift and slope are expected to be off 0 and 1 (standard deviations).
const SHIFT_OFF: f64 = 0.5;
const SLOPE_OFF: f64 = 0.15;
/// How far the bend of low odds is expected to be off 0 (standard deviation, by rate that is looked at), and its bounds: lower
/// odds never come to mean more rain.
const BEND_OFF: [f64; LOOKED_AT.len()] = [0.4, 0.05, 0.05];
const BENDS: (f64, f64) = (-0.5, 0.8);
/// Log-odds that are low.
pub(crate) const LOW: f32 = -1.0;
/// What was learnt holds up to this lead, and fades beyond in so many minutes but for 1/e.
const LEARNT_MIN: f32 = 30.0;
const FADES_MIN: f32 = 60.0;
/// Newton's steps, of which few are ever needed.
const MOST_STEPS: usize = 20;

/// A shift and a slope of the log-odds for each rate, and a bend of those that are low.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Recalibration {
    shift: [f32; RATES],
    slope: [f32; RATES],
    bend: [f32; RATES],
}

impl Default for Recalibration {
    fn default() -> Self {
        Self { shift: [0.0; RATES], slope: [1.0; RATES], bend: [0.0; RATES] }
    }
}

/// The odds of a cell and whether its rain reached the rate, by rate that is looked at.
pub(crate) type Cases = [Vec<(f32, bool)>; LOOKED_AT.len()];

impl Recalibration {
    /// The likeliest one after these cases (logistic regression on the log-odds, Platt 1999), held near the identity by a
    /// normal prior.
    pub fn of(cases: &Cases) -> Self {
        let fitted: [[f32; 3]; LOOKED_AT.len()] = std::array::from_fn(|k| likeliest(&cases[k], BEND_OFF[k]));
        let at = |k: usize| {
            let place = RATES_MM_H[k].ln();
            let known = LOOKED_AT.map(|rate| RATES_MM_H[rate].ln());
            let above = known.partition_point(|x| *x < place);
            match (above.checked_sub(1), known.get(above)) {
                (Some(below), Some(x)) => {
                    let share = (place - known[below]) / (x - known[below]);
                    std::array::from_fn(|part| fitted[below][part] * (1.0 - share) + fitted[above][part] * share)
                }
                (Some(below), None) => fitted[below],
                (None, _) => fitted[0],
            }
        };
        let part = |part: usize| std::array::from_fn(|k| at(k)[part]);
        Self { shift: part(0), slope: part(1), bend: part(2) }
    }

    /// Shift and slope at a lead time by rate, and in the last lane none.
    pub fn at(&self, lead_min: f32) -> ([f32; RATES + 1], [f32; RATES + 1]) {
        (faded(&self.shift, 0.0, lead_min), faded(&self.slope, 1.0, lead_min))
    }

    /// By how much odds below [`LOW`] are raised for each that they are below it, at a lead time by rate.
    pub fn bend(&self, lead_min: f32) -> [f32; RATES + 1] {
        faded(&self.bend, 0.0, lead_min)
    }
}

/// What is left at a lead time of what was learnt; with nothing learnt it were `none`, which is in the last lane.
fn faded(values: &[f32; RATES], none: f32, lead_min: f32) -> [f32; RATES + 1] {
    let share = (-(lead_min - LEARNT_MIN).max(0.0) / FADES_MIN).exp();
    std::array::from_fn(|k| values.get(k).map_or(none, |value| none + share * (value - none)))
}

/// What a case tells of shift, slope and bend.
fn traits_of(odds: f32) -> [f64; 3] {
    [1.0, f64::from(odds), f64::from((LOW - odds).max(0.0))]
}

/// Shift, slope and bend by Newton's method on the posterior, which has one maximum.
fn likeliest(cases: &[(f32, bool)], bend_off: f64) -> [f32; 3] {
    const NOTHING_LEARNT: [f64; 3] = [0.0, 1.0, 0.0];
    let weight = (INDEPENDENT / cases.len().max(1) as f64).min(1.0);
    let precision = [SHIFT_OFF, SLOPE_OFF, bend_off].map(|off| off.powi(-2));
    let mut fitted = NOTHING_LEARNT;
    for _ in 0..MOST_STEPS {
        let mut gradient: [f64; 3] = std::array::from_fn(|i| (NOTHING_LEARNT[i] - fitted[i]) * precision[i]);
        let mut curvature = [[precision[0], 0.0, 0.0], [0.0, precision[1], 0.0], [0.0, 0.0, precision[2]]];
        for (odds, reached) in cases {
            let told = traits_of(*odds);
            let p = 1.0 / (1.0 + (-fitted.iter().zip(told).map(|(w, x)| w * x).sum::<f64>()).exp());
            let (error, spread) = (weight * (f64::from(u8::from(*reached)) - p), weight * p * (1.0 - p));
            for ((row, gradient), x) in curvature.iter_mut().zip(&mut gradient).zip(told) {
                *gradient += error * x;
                row.iter_mut().zip(told).for_each(|(sum, y)| *sum += spread * x * y);
            }
        }
        let step = solved(curvature, gradient);
        if !step.iter().all(|s| s.is_finite()) {
            fitted = NOTHING_LEARNT;
            break;
        }
        fitted.iter_mut().zip(step).for_each(|(w, s)| *w += s);
        if step.iter().all(|s| s.abs() < 1e-4) {
            break;
        }
    }
    // More likely odds never come to mean less rain.
    [fitted[0] as f32, fitted[1].max(0.2) as f32, fitted[2].clamp(BENDS.0, BENDS.1) as f32]
}

/// The solution of three linear equations with a symmetric, positive definite matrix, by Cramer's rule.
fn solved(matrix: [[f64; 3]; 3], right: [f64; 3]) -> [f64; 3] {
    let determinant = |m: [[f64; 3]; 3]| {
        let [a, b, c] = m;
        a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0])
    };
    let whole = determinant(matrix);
    std::array::from_fn(|column| {
        let mut replaced = matrix;
        replaced.iter_mut().zip(right).for_each(|(row, value)| row[column] = value);
        determinant(replaced) / whole
    })
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
    fn low_odds_that_were_too_low_are_raised_and_stay_in_order() {
        let recalibration = of(|odds| if odds < -1.0 { -1.0 + 0.5 * (odds + 1.0) } else { odds });
        let ((shift, slope), bend) = (recalibration.at(15.0), recalibration.bend(15.0));
        let told = |odds: f32| {
            let odds = shift[0] + slope[0] * odds;
            odds + bend[0] * (LOW - odds).max(0.0)
        };
        assert!((0.2..0.6).contains(&bend[0]), "{}", bend[0]);
        assert!(told(-4.0) > -3.2 && (told(1.0) - 1.0).abs() < 0.2, "{} {}", told(-4.0), told(1.0));
        assert!((-40..40).all(|i| told(i as f32 / 10.0) < told((i + 1) as f32 / 10.0)));
        assert!(recalibration.bend(600.0)[0] < 0.01);
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
