//! Echo that is no drops, by its co-polar correlation.

use raincell_model::{Moment, Quantity, Sample, SampleKind, Sweep};

use crate::SweepFilter;

/// Keeps the gates whose RHOHV is that of drops. Rain has 0.97 and more, melting snow and hail down to about 0.85;
/// insects, birds, ground and sea stay below. A limit of 0.95 would cost a tenth of the rain of a storm with hail.
///
/// Where RHOHV has other gates than reflectivity, the nearest gate of the same ray counts. Beyond the reach of RHOHV
/// nothing is taken.
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
