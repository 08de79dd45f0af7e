//! Echo that is no drops, by its co-polar correlation.

use raincell_model::{Moment, Quantity, Sample, SampleKind, Sweep};

use crate::SweepFilter;

/// Keeps the gates whose RHOHV is that of drops. Rain has 0.97 and more, melting snow and hail down to about 0.85;
/// insects, birds, ground and sea stay below. A limit of 0.95 would cost a tenth of the rain of a storm with hail.
///
/// Where RHOHV has other gates than reflectivity, the nearest gate of the same ray counts. Beyond the reach of RHOHV
/// nothing is taken. A sweep in which no gate at all reaches the limit is left alone: over thousands of gates even
/// clutter scatters up to 1, so that such a RHOHV is empty or scaled wrongly (files of a national service of 2024 end
/// at 0.71).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlation {
    /// The least RHOHV that is kept.
    pub least: f32,
    /// What happens to gates with reflectivity, but without a value of RHOHV.
    pub missing: MissingCorrelation,
}

/// What is done with echo whose correlation could not be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingCorrelation {
    /// It stays.
    Keep,
    /// It goes: the signal was too weak for RHOHV, which also means too weak for rain.
    Take,
}

impl Default for Correlation {
    fn default() -> Self {
        Self { least: 0.85, missing: MissingCorrelation::Take }
    }
}

impl SweepFilter for Correlation {
    fn name(&self) -> &'static str {
        "correlation"
    }

    fn apply(&self, sweep: &Sweep, reflectivity: &mut Moment) -> usize {
        let Some(rhohv) = sweep.moment(&Quantity::Rhohv) else {
            return 0;
        };
        if !rhohv.data.iter().any(|sample| sample.as_value().is_some_and(|rho| rho >= self.least)) {
            return 0;
        }
        let matching = matching_gates(reflectivity, rhohv);
        let mut taken = 0;
        for (mut ray, correlations) in reflectivity.data.rows_mut().into_iter().zip(rhohv.data.rows()) {
            for (gate, matching) in ray.iter_mut().zip(&matching) {
                let (Some(_), Some(matching)) = (gate.as_value(), *matching) else {
                    continue;
                };
                let keep = match correlations[matching].kind() {
                    SampleKind::Value(rho) => rho >= self.least,
                    SampleKind::NoData | SampleKind::Undetect => self.missing == MissingCorrelation::Keep,
                };
                if !keep {
                    *gate = Sample::UNDETECT;
                    taken += 1;
                }
            }
        }
        taken
    }
}

/// For each gate of `of` the gate of `other` at the same range, if it reaches there.
fn matching_gates(of: &Moment, other: &Moment) -> Vec<Option<usize>> {
    (0..of.data.ncols())
        .map(|gate| {
            let range_m = of.first_gate_m + of.gate_spacing_m * gate as f32;
            let there = ((range_m - other.first_gate_m) / other.gate_spacing_m).round();
            (there >= 0.0 && there < other.data.ncols() as f32).then_some(there as usize)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{drawn, sweep};
    use ndarray::{Array2, array};

    fn with_rhohv(picture: &[&str], first_gate_m: f32, gate_spacing_m: f32, data: Array2<Sample>) -> Sweep {
        let mut sweep = sweep(picture);
        sweep.moments.push(Moment { quantity: Quantity::Rhohv, first_gate_m, gate_spacing_m, data });
        sweep
    }

    fn after(filter: Correlation, sweep: &Sweep) -> (usize, Vec<String>) {
        let mut moment = sweep.moments[0].clone();
        let taken = filter.apply(sweep, &mut moment);
        (taken, drawn(&moment))
    }

    #[test]
    fn echo_of_low_correlation_becomes_undetect_and_nothing_else_changes() {
        let [rain, birds] = [0.97, 0.6].map(Sample::value);
        let sweep = with_rhohv(
            &["55.?", "5.55"],
            500.0,
            1000.0,
            array![[rain, birds, birds, birds], [rain, birds, birds, birds]],
        );
        assert_eq!(after(Correlation::default(), &sweep), (3, vec!["5..?".into(), "5...".into()]));
    }

    #[test]
    fn gates_are_matched_by_their_range() {
        let [rain, birds] = [0.97, 0.6].map(Sample::value);
        // Two gates of 2 km: the echo beyond 4 km is out of reach.
        let sweep = with_rhohv(&["555555", "......"], 1000.0, 2000.0, array![[rain, birds], [rain, birds]]);
        assert_eq!(after(Correlation::default(), &sweep), (2, vec!["55..55".into(), "......".into()]));
    }

    #[test]
    fn what_happens_without_a_value_is_a_setting() {
        let rhohv = array![[Sample::UNDETECT, Sample::NODATA], [Sample::value(0.98), Sample::NODATA]];
        let sweep = with_rhohv(&["55", ".."], 500.0, 1000.0, rhohv);
        let keep = Correlation { missing: MissingCorrelation::Keep, ..Correlation::default() };
        assert_eq!(after(keep, &sweep).0, 0);
        let take = Correlation { missing: MissingCorrelation::Take, ..Correlation::default() };
        assert_eq!(after(take, &sweep).0, 2);
    }

    #[test]
    fn a_single_polarisation_sweep_is_left_alone() {
        assert_eq!(after(Correlation::default(), &sweep(&["55", "55"])).0, 0);
    }

    #[test]
    fn a_correlation_that_nowhere_reaches_the_limit_is_not_believed() {
        let [high, low] = [0.707, 0.4].map(Sample::value);
        let sweep = with_rhohv(&["55", "55"], 500.0, 1000.0, array![[high, low], [high, Sample::NODATA]]);
        assert_eq!(after(Correlation::default(), &sweep).0, 0);
    }
}
