//! What is told of the whole domain: cells of heavy rain, and posts at certain hours.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use raincell_words::Language;
use serde::Deserialize;

use super::Config;
use crate::cells::CellRules;
use crate::schedule::{Schedule, ScheduleError};

/// Cells of heavy rain in the whole domain.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeavyRainConfig {
    /// They are watched.
    pub enabled: bool,
    /// A cell is where it rains at least so hard, mm/h …
    pub rate_mm_h: f32,
    /// … over so many square kilometres.
    pub area_km2: f64,
    /// Cells nearer than this to one that was told of lately are not told, km.
    pub apart_km: f64,
    /// The most that are told in an hour.
    pub most_per_hour: u32,
    /// Language of the posts.
    pub language: String,
    /// IANA time zone of the times in posts.
    pub time_zone: String,
}

impl HeavyRainConfig {
    pub(crate) fn language(&self) -> Language {
        Language::of(&self.language).unwrap_or_default()
    }

    /// `None` where they are not watched.
    pub(crate) fn rules(&self, config: &Config) -> Option<CellRules> {
        let minutes = |count: u32| SignedDuration::from_mins(i64::from(count));
        self.enabled.then(|| CellRules {
            rate_mm_h: self.rate_mm_h,
            area_km2: self.area_km2,
            apart_km: self.apart_km,
            re_arm: minutes(config.re_arm_min),
            most_per_hour: self.most_per_hour as usize,
            stale_after: minutes(config.give_up_after_min),
        })
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |good: bool, problem: String| {
            if !good {
                problems.push(format!("heavy_rain: {problem}"));
            }
        };
        let (rate, area, apart) = (self.rate_mm_h, self.area_km2, self.apart_km);
        check((1.0..=200.0).contains(&rate), format!("rate_mm_h is {rate}, expected 1 to 200"));
        check((1.0..=10_000.0).contains(&area), format!("area_km2 is {area}, expected 1 to 10000"));
        check((0.0..=500.0).contains(&apart), format!("apart_km is {apart}, expected 0 to 500"));
        let (language, zone) = (&self.language, &self.time_zone);
        check(Language::of(language).is_some(), format!("language is `{language}`, expected en, nl, de, fr or hi"));
        check(TimeZone::get(zone).is_ok(), format!("time_zone is `{zone}`, expected an IANA name"));
        problems
    }
}

impl Config {
    /// The schedules.
    ///
    /// # Errors
    /// [`ScheduleError`] when one of them cannot be used.
    pub(crate) fn schedules(&self) -> Result<Vec<Schedule>, ScheduleError> {
        let places = self.schedule_places();
        self.schedules.iter().map(|schedule| Schedule::new(schedule, &places)).collect()
    }

    fn schedule_places(&self) -> Vec<(String, Language, String)> {
        self.places.iter().map(|place| (place.slug(), place.language(), place.time_zone.clone())).collect()
    }

    pub(super) fn schedule_problems(&self) -> Vec<String> {
        let places = self.schedule_places();
        let mut known = BTreeSet::new();
        let mut problems = Vec::new();
        for (index, schedule) in self.schedules.iter().enumerate() {
            if let Err(error) = Schedule::new(schedule, &places) {
                problems.push(format!("schedule {}: {error}", index + 1));
            }
            if !known.insert((format!("{:?}", schedule.post), schedule.place.clone())) {
                problems.push(format!("schedule {}: another one has the same post and place", index + 1));
            }
        }
        problems
    }
}
