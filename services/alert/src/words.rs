//! What a post says.
//!
//! The text of an event holds absolute times only, so that it stays true however late it is read; a post that is sent
//! in time gets the minutes until the start put in by [`with_countdown`].

use jiff::Timestamp;
use jiff::tz::TimeZone;
use raincell_api_types::alerts::RainEventKind;

use crate::length::{LONGEST_POST, weighted_length};
use crate::machine::News;

/// Light, moderate, heavy or violent: below 2.5, 10, 50 mm/h, and above (Met Office fact sheet 3, showers).
pub fn intensity(rate_mm_h: f32) -> &'static str {
    match rate_mm_h {
        r if r < 2.5 => "light",
        r if r < 10.0 => "moderate",
        r if r < 50.0 => "heavy",
        _ => "violent",
    }
}

/// The name of a kind of event in keys, file names and metrics.
pub fn kind_name(kind: RainEventKind) -> &'static str {
    match kind {
        RainEventKind::Coming => "coming",
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
    }
}

/// The text of an event, with local times and the credit at its end; the credit is left out where it does not fit.
pub fn text(place: &str, news: &News, zone: &TimeZone, credit: &str) -> String {
    let at = |time: Timestamp| clock(time, zone);
    let about = at(news.about);
    let until = news.until.map(|until| format!(", until about {}", at(until))).unwrap_or_default();
    let rain = format!("{} ({})", intensity(news.rate_mm_h), rate(news.rate_mm_h));
    let body = match news.kind {
        RainEventKind::Coming => format!("Rain coming to {place}: starts about {about}, {rain}{until}."),
        RainEventKind::Begun => format!("Rain has begun at {place} (seen at {about}): {rain}{until}."),
        RainEventKind::Ended => {
            format!("Rain has ended at {place} about {about}. Strongest: {}.", rate(news.rate_mm_h))
        }
        RainEventKind::Intensifying => format!("Rain is getting stronger at {place}: {rain}{until}."),
        RainEventKind::Ending => format!("Rain at {place} is about to end, about {about}."),
        RainEventKind::FalseAlarm => {
            format!("All clear for {place}: the rain expected about {about} did not come.")
        }
        _ => String::new(),
    };
    let credited = format!("{body} {credit}");
    if credit.is_empty() || weighted_length(&credited) > LONGEST_POST { body } else { credited }
}

/// The text with the minutes until the start, for an event that is still ahead of `now`.
pub fn with_countdown(text: &str, about: Timestamp, zone: &TimeZone, now: Timestamp) -> String {
    let start = format!("starts about {}", clock(about, zone));
    let minutes = (about.duration_since(now).as_secs() + 30).div_euclid(60);
    if minutes < 1 {
        return text.to_owned();
    }
    let counted = text.replacen(&start, &format!("{start} (in {minutes} min)"), 1);
    if weighted_length(&counted) > LONGEST_POST { text.to_owned() } else { counted }
}

fn clock(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%H:%M").to_string()
}

fn rate(rate_mm_h: f32) -> String {
    if rate_mm_h < 9.95 { format!("{rate_mm_h:.1} mm/h") } else { format!("{rate_mm_h:.0} mm/h") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(kind: RainEventKind) -> News {
        let time = |text: &str| text.parse().unwrap();
        News {
            kind,
            time: time("2026-07-01T12:20:00Z"),
            about: time("2026-07-01T12:35:00Z"),
            rate_mm_h: 12.3,
            until: Some(time("2026-07-01T13:10:00Z")),
            window: None,
            probability: None,
            follows: None,
        }
    }

    fn amsterdam() -> TimeZone {
        TimeZone::get("Europe/Amsterdam").unwrap()
    }

    #[test]
    fn each_event_has_its_words_in_local_time() {
        let say = |kind| text("Harbour Town", &news(kind), &amsterdam(), "Radar: demo");
        assert_eq!(
            say(RainEventKind::Coming),
            "Rain coming to Harbour Town: starts about 14:35, heavy (12 mm/h), until about 15:10. Radar: demo"
        );
        assert_eq!(
            say(RainEventKind::Begun),
            "Rain has begun at Harbour Town (seen at 14:35): heavy (12 mm/h), until about 15:10. Radar: demo"
        );
        assert_eq!(
            say(RainEventKind::Ended),
            "Rain has ended at Harbour Town about 14:35. Strongest: 12 mm/h. Radar: demo"
        );
        assert_eq!(
            say(RainEventKind::FalseAlarm),
            "All clear for Harbour Town: the rain expected about 14:35 did not come. Radar: demo"
        );
    }

    #[test]
    fn the_countdown_is_that_of_the_moment_of_sending_and_goes_when_the_start_has_passed() {
        let news = news(RainEventKind::Coming);
        let text = text("Harbour Town", &news, &amsterdam(), "");
        let at = |now: &str| with_countdown(&text, news.about, &amsterdam(), now.parse().unwrap());
        let counted =
            "Rain coming to Harbour Town: starts about 14:35 (in 12 min), heavy (12 mm/h), until about 15:10.";
        assert_eq!(at("2026-07-01T12:23:10Z"), counted);
        assert_eq!(at("2026-07-01T12:34:50Z"), text);
        assert_eq!(at("2026-07-01T12:40:00Z"), text);
    }

    #[test]
    fn intensity_changes_at_its_limits() {
        let words = [0.3, 2.4, 2.5, 9.9, 10.0, 49.9, 50.0].map(intensity);
        assert_eq!(words, ["light", "light", "moderate", "moderate", "heavy", "heavy", "violent"]);
    }

    #[test]
    fn the_longest_name_and_credit_that_the_config_takes_fit_a_post() {
        let name = "雨".repeat(30);
        for kind in [RainEventKind::Coming, RainEventKind::Begun, RainEventKind::Ended, RainEventKind::FalseAlarm] {
            let news = News { rate_mm_h: 199.6, ..news(kind) };
            let text = with_countdown(
                &text(&name, &news, &amsterdam(), &name),
                news.about,
                &amsterdam(),
                "2026-07-01T11:01:00Z".parse().unwrap(),
            );
            assert!(weighted_length(&text) <= LONGEST_POST && text.contains(&name), "{text}");
        }
    }
}
