//! The error of a member's motion.

use rand::Rng;
use rand_distr::StandardNormal;

use crate::generator;

/// How far a member's motion is off, as a function of lead time: standard deviations in km/h along and across the motion
/// of the form `a·minutes^b + c` (Bowler et al. 2006; the figures are those that pysteps gives for its radars).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MotionSpread {
    /// `a`, `b`, `c` along the motion.
    pub along: [f32; 3],
    /// `a`, `b`, `c` across the motion.
    pub across: [f32; 3],
}

impl Default for MotionSpread {
    fn default() -> Self {
        Self { along: [10.88, 0.23, -7.68], across: [5.76, 0.31, -2.72] }
    }
}

/// The motion error of one member: a constant direction and strength that the lead time scales.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MotionError {
    along: f32,
    across: f32,
    spread: MotionSpread,
}

impl MotionError {
    /// The error of a member; another stream of random numbers than its noise.
    pub fn new(spread: MotionSpread, seed: u64, member: usize) -> Self {
        let mut generator = generator(!seed, member);
        // Products of normals like this one are double exponential; the factor makes the variance 1.
        let mut draw = || {
            let [a, b, c, d] = [(); 4].map(|()| generator.sample::<f32, _>(StandardNormal));
            (a * b - c * d) * std::f32::consts::FRAC_1_SQRT_2
        };
        let (along, across) = (draw(), draw());
        Self { along, across, spread }
    }

    /// The error (right, down) after `minutes` of a motion (right, down), in km/h; 0 where there is no motion.
    pub fn after(&self, minutes: f32, [right, down]: [f32; 2]) -> [f32; 2] {
        let speed = right.hypot(down);
        if speed.is_nan() || speed <= 0.0 {
            return [0.0; 2];
        }
        let scale = |[a, b, c]: [f32; 3]| (a * minutes.max(0.0).powf(b) + c).max(0.0);
        let (along, across) = (self.along * scale(self.spread.along), self.across * scale(self.spread.across));
        let (x, y) = (right / speed, down / speed);
        [along * x - across * y, along * y + across * x]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_over_many_members_have_the_spread_asked_for() {
        let (mut sum, mut squares) = ([0.0; 2], [0.0; 2]);
        for member in 0..4000 {
            let error = MotionError::new(MotionSpread::default(), 9, member).after(60.0, [10.0, 0.0]);
            for k in 0..2 {
                sum[k] += error[k] / 4000.0;
                squares[k] += error[k] * error[k] / 4000.0;
            }
        }
        let expected = [10.88 * 60.0_f32.powf(0.23) - 7.68, 5.76 * 60.0_f32.powf(0.31) - 2.72];
        for k in 0..2 {
            assert!(sum[k].abs() < 0.08 * expected[k] && (squares[k].sqrt() / expected[k] - 1.0).abs() < 0.08);
        }
    }

    #[test]
    fn rest_stays_at_rest_and_short_leads_have_no_negative_spread() {
        let error = MotionError::new(MotionSpread::default(), 1, 0);
        assert_eq!(error.after(30.0, [0.0, 0.0]), [0.0, 0.0]);
        assert!(error.after(0.0, [3.0, 4.0]).iter().all(|e| e.abs() < 1e-6));
    }
}
