//! What is said of a rain event.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::alerts::{EventFacts, RainEvent, RainEventKind};

use crate::{Language, Limit};

/// The picture goes so far back and ahead.
const PICTURE_REACH: SignedDuration = SignedDuration::from_mins(60);

/// What is left out first where a text must be short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Always,
    Rain,
    Credit,
    Until,
    Motion,
    Chance,
    Window,
    Hail,
}

/// A text in the making.
struct Draft {
    language: Language,
    headline: String,
    /// Joined by commas after the headline.
    facts: Vec<(Rank, String)>,
    /// Sentences of their own.
    sentences: Vec<(Rank, String)>,
}

impl Draft {
    fn text(&self, least: Rank) -> String {
        let kept = |parts: &[(Rank, String)]| -> Vec<String> {
            parts.iter().filter(|(rank, _)| *rank <= least).map(|(_, text)| text.clone()).collect()
        };
        let facts = kept(&self.facts).join(", ");
        let headline = ("headline", self.headline.clone().into());
        let first = if facts.is_empty() {
            self.language.say("plain", &[headline])
        } else {
            self.language.say("with-facts", &[headline, ("facts", facts.into())])
        };
        let mut sentences = vec![first];
        sentences.extend(kept(&self.sentences));
        sentences.join(" ")
    }

    /// As much as fits.
    fn within(&self, limit: Limit) -> String {
        use Rank::{Always, Chance, Credit, Hail, Motion, Rain, Until, Window};
        let texts = [Hail, Window, Chance, Motion, Until, Credit, Rain].into_iter().map(|least| self.text(least));
        texts.into_iter().find(|text| limit.takes(text)).unwrap_or_else(|| limit.cut(&self.text(Always)))
    }
}

/// The text of an event in its language, with its local times and the credit at its end, as long as `limit` allows. With
/// `now`, a start that is still ahead is counted down. An event that was stored without its facts says what it said then.
pub fn event_text(event: &RainEvent, now: Option<Timestamp>, limit: Limit) -> String {
    use RainEventKind::{Digest, Outlook, Score};
    match &event.facts {
        Some(facts) if !matches!(event.kind, Outlook | Digest | Score) => draft(event, facts, now).within(limit),
        _ => limit.cut(&event.text),
    }
}

fn draft(event: &RainEvent, facts: &EventFacts, now: Option<Timestamp>) -> Draft {
    let language = Language::of(&event.language).unwrap_or_default();
    let zone = TimeZone::get(&facts.time_zone).unwrap_or(TimeZone::UTC);
    let clock = |time| language.clock(time, &zone);
    let id = match event.kind {
        RainEventKind::Coming => "coming",
        // When it began nobody knows where nobody looked just before.
        RainEventKind::Begun if facts.earliest.is_none() => "raining",
        RainEventKind::Begun => "begun",
        RainEventKind::Intensifying => "intensifying",
        RainEventKind::Ending => "ending",
        RainEventKind::Ended => "ended",
        RainEventKind::FalseAlarm => "false-alarm",
        RainEventKind::HeavyRain => "heavy-rain",
        RainEventKind::HeavyRainOver => "heavy-rain-over",
        RainEventKind::Outlook => "outlook",
        RainEventKind::Digest => "digest",
        RainEventKind::Score => "score",
    };
    let headline = language.say(id, &[("place", event.place.as_str().into()), ("time", clock(event.about).into())]);
    let mut draft = Draft { language, headline, facts: Vec::new(), sentences: Vec::new() };
    let rate = event.rate_mm_h;
    let mut add = |rank, text: String| draft.facts.push((rank, text));
    match event.kind {
        RainEventKind::Coming => {
            add(Rank::Always, start(language, event, &zone, now));
            if let (Some(from), Some(to)) = (facts.earliest, facts.latest) {
                add(Rank::Window, language.say("window", &[("from", clock(from).into()), ("to", clock(to).into())]));
            }
            add(Rank::Rain, language.rain(rate));
            if let Some(until) = facts.until {
                let duration = language.duration(until.duration_since(event.about));
                let arguments = [("time", clock(until).into()), ("duration", duration.into())];
                add(Rank::Until, language.say("until-lasting", &arguments));
            }
            if let Some(probability) = facts.probability {
                add(Rank::Chance, language.say("chance", &[("percent", language.percent(probability).into())]));
            }
        }
        RainEventKind::Begun | RainEventKind::Intensifying => {
            add(Rank::Rain, language.rain(rate));
            if let Some(until) = facts.until {
                add(Rank::Until, language.say("until", &[("time", clock(until).into())]));
            }
        }
        RainEventKind::Ending => add(Rank::Until, language.say("ends-about", &[("time", clock(event.about).into())])),
        RainEventKind::Ended => add(Rank::Rain, language.say("strongest", &[("rate", language.rate(rate).into())])),
        RainEventKind::HeavyRain => {
            add(Rank::Rain, language.say("up-to", &[("rate", language.rate(rate).into())]));
            if let Some(motion) = facts.motion {
                add(Rank::Motion, language.motion(motion.towards_deg, motion.speed_km_h));
            }
        }
        _ => {}
    }
    let hail = matches!(
        event.kind,
        RainEventKind::Coming | RainEventKind::Begun | RainEventKind::Intensifying | RainEventKind::HeavyRain
    );
    if hail && facts.hail {
        draft.sentences.push((Rank::Hail, language.say("hail", &[])));
    }
    if !facts.credit.is_empty() {
        draft.sentences.push((Rank::Credit, facts.credit.clone()));
    }
    draft
}

/// When it starts, counted down where that is ahead.
fn start(language: Language, event: &RainEvent, zone: &TimeZone, now: Option<Timestamp>) -> String {
    let time = language.clock(event.about, zone);
    let minutes = now.map(|now| (event.about.duration_since(now).as_secs() + 30).div_euclid(60));
    match minutes.filter(|&minutes| minutes >= 1) {
        Some(minutes) => language.say("starts-in", &[("time", time.into()), ("minutes", minutes.to_string().into())]),
        None => language.say("starts", &[("time", time.into())]),
    }
}

/// What the animation of an event shows, for those who do not see it.
pub fn alt_text(event: &RainEvent) -> String {
    alt(event, "alt")
}

/// The same of a still of its last observed frame.
pub fn still_alt_text(event: &RainEvent) -> String {
    alt(event, "alt-still")
}

fn alt(event: &RainEvent, message: &str) -> String {
    let Some(facts) = &event.facts else { return event.text.clone() };
    let language = Language::of(&event.language).unwrap_or_default();
    let zone = TimeZone::get(&facts.time_zone).unwrap_or(TimeZone::UTC);
    let clock = |time| language.clock(time, &zone);
    let from = event.time.saturating_sub(PICTURE_REACH).unwrap_or(event.time);
    let to = event.time.saturating_add(PICTURE_REACH).unwrap_or(event.time);
    let map = language.say(
        message,
        &[
            ("place", event.place.as_str().into()),
            ("from", clock(from).into()),
            ("time", clock(event.time).into()),
            ("to", clock(to).into()),
        ],
    );
    format!("{map} {}", event_text(event, None, Limit::characters(400)))
}

#[cfg(test)]
mod tests {
    use raincell_api_types::alerts::EventMotion;

    use super::*;
    use crate::weighted_length;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn event(kind: RainEventKind, language: Language) -> RainEvent {
        RainEvent {
            place: "Harbour Town".into(),
            kind,
            time: time("2026-07-01T12:20:00Z"),
            about: time("2026-07-01T12:35:00Z"),
            rate_mm_h: 12.3,
            language: language.code().into(),
            facts: Some(Box::new(EventFacts {
                time_zone: "Europe/Amsterdam".into(),
                credit: "Radar: demo".into(),
                until: Some(time("2026-07-01T13:10:00Z")),
                ..EventFacts::default()
            })),
            ..RainEvent::default()
        }
    }

    fn full(kind: RainEventKind, language: Language) -> RainEvent {
        let mut event = RainEvent { rate_mm_h: 88.0, ..event(kind, language) };
        event.facts = Some(Box::new(EventFacts {
            time_zone: "Europe/Amsterdam".into(),
            credit: "Radar: demo".into(),
            earliest: Some(time("2026-07-01T12:30:00Z")),
            latest: Some(time("2026-07-01T12:45:00Z")),
            until: Some(time("2026-07-01T13:10:00Z")),
            probability: Some(0.83),
            hail: true,
            motion: Some(EventMotion { towards_deg: 95.0, speed_km_h: 42.0 }),
        }));
        event
    }

    const KINDS: [RainEventKind; 8] = [
        RainEventKind::Coming,
        RainEventKind::Begun,
        RainEventKind::Intensifying,
        RainEventKind::Ending,
        RainEventKind::Ended,
        RainEventKind::FalseAlarm,
        RainEventKind::HeavyRain,
        RainEventKind::HeavyRainOver,
    ];

    fn say(kind: RainEventKind, language: Language) -> String {
        event_text(&event(kind, language), None, Limit::X)
    }

    #[test]
    fn each_event_has_its_words_in_local_time() {
        use RainEventKind::{Begun, Coming, Ended, Ending, FalseAlarm, Intensifying};
        let en = Language::En;
        assert_eq!(
            say(Coming, en),
            "Rain coming to Harbour Town: starts about 14:35, heavy (12 mm/h), until about 15:10 (35 min). Radar: demo"
        );
        assert_eq!(
            say(Begun, en),
            "It is raining at Harbour Town (seen at 14:35): heavy (12 mm/h), until about 15:10. Radar: demo"
        );
        let seen_to_begin = event_text(&full(Begun, en), None, Limit::X);
        assert!(
            seen_to_begin.starts_with("Rain has begun at Harbour Town (seen at 14:35): violent (88 mm/h), until about"),
            "{seen_to_begin}"
        );
        assert_eq!(
            say(Intensifying, en),
            "Rain at Harbour Town is getting stronger: heavy (12 mm/h), until about 15:10. Radar: demo"
        );
        assert_eq!(say(Ending, en), "Rain at Harbour Town is about to end: expected about 14:35. Radar: demo");
        assert_eq!(say(Ended, en), "Rain has ended at Harbour Town about 14:35: at its strongest 12 mm/h. Radar: demo");
        assert_eq!(
            say(FalseAlarm, en),
            "All clear for Harbour Town: the rain expected about 14:35 did not come. Radar: demo"
        );
    }

    #[test]
    fn every_language_speaks_and_what_is_known_is_told() {
        let full = full(RainEventKind::Coming, Language::En);
        let text = event_text(&full, Some(time("2026-07-01T12:22:40Z")), Limit::X);
        assert_eq!(
            text,
            "Rain coming to Harbour Town: starts about 14:35 (in 12 min), likely between 14:30 and 14:45, violent \
             (88 mm/h), until about 15:10 (35 min), chance 83%. Hail is possible; radar rates are capped there. \
             Radar: demo"
        );
        let starts = [
            (Language::Nl, "Regen op komst voor Harbour Town: begint rond 14:35, zware regen (12 mm/u), tot ongeveer"),
            (Language::De, "Regen zieht auf Harbour Town zu: Beginn gegen 14:35, starker Regen (12 mm/h), bis etwa"),
            (
                Language::Fr,
                "Harbour Town, la pluie arrive : début vers 14h35, forte pluie (12 mm/h), jusque vers 15h10",
            ),
            (Language::Hi, "Harbour Town में बारिश आने वाली है: लगभग 14:35 बजे शुरू, तेज़ बारिश (12 मिमी/घंटा), लगभग 15:10"),
        ];
        for (language, start) in starts {
            let text = say(RainEventKind::Coming, language);
            assert!(text.starts_with(start), "{text}");
        }
    }

    #[test]
    fn the_countdown_goes_when_the_start_has_passed() {
        let event = event(RainEventKind::Coming, Language::En);
        let at = |now: &str| event_text(&event, Some(time(now)), Limit::X);
        assert!(at("2026-07-01T12:23:10Z").contains("starts about 14:35 (in 12 min), heavy"));
        assert_eq!(at("2026-07-01T12:34:50Z"), event_text(&event, None, Limit::X));
        assert_eq!(at("2026-07-01T12:40:00Z"), event_text(&event, None, Limit::X));
    }

    #[test]
    fn every_text_fits_x_in_every_language_with_the_longest_names() {
        for language in Language::ALL {
            for kind in KINDS {
                for name in [
                    "雨".repeat(30),
                    "Sankt Johann-Saarbrücken-Obersüßenbach am Wörthersee (Nordost)".chars().take(60).collect(),
                ] {
                    let mut event = full(kind, language);
                    event.place.clone_from(&name);
                    if let Some(facts) = &mut event.facts {
                        facts.credit.clone_from(&name);
                    }
                    let text = event_text(&event, Some(time("2026-07-01T11:01:00Z")), Limit::X);
                    println!("{:3} {text}", weighted_length(&text));
                    assert!(Limit::X.takes(&text), "{} of 280: {text}", weighted_length(&text));
                    assert!(text.contains(&name), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_shorter_limit_leaves_out_what_matters_least() {
        let event = full(RainEventKind::Coming, Language::En);
        let within = |most| event_text(&event, None, Limit::characters(most));
        assert!(within(220).ends_with("chance 83%. Hail is possible; radar rates are capped there. Radar: demo"));
        assert!(within(190).ends_with("chance 83%. Radar: demo"), "{}", within(190));
        assert!(within(140).ends_with("chance 83%. Radar: demo"), "{}", within(140));
        assert!(within(115).ends_with("until about 15:10 (35 min). Radar: demo"), "{}", within(115));
        assert_eq!(within(60), "Rain coming to Harbour Town: starts about 14:35.");
        assert_eq!(within(20), "Rain coming to Harb…");
    }

    #[test]
    fn a_cell_is_named_after_its_town_and_says_where_it_goes() {
        let text = event_text(&full(RainEventKind::HeavyRain, Language::En), None, Limit::X);
        assert_eq!(
            text,
            "Heavy rain near Harbour Town: up to 88 mm/h, moving east at 42 km/h. Hail is possible; radar rates are capped \
             there. Radar: demo"
        );
    }

    #[test]
    fn the_picture_is_told_with_what_it_shows() {
        let text = alt_text(&event(RainEventKind::Begun, Language::De));
        assert_eq!(
            text,
            "Animierte Radarkarte der Umgebung von Harbour Town: der beobachtete Regen von 13:20 bis 14:20, danach die \
             Vorhersage bis 15:20. Es regnet in Harbour Town (gesehen um 14:35): starker Regen (12 mm/h), bis etwa 15:10. \
             Radar: demo"
        );
    }

    #[test]
    fn a_still_shows_what_was_observed_only() {
        for language in Language::ALL {
            let text = still_alt_text(&event(RainEventKind::Begun, language));
            let clock = if language == Language::Fr { "14h20" } else { "14:20" };
            assert!(text.contains(clock) && !text.contains("13:20") && !text.contains("15:20"), "{text}");
        }
        let text = still_alt_text(&event(RainEventKind::Begun, Language::En));
        assert!(
            text.starts_with(
                "Radar map of the surroundings of Harbour Town: the rain observed at 14:20. It is raining"
            ),
            "{text}"
        );
    }

    #[test]
    fn hail_is_told_where_the_rate_is_capped_for_it_and_only_there() {
        let mut event = full(RainEventKind::Begun, Language::En);
        assert!(event_text(&event, None, Limit::X).contains("Hail is possible"));
        if let Some(facts) = &mut event.facts {
            facts.hail = false;
        }
        assert!(!event_text(&event, None, Limit::X).contains("Hail"), "a composite may give 88 mm/h of rain");
    }

    #[test]
    fn an_event_of_an_older_version_says_what_it_said() {
        let event = RainEvent { text: "Rain in 20 minutes.".into(), ..RainEvent::default() };
        assert_eq!(event_text(&event, None, Limit::X), "Rain in 20 minutes.");
    }
}
