//! Posts that a schedule asks for.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::alerts::AlertSkill;

use crate::{Intensity, Language, Limit};

/// What the next hours bring at a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PlaceOutlook {
    /// There is no forecast, or too little of it is known.
    Unknown,
    /// No rain in sight.
    Dry,
    /// It rains.
    Now {
        /// mm/h.
        rate_mm_h: f32,
        /// When it ends, where that is in sight.
        until: Option<Timestamp>,
    },
    /// Rain comes.
    From {
        /// When.
        start: Timestamp,
        /// Its strongest rate, mm/h.
        rate_mm_h: f32,
        /// When it ends, where that is in sight.
        until: Option<Timestamp>,
    },
}

/// The outlook of a place over the next `reach`.
pub fn outlook_text(
    (language, zone): (Language, &TimeZone),
    place: &str,
    reach: SignedDuration,
    outlook: PlaceOutlook,
    credit: &str,
    limit: Limit,
) -> String {
    let clock = |time| language.clock(time, zone);
    let end = |until: Option<Timestamp>| until.map(|until| language.say("until", &[("time", clock(until).into())]));
    let facts = match outlook {
        PlaceOutlook::Unknown => vec![language.say("outlook-unknown", &[])],
        PlaceOutlook::Dry => vec![language.say("outlook-dry", &[])],
        PlaceOutlook::Now { rate_mm_h, until } => {
            let now = language.say("outlook-now", &[("rain", language.rain(rate_mm_h).into())]);
            std::iter::once(now).chain(end(until)).collect()
        }
        PlaceOutlook::From { start, rate_mm_h, until } => {
            let arguments = [("time", clock(start).into()), ("rain", language.rain(rate_mm_h).into())];
            std::iter::once(language.say("outlook-from", &arguments)).chain(end(until)).collect()
        }
    };
    let arguments = [("place", place.into()), ("duration", language.duration(reach).into())];
    with_credit(language, &language.say("outlook", &arguments), &facts, credit, limit)
}

/// Where it rains at `time`: (place, rate in mm/h) in order of importance, as many as fit and how many more.
pub fn digest_text(
    (language, zone): (Language, &TimeZone),
    time: Timestamp,
    rain: &[(String, f32)],
    credit: &str,
    limit: Limit,
) -> String {
    let headline = language.say("digest", &[("time", language.clock(time, zone).into())]);
    let text = |named: usize| {
        let place = |(place, rate_mm_h): &(String, f32)| {
            let intensity = Intensity::of(*rate_mm_h).word(language);
            language.say("digest-place", &[("place", place.as_str().into()), ("intensity", intensity.into())])
        };
        let mut facts: Vec<String> = rain.iter().take(named).map(place).collect();
        if named < rain.len() {
            facts.push(language.say("digest-more", &[("count", (rain.len() - named).into())]));
        }
        credited(language, &headline, &facts, credit)
    };
    (1..=rain.len()).rev().map(text).find(|text| limit.takes(text)).unwrap_or_else(|| limit.cut(&text(1)))
}

/// How right the warnings of the last `days` days were.
pub fn score_text(language: Language, days: u32, skill: &AlertSkill, credit: &str, limit: Limit) -> String {
    let counted = |id: &str, count: u32| language.say(id, &[("count", count.into())]);
    let minutes = |id: &str, minutes: f64| language.say(id, &[("minutes", format!("{minutes:.0}").into())]);
    let facts: Vec<String> = if skill.hits + skill.misses + skill.false_alarms == 0 {
        vec![language.say("score-none", &[])]
    } else {
        let counts = [
            counted("score-hits", skill.hits),
            counted("score-false", skill.false_alarms),
            counted("score-misses", skill.misses),
        ];
        let lead = skill.lead_time_min.map(|lead| minutes("score-lead", lead));
        let start = skill.start_error_min.map(|error| minutes("score-start", error));
        counts.into_iter().chain(lead).chain(start).collect()
    };
    with_credit(language, &language.say("score", &[("days", days.to_string().into())]), &facts, credit, limit)
}

fn with_credit(language: Language, headline: &str, facts: &[String], credit: &str, limit: Limit) -> String {
    let text = credited(language, headline, facts, credit);
    if limit.takes(&text) { text } else { limit.cut(&credited(language, headline, facts, "")) }
}

fn credited(language: Language, headline: &str, facts: &[String], credit: &str) -> String {
    let arguments = [("headline", headline.into()), ("facts", facts.join(", ").into())];
    let text = language.say("with-facts", &arguments);
    if credit.is_empty() { text } else { format!("{text} {credit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const UTC: TimeZone = TimeZone::UTC;

    #[test]
    fn an_outlook_says_what_the_next_hours_bring() {
        let reach = SignedDuration::from_hours(2);
        let (start, until) = (time("2026-07-01T07:10:00Z"), Some(time("2026-07-01T08:00:00Z")));
        let say = |outlook| outlook_text((Language::En, &UTC), "Delft", reach, outlook, "Radar: demo", Limit::X);
        assert_eq!(say(PlaceOutlook::Dry), "Delft, next 2 hours: no rain in sight. Radar: demo");
        assert_eq!(say(PlaceOutlook::Unknown), "Delft, next 2 hours: no forecast at the moment. Radar: demo");
        let from = PlaceOutlook::From { start, rate_mm_h: 4.0, until };
        let text = "Delft, next 2 hours: rain from about 07:10, moderate (4.0 mm/h), until about 08:00. Radar: demo";
        assert_eq!(say(from), text);
        let now = PlaceOutlook::Now { rate_mm_h: 0.5, until: None };
        assert_eq!(say(now), "Delft, next 2 hours: raining now, light (0.5 mm/h). Radar: demo");
    }

    #[test]
    fn a_digest_names_as_many_places_as_fit() {
        let rain = |count: usize| -> Vec<(String, f32)> { (0..count).map(|k| (format!("Place {k}"), 12.0)).collect() };
        let at = time("2026-07-01T07:00:00Z");
        let say = |count| digest_text((Language::En, &UTC), at, &rain(count), "", Limit::X);
        assert_eq!(say(2), "Raining at 07:00: Place 0 (heavy), Place 1 (heavy).");
        let many = say(60);
        assert!(many.contains("Place 0") && many.ends_with("more places.") && Limit::X.takes(&many), "{many}");
    }

    #[test]
    fn a_score_is_told_in_every_language() {
        let skill = AlertSkill {
            hits: 12,
            misses: 1,
            false_alarms: 3,
            lead_time_min: Some(41.0),
            start_error_min: Some(5.0),
            ..AlertSkill::default()
        };
        assert_eq!(
            score_text(Language::En, 7, &skill, "", Limit::X),
            "Our rain warnings of the last 7 days: 12 came true, 3 false alarms, one rain came unwarned, warned 41 min \
             ahead (median), start off by 5 min (median)."
        );
        for language in Language::ALL {
            let text = score_text(language, 7, &skill, "", Limit::X);
            println!("{text}");
            assert!(Limit::X.takes(&text) && text.contains("12") && text.contains("41"), "{text}");
            assert!(!score_text(language, 7, &AlertSkill::default(), "", Limit::X).contains("12"));
        }
    }
}
