//! The languages, and how each writes numbers and times.

use std::sync::OnceLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use unic_langid::LanguageIdentifier;

type Bundle = FluentBundle<FluentResource>;

/// A language that Raincell speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Dutch.
    Nl,
    /// German.
    De,
    /// French.
    Fr,
    /// Hindi.
    Hi,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::En, Self::Nl, Self::De, Self::Fr, Self::Hi];

    /// Its two-letter code.
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Nl => "nl",
            Self::De => "de",
            Self::Fr => "fr",
            Self::Hi => "hi",
        }
    }

    /// The language of a tag such as `de` or `de-CH`; `None` for one that is not spoken here.
    pub fn of(tag: &str) -> Option<Self> {
        let code = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(code))
    }

    fn source(self) -> &'static str {
        match self {
            Self::En => include_str!("../locales/en.ftl"),
            Self::Nl => include_str!("../locales/nl.ftl"),
            Self::De => include_str!("../locales/de.ftl"),
            Self::Fr => include_str!("../locales/fr.ftl"),
            Self::Hi => include_str!("../locales/hi.ftl"),
        }
    }

    fn bundle(self) -> &'static Bundle {
        static BUNDLES: [OnceLock<Bundle>; 5] = [const { OnceLock::new() }; 5];
        BUNDLES[self as usize].get_or_init(|| {
            let locale: LanguageIdentifier = self.code().parse().unwrap_or_default();
            let mut bundle = Bundle::new_concurrent(vec![locale]);
            // The marks that keep right-to-left names apart would count as characters; all languages here go one way.
            bundle.set_use_isolating(false);
            let resource = FluentResource::try_new(self.source().to_owned()).unwrap_or_else(|(resource, _)| resource);
            // A message that is there twice or cannot be parsed is found by the tests.
            let _ = bundle.add_resource(resource);
            bundle
        })
    }

    /// The message of an id with its arguments put in.
    pub(crate) fn say(self, id: &str, arguments: &[(&str, FluentValue<'_>)]) -> String {
        let bundle = self.bundle();
        let Some(pattern) = bundle.get_message(id).and_then(|message| message.value()) else {
            return id.to_owned();
        };
        let arguments: FluentArgs<'_> = arguments.iter().map(|(name, value)| (*name, value.clone())).collect();
        bundle.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned()
    }

    /// A number with so many decimals.
    fn number(self, value: f32, decimals: usize) -> String {
        let text = format!("{value:.decimals$}");
        if matches!(self, Self::En | Self::Hi) { text } else { text.replace('.', ",") }
    }

    /// A rain rate with its unit.
    pub(crate) fn rate(self, rate_mm_h: f32) -> String {
        let decimals = usize::from(rate_mm_h < 9.95);
        self.say("rate", &[("number", self.number(rate_mm_h, decimals).into())])
    }

    /// Intensity and rate.
    pub(crate) fn rain(self, rate_mm_h: f32) -> String {
        let intensity = crate::Intensity::of(rate_mm_h).word(self);
        self.say("rain", &[("intensity", intensity.into()), ("rate", self.rate(rate_mm_h).into())])
    }

    /// Hours and minutes of local time.
    pub(crate) fn clock(self, time: Timestamp, zone: &TimeZone) -> String {
        let local = time.to_zoned(zone.clone());
        let part = |format: &str| local.strftime(format).to_string();
        self.say("clock", &[("hour", part("%H").into()), ("minute", part("%M").into())])
    }

    pub(crate) fn duration(self, duration: SignedDuration) -> String {
        let minutes = (duration.as_secs() + 30) / 60;
        if minutes < 120 {
            return self.say("minutes", &[("minutes", minutes.to_string().into())]);
        }
        if minutes == 120 {
            return self.say("two-hours", &[]);
        }
        let (hours, minutes) = ((minutes / 60).to_string(), (minutes % 60).to_string());
        self.say("hours", &[("hours", hours.into()), ("minutes", minutes.into())])
    }

    pub(crate) fn percent(self, share: f32) -> String {
        self.say("percent", &[("number", format!("{:.0}", 100.0 * share).into())])
    }

    /// Direction and speed of motion.
    pub(crate) fn motion(self, towards_deg: f32, speed_km_h: f32) -> String {
        let sector = (towards_deg.rem_euclid(360.0) / 45.0).round() as i32 % 8;
        let towards = self.say("towards", &[("sector", sector.into())]);
        let speed = self.say("speed", &[("number", format!("{speed_km_h:.0}").into())]);
        self.say("moving", &[("towards", towards.into()), ("speed", speed.into())])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ids(language: Language) -> BTreeSet<&'static str> {
        let lines = language.source().lines();
        let ids = lines.filter_map(|line| line.split_once(" =").map(|(id, _)| id));
        ids.filter(|id| !id.starts_with([' ', '#', '-'])).collect()
    }

    #[test]
    fn every_language_parses_and_says_the_same_messages() {
        for language in Language::ALL {
            let parsed = FluentResource::try_new(language.source().to_owned());
            assert!(parsed.is_ok(), "{language:?}: {:?}", parsed.err().map(|(_, errors)| errors));
            assert_eq!(ids(language), ids(Language::En), "{language:?}");
            for id in ids(language) {
                assert!(language.bundle().has_message(id), "{language:?} lacks {id}");
            }
        }
    }

    #[test]
    fn tags_with_a_region_are_understood_and_others_are_not() {
        assert_eq!(Language::of("de-CH"), Some(Language::De));
        assert_eq!(Language::of("FR"), Some(Language::Fr));
        assert_eq!(Language::of("tlh"), None);
    }

    #[test]
    fn numbers_times_and_directions_are_those_of_the_language() {
        let time: Timestamp = "2026-07-01T12:05:00Z".parse().unwrap();
        assert_eq!(Language::Fr.clock(time, &TimeZone::UTC), "12h05");
        assert_eq!(Language::Nl.rate(2.44), "2,4 mm/u");
        assert_eq!(Language::En.rate(12.3), "12 mm/h");
        assert_eq!(Language::De.motion(350.0, 41.6), "zieht mit 42 km/h nach Norden");
        assert_eq!(Language::En.motion(46.0, 30.0), "moving north-east at 30 km/h");
        assert_eq!(Language::Hi.percent(0.7), "70%");
        assert_eq!(Language::En.duration(SignedDuration::from_mins(135)), "2 h 15 min");
    }
}
