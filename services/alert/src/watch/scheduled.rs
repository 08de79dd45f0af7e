//! Posts that a schedule asks for.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use raincell_store_client::ClientError;
use raincell_words::{Limit, PlaceOutlook, digest_text, outlook_text, score_text};

use super::Watch;
use crate::machine;
use crate::outbox::post_key;
use crate::schedule::{Due, Schedule, ScheduledPost, Turn};
use crate::told;

/// What an outlook looks ahead.
const REACH: SignedDuration = SignedDuration::from_hours(2);
/// What a score looks back.
const SCORE_DAYS: u32 = 7;

impl Watch {
    /// Posts what is due. What was due too long ago, while nothing ran, is left out.
    pub(super) async fn look_at_schedules(&mut self) -> Result<(), ClientError> {
        let now = self.runtime.clock.now();
        let give_up = SignedDuration::from_mins(i64::from(self.config.give_up_after_min));
        for schedule in self.schedules.clone() {
            let places = Arc::clone(&self.places);
            let place = schedule.place.and_then(|index| places.get(index));
            let name = place.map_or("all", |place| place.id.as_str());
            let id = format!("_schedule-{}-{name}", crate::words::kind_name(schedule.kind()));
            if schedule.post == ScheduledPost::Score {
                self.refresh_the_record().await?;
            }
            let text = self.scheduled_text(&schedule, now);
            let tray = self.outbox.clone();
            let step = |turn: &Turn| {
                // The first look only begins to count.
                let Some(last) = turn.last else { return Some((Turn { last: Some(now) }, Vec::new())) };
                let Due::Now(due) = schedule.due(last, now)? else { return None };
                let text = text.clone().filter(|_| now.duration_since(due) <= give_up);
                let post = text.map(|text| {
                    let mut event = told::of_schedule(schedule.kind(), due, schedule.language, text);
                    if let Some(place) = place {
                        event.place.clone_from(&place.name);
                        event.place_id.clone_from(&place.id);
                    }
                    let key = post_key(due, name, schedule.kind());
                    tracing::info!(key, "scheduled post");
                    tray.posts(&key, &event)
                });
                Some((Turn { last: Some(due) }, post.unwrap_or_default()))
            };
            if self.ledger.change(&id, step).await? {
                self.outbox.ring();
            }
        }
        Ok(())
    }

    /// Time until the next one is due, by the clock of the service.
    pub(super) fn until_scheduled(&self) -> Option<Duration> {
        let now = self.runtime.clock.now();
        let next = self.schedules.iter().filter_map(|schedule| match schedule.due(now, now)? {
            Due::At(due) => Duration::try_from(due.duration_since(now)).ok(),
            Due::Now(_) => Some(Duration::ZERO),
        });
        next.min()
    }

    /// What it would say now; `None` for nothing.
    fn scheduled_text(&self, schedule: &Schedule, now: Timestamp) -> Option<String> {
        let (language, zone) = (schedule.language, &schedule.zone);
        match schedule.post {
            ScheduledPost::Outlook => {
                let index = schedule.place?;
                let place = self.places.get(index)?;
                let known = self.sources.of_place(index);
                let credit = known.map(|(source, ..)| self.credit(source)).unwrap_or_default();
                let outlook = known.map_or(PlaceOutlook::Unknown, |(_, rain, outlook)| {
                    machine::next_hours(&place.rules, *rain, outlook, now)
                });
                Some(outlook_text((language, zone), &place.name, REACH, outlook, &credit, Limit::X))
            }
            ScheduledPost::Digest => {
                let rain = |(index, place): (usize, &crate::places::Place)| {
                    let (_, rain, _) = self.sources.of_place(index)?;
                    let fresh = now.duration_since(rain.time) <= place.rules.stale_after;
                    let rate_mm_h = rain.rate_mm_h.filter(|rate| fresh && *rate >= place.rules.threshold_mm_h)?;
                    Some((place.name.clone(), rate_mm_h))
                };
                let mut rain: Vec<(String, f32)> = self.places.iter().enumerate().filter_map(rain).collect();
                rain.sort_by(|a, b| b.1.total_cmp(&a.1));
                let time = self.sources.newest()?;
                let credit = (0..self.places.len()).find_map(|index| self.sources.of_place(index));
                let credit = credit.map(|(source, ..)| self.credit(source)).unwrap_or_default();
                (!rain.is_empty()).then(|| digest_text((language, zone), time, &rain, &credit, Limit::X))
            }
            ScheduledPost::Score => {
                let since = now.checked_sub(SignedDuration::from_hours(24 * i64::from(SCORE_DAYS))).ok()?;
                Some(score_text(language, SCORE_DAYS, &self.record.skill(since), "", Limit::X))
            }
        }
    }
}
