//! Names of rain rates.

use crate::Language;

/// How hard it rains: below 2.5, 10 and 50 mm/h, and above (Met Office, fact sheet 3, showers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Intensity {
    /// Below 2.5 mm/h.
    Light,
    /// From 2.5 mm/h.
    Moderate,
    /// From 10 mm/h.
    Heavy,
    /// From 50 mm/h.
    Violent,
}

impl Intensity {
    /// The name of a rate, mm/h.
    pub fn of(rate_mm_h: f32) -> Self {
        match rate_mm_h {
            rate if rate < 2.5 => Self::Light,
            rate if rate < 10.0 => Self::Moderate,
            rate if rate < 50.0 => Self::Heavy,
            _ => Self::Violent,
        }
    }

    /// In English, as in keys and JSON: `light`, `moderate`, `heavy`, `violent`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Moderate => "moderate",
            Self::Heavy => "heavy",
            Self::Violent => "violent",
        }
    }

    /// In a language; where an adjective alone would hang in the air, with its noun.
    pub fn word(self, language: Language) -> String {
        language.say(self.id(), &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intensity_changes_at_its_limits() {
        let words = [0.3, 2.4, 2.5, 9.9, 10.0, 49.9, 50.0].map(|rate| Intensity::of(rate).id());
        assert_eq!(words, ["light", "light", "moderate", "moderate", "heavy", "heavy", "violent"]);
        assert_eq!(Intensity::Heavy.word(Language::De), "starker Regen");
    }
}
