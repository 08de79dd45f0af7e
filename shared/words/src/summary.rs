//! The sentence of a point forecast.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::{Intensity, Language};

/// What the next hours bring at a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Summary {
    /// There is no forecast.
    NoForecast,
    /// There is no forecast yet, as the service or the radar has only begun.
    NotYet,
    /// No radar sees the place.
    NoData,
    /// It rains.
    Now {
        /// mm/h.
        rate_mm_h: f32,
        /// How it ends.
        end: RainEnd,
    },
    /// Rain comes.
    Expected {
        /// When.
        start: Timestamp,
        /// In so many minutes.
        minutes: i64,
        /// Its strongest rate, mm/h.
        rate_mm_h: f32,
        /// How it ends.
        end: RainEnd,
        /// How likely it is, 0–1, where that is known.
        chance: Option<f32>,
    },
    /// No rain for so long.
    Dry(SignedDuration),
    /// No rain is known of within this time, of which a part is unknown.
    DryPartly(SignedDuration),
    /// What comes after that is unknown.
    DryUntil(Timestamp),
}

/// How rain ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RainEnd {
    /// Then.
    At(Timestamp),
    /// Not within this time from now.
    ForAtLeast(SignedDuration),
    /// Not before then.
    Beyond(Timestamp),
    /// What comes after that is unknown.
    UnknownAfter(Timestamp),
}

impl Summary {
    /// In a language, with the times of a zone.
    pub fn sentence(&self, language: Language, zone: &TimeZone) -> String {
        let at = |id: &str, time: Timestamp| language.say(id, &[("time", language.clock(time, zone).into())]);
        let span = |id: &str, span: SignedDuration| language.say(id, &[("span", reach(language, span).into())]);
        let end = |end: RainEnd| match end {
            RainEnd::At(time) => at("until", time),
            RainEnd::ForAtLeast(time) => span("summary-for-at-least", time),
            RainEnd::Beyond(time) => at("summary-beyond", time),
            RainEnd::UnknownAfter(time) => at("summary-unknown-after", time),
        };
        let rain = |headline: String, rate_mm_h: f32, how: RainEnd, chance: Option<f32>| {
            let mut facts = vec![headline, Intensity::of(rate_mm_h).word(language), end(how)];
            facts.extend(chance.map(|share| language.say("chance", &[("percent", language.percent(share).into())])));
            language.say("plain", &[("headline", facts.join(", ").into())])
        };
        match *self {
            Self::NoForecast => language.say("summary-no-forecast", &[]),
            Self::NotYet => language.say("summary-not-yet", &[]),
            Self::NoData => language.say("summary-no-data", &[]),
            Self::Now { rate_mm_h, end } => rain(language.say("summary-now", &[]), rate_mm_h, end, None),
            Self::Expected { start, minutes, rate_mm_h, end, chance } => {
                let time = language.clock(start, zone);
                let arguments = [("time", time.into()), ("minutes", minutes.to_string().into())];
                rain(language.say("summary-expected", &arguments), rate_mm_h, end, chance)
            }
            Self::Dry(time) => span("summary-dry", time),
            Self::DryPartly(time) => span("summary-dry-partly", time),
            Self::DryUntil(time) => at("summary-dry-until", time),
        }
    }
}

/// The sentence that says how old the data are on which another one rests.
pub fn data_age(language: Language, minutes: i64) -> String {
    language.say("summary-old", &[("minutes", minutes.to_string().into())])
}

/// A forecast's reach in words; a few minutes of data age do not make "2 hours" less true.
fn reach(language: Language, reach: SignedDuration) -> String {
    let two_hours = (106..=125).contains(&reach.as_mins());
    language.duration(if two_hours { SignedDuration::from_hours(2) } else { reach })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_hours_are_told_in_every_language() {
        let time: Timestamp = "2026-06-01T12:35:00Z".parse().unwrap();
        let end = RainEnd::At("2026-06-01T13:10:00Z".parse().unwrap());
        let expected = Summary::Expected { start: time, minutes: 12, rate_mm_h: 4.0, end, chance: None };
        let say = |language| expected.sentence(language, &TimeZone::get("Europe/Amsterdam").unwrap());
        assert_eq!(say(Language::En), "Rain expected at 14:35 (in 12 min), moderate, until about 15:10.");
        assert_eq!(say(Language::De), "Regen um 14:35 erwartet (in 12 min), mäßiger Regen, bis etwa 15:10.");
        let likely = Summary::Expected { start: time, minutes: 12, rate_mm_h: 4.0, end, chance: Some(0.83) };
        let say = |language| likely.sentence(language, &TimeZone::get("Europe/Amsterdam").unwrap());
        assert!(say(Language::En).ends_with(", until about 15:10, chance 83%."));
        assert!(say(Language::Nl).ends_with(", kans 83%."), "{}", say(Language::Nl));
        assert_eq!(data_age(Language::De, 16), "Die Daten sind 16 min alt.");
        let dry = Summary::Dry(SignedDuration::from_mins(116));
        assert_eq!(dry.sentence(Language::Fr, &TimeZone::UTC), "Pas de pluie pendant 2 heures.");
        assert_eq!(dry.sentence(Language::En, &TimeZone::UTC), "Dry for the next 2 hours.");
    }
}
