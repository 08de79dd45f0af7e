//! One measured value of a range gate or grid cell.

/// What a radar says of one range gate: not observed, observed without echo, or a value.
///
/// Four bytes, so that a moment of millions of gates stays as small as its numbers; the two special states live in
/// bit patterns that no measured value takes (NaN and −∞) and are seen only through [`Sample::kind`].
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Sample(f32);

/// The three things a [`Sample`] can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SampleKind {
    /// Not observed: blocked, out of range, missing, filtered without a replacement.
    NoData,
    /// Observed, and nothing above the detection threshold came back.
    Undetect,
    /// A measured value in the unit of its quantity.
    Value(f32),
}

impl Sample {
    /// Not observed.
    pub const NODATA: Self = Self(f32::NAN);
    /// Observed, no echo.
    pub const UNDETECT: Self = Self(f32::NEG_INFINITY);

    /// A measured value; anything that is not finite becomes [`Sample::NODATA`].
    pub fn value(value: f32) -> Self {
        if value.is_finite() { Self(value) } else { Self::NODATA }
    }

    /// Which of the three it is.
    pub fn kind(self) -> SampleKind {
        if self.0.is_nan() {
            SampleKind::NoData
        } else if self.0 == f32::NEG_INFINITY {
            SampleKind::Undetect
        } else {
            SampleKind::Value(self.0)
        }
    }

    /// The measured value, if there is one.
    pub fn as_value(self) -> Option<f32> {
        self.0.is_finite().then_some(self.0)
    }

    /// True where nothing was observed.
    pub fn is_nodata(self) -> bool {
        self.0.is_nan()
    }

    /// True where the radar looked and saw nothing.
    pub fn is_undetect(self) -> bool {
        self.0 == f32::NEG_INFINITY
    }

    /// The same state with `f` applied to a value.
    #[must_use]
    pub fn map(self, f: impl FnOnce(f32) -> f32) -> Self {
        self.as_value().map_or(self, |v| Self::value(f(v)))
    }
}

impl PartialEq for Sample {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_states_stay_apart() {
        assert_eq!(Sample::NODATA.kind(), SampleKind::NoData);
        assert_eq!(Sample::UNDETECT.kind(), SampleKind::Undetect);
        assert_eq!(Sample::value(-32.0).kind(), SampleKind::Value(-32.0));
        assert_eq!(Sample::value(f32::INFINITY), Sample::NODATA);
        assert_ne!(Sample::NODATA, Sample::UNDETECT);
    }

    #[test]
    fn map_touches_values_only() {
        assert_eq!(Sample::value(2.0).map(|v| v * 2.0), Sample::value(4.0));
        assert_eq!(Sample::UNDETECT.map(|v| v + 1.0), Sample::UNDETECT);
        assert_eq!(Sample::NODATA.map(|_| 1.0), Sample::NODATA);
    }
}
