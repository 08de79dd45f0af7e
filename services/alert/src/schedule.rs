//! Posts that a schedule asks for: when they are due. What they say is put together in [`crate::watch`].
//!
//! Cron expressions are evaluated against the service's own clock, which may run faster than the wall's: a scheduler that
//! sleeps by itself would not follow it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use raincell_api_types::alerts::RainEventKind;
use raincell_words::Language;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What is posted on a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduledPost {
    /// What the next hours bring at a place.
    Outlook,
    /// Where it rains; nothing while it is dry everywhere.
    Digest,
    /// How right the warnings of the last seven days were.
    Score,
}

/// One schedule, as configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    /// What is posted.
    pub post: ScheduledPost,
    /// When: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// Id of the place of an outlook.
    #[serde(default)]
    pub place: Option<String>,
    /// Language of the others.
    #[serde(default)]
    pub language: Option<String>,
    /// IANA time zone of the others, and of the hours in `cron`.
    #[serde(default)]
    pub time_zone: Option<String>,
}

/// What is wrong with a schedule.
#[derive(Debug, Error)]
pub enum ScheduleError {
    /// The expression cannot be read.
    #[error("cron is `{cron}`, expected five fields such as `30 6 * * *`: {reason}")]
    Cron {
        /// As configured.
        cron: String,
        /// What the parser said.
        reason: String,
    },
    /// The time zone is not known.
    #[error("time_zone is `{0}`, expected an IANA name such as Europe/Amsterdam")]
    TimeZone(String),
    /// The language is not spoken.
    #[error("language is `{0}`, expected en, nl, de, fr or hi")]
    Language(String),
    /// An outlook needs a place, and only an outlook has one.
    #[error("place is {found}, expected the id of a watched place for an outlook, and none for others")]
    Place {
        /// As configured.
        found: String,
    },
}

/// One schedule, as the service works with it.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub post: ScheduledPost,
    /// Index of the place of an outlook.
    pub place: Option<usize>,
    pub language: Language,
    pub zone: TimeZone,
    cron: cronexpr::Crontab,
}

/// When a schedule last had its turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Turn {
    pub last: Option<Timestamp>,
}

/// What a look at a schedule leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Due {
    /// Nothing before then.
    At(Timestamp),
    /// Now; it was due then.
    Now(Timestamp),
}

impl Schedule {
    /// # Errors
    /// [`ScheduleError`] says what is wrong. `places` are (id, language, time zone).
    pub fn new(config: &ScheduleConfig, places: &[(String, Language, String)]) -> Result<Self, ScheduleError> {
        let place = config.place.as_ref().map(|id| (id, places.iter().position(|(known, ..)| known == id)));
        let index = match (config.post, place) {
            (ScheduledPost::Outlook, Some((_, Some(index)))) => Some(index),
            (ScheduledPost::Digest | ScheduledPost::Score, None) => None,
            (_, place) => {
                let found = place.map_or_else(|| "missing".to_owned(), |(id, _)| format!("`{id}`"));
                return Err(ScheduleError::Place { found });
            }
        };
        let of_place = index.and_then(|index| places.get(index));
        let zone_name = config.time_zone.clone().or_else(|| of_place.map(|(.., zone)| zone.clone()));
        let zone_name = zone_name.unwrap_or_else(|| "UTC".into());
        let zone = TimeZone::get(&zone_name).map_err(|_| ScheduleError::TimeZone(zone_name.clone()))?;
        let language = match &config.language {
            Some(tag) => Language::of(tag).ok_or_else(|| ScheduleError::Language(tag.clone()))?,
            None => of_place.map_or(Language::En, |(_, language, _)| *language),
        };
        let cron = cronexpr::parse_crontab(&format!("{} {zone_name}", config.cron)).map_err(|error| {
            let reason = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            ScheduleError::Cron { cron: config.cron.clone(), reason }
        })?;
        Ok(Self { post: config.post, place: index, language, zone, cron })
    }

    pub fn kind(&self) -> RainEventKind {
        match self.post {
            ScheduledPost::Outlook => RainEventKind::Outlook,
            ScheduledPost::Digest => RainEventKind::Digest,
            ScheduledPost::Score => RainEventKind::Score,
        }
    }

    /// When it is due after its last turn, the latest time of several that have passed.
    pub fn due(&self, last: Timestamp, now: Timestamp) -> Option<Due> {
        let after = |time: Timestamp| {
            let next = self.cron.find_next(cronexpr::MakeTimestamp(time)).ok()?;
            Some(next.timestamp())
        };
        let mut due = after(last)?;
        if due > now {
            return Some(Due::At(due));
        }
        // A clock that has jumped far does not post what was due all the way, and is not counted through either.
        let hour_ago = now.saturating_sub(jiff::SignedDuration::from_hours(1)).unwrap_or(now);
        if due < hour_ago {
            due = after(hour_ago).filter(|&due| due <= now).unwrap_or(due);
        }
        while let Some(next) = after(due).filter(|&next| next <= now) {
            due = next;
        }
        Some(Due::Now(due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn config(cron: &str) -> ScheduleConfig {
        let zone = Some("Europe/Amsterdam".to_owned());
        ScheduleConfig { post: ScheduledPost::Digest, cron: cron.into(), place: None, language: None, time_zone: zone }
    }

    #[test]
    fn a_schedule_is_due_by_the_hours_of_its_zone_and_only_once() {
        let schedule = Schedule::new(&config("30 6 * * *"), &[]).unwrap();
        let last = time("2026-07-01T04:30:00Z");
        assert_eq!(schedule.due(last, time("2026-07-01T12:00:00Z")), Some(Due::At(time("2026-07-02T04:30:00Z"))));
        let due = Some(Due::Now(time("2026-07-02T04:30:00Z")));
        assert_eq!(schedule.due(last, time("2026-07-02T04:30:00Z")), due);
        // In winter an hour later by UTC.
        let winter = schedule.due(time("2026-12-01T12:00:00Z"), time("2026-12-01T12:01:00Z"));
        assert_eq!(winter, Some(Due::At(time("2026-12-02T05:30:00Z"))));
    }

    #[test]
    fn of_many_turns_that_were_slept_through_only_the_last_counts() {
        let hourly = Schedule::new(&config("0 * * * *"), &[]).unwrap();
        let due = hourly.due(time("2026-07-01T00:00:00Z"), time("2026-07-09T10:20:00Z"));
        assert_eq!(due, Some(Due::Now(time("2026-07-09T10:00:00Z"))));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |config: &ScheduleConfig| Schedule::new(config, &[]).unwrap_err().to_string();
        assert!(message(&config("every morning")).contains("every morning"));
        assert!(message(&ScheduleConfig { language: Some("tlh".into()), ..config("0 7 * * *") }).contains("tlh"));
        assert!(message(&ScheduleConfig { time_zone: Some("Mars".into()), ..config("0 7 * * *") }).contains("Mars"));
        assert!(message(&ScheduleConfig { place: Some("delft".into()), ..config("0 7 * * *") }).contains("delft"));
        assert!(message(&ScheduleConfig { post: ScheduledPost::Outlook, ..config("0 7 * * *") }).contains("missing"));
    }
}
