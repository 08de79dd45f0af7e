//! How right the warnings were: each is verified against what the radar then saw at its place.
//!
//! What counts is what was told, so that the record is made from the events in the outbox: a warning that a beginning
//! follows is a hit, one that an all-clear follows a false alarm, a beginning without a warning a miss. The record
//! outlives the outbox; the same events read again change nothing.

use std::collections::BTreeMap;

use jiff::{SignedDuration as Span, Timestamp};
use raincell_api_types::alerts::{AlertSkill, RainEvent, RainEventKind};
use serde::{Deserialize, Serialize};

/// Records are kept so long.
const KEPT: Span = Span::from_hours(24 * 60);

/// What is on record: the warnings and rains of the last weeks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// By `<place>` and the time of the first news of the event.
    events: BTreeMap<String, Life>,
}

/// One event at one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Life {
    /// When it was warned of, and for when.
    warned: Option<(Timestamp, Timestamp)>,
    /// When the rain began.
    begun: Option<Timestamp>,
    /// When it was called off.
    called_off: Option<Timestamp>,
    /// True when it rained at the first look, or the first after a long gap: nobody knows whether a warning was due.
    #[serde(default)]
    begun_unseen: bool,
}

impl Record {
    /// Takes an event into account; `key` is its own, without a target. Events that are no news of a place are left out.
    pub fn note(&mut self, key: &str, event: &RainEvent) {
        if event.place_id.is_empty() {
            return;
        }
        let life = match event.kind {
            RainEventKind::Coming | RainEventKind::Begun | RainEventKind::FalseAlarm => {
                self.events.entry(event.thread.clone().unwrap_or_else(|| key.to_owned())).or_default()
            }
            _ => return,
        };
        match event.kind {
            RainEventKind::Coming => life.warned = Some((event.time, event.about)),
            RainEventKind::Begun => {
                life.begun = Some(event.about);
                life.begun_unseen = event.facts.as_ref().is_some_and(|facts| facts.earliest.is_none());
            }
            _ => life.called_off = Some(event.about),
        }
    }

    /// Forgets what is older than two months.
    pub fn forget(&mut self, now: Timestamp) {
        self.events.retain(|_, life| life.time().is_some_and(|time| now.duration_since(time) <= KEPT));
    }

    /// The score of the events known from `since` on.
    pub fn skill(&self, since: Timestamp) -> AlertSkill {
        let lives: Vec<Life> =
            self.events.values().copied().filter(|life| life.time().is_some_and(|time| time >= since)).collect();
        let count = |is: fn(&Life) -> bool| lives.iter().filter(|life| is(life)).count() as u32;
        // Rain that came after the all-clear came after all, but was a false alarm by then, and unwarned.
        let hits = count(|l| l.warned.is_some() && l.begun.is_some() && l.called_off.is_none());
        let false_alarms = count(|l| l.called_off.is_some());
        let misses =
            count(|l| l.begun.is_some() && ((l.warned.is_none() && !l.begun_unseen) || l.called_off.is_some()));
        let open = count(|l| l.warned.is_some() && l.begun.is_none() && l.called_off.is_none());
        let share = |part: u32, of: u32| (of > 0).then(|| f64::from(part) / f64::from(of));
        let minutes = |of: fn(Timestamp, Timestamp, Timestamp) -> Span| {
            let hits = lives.iter().filter(|life| life.called_off.is_none());
            let spans =
                hits.filter_map(|life| life.warned.zip(life.begun).map(|((at, start), begun)| of(at, start, begun)));
            median(spans.map(|span| span.as_secs_f64() / 60.0).collect())
        };
        AlertSkill {
            since: lives.iter().filter_map(Life::time).min(),
            until: lives.iter().filter_map(Life::last).max(),
            hits,
            misses,
            false_alarms,
            open,
            pod: share(hits, hits + misses),
            far: share(false_alarms, hits + false_alarms),
            csi: share(hits, hits + misses + false_alarms),
            lead_time_min: minutes(|at, _, begun| begun.duration_since(at)),
            start_error_min: minutes(|_, start, begun| begun.duration_since(start).abs()),
            start_bias_min: minutes(|_, start, begun| begun.duration_since(start)),
        }
    }
}

impl Life {
    /// When it was first known of.
    fn time(&self) -> Option<Timestamp> {
        self.warned.map(|(at, _)| at).or(self.begun).or(self.called_off)
    }

    fn last(&self) -> Option<Timestamp> {
        self.begun.max(self.called_off).max(self.warned.map(|(at, _)| at))
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    let lower = if values.len().is_multiple_of(2) { *values.get(middle.checked_sub(1)?)? } else { upper };
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use raincell_api_types::alerts::EventFacts;

    use super::*;
    use RainEventKind::{Begun, Coming, Ended, FalseAlarm};

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_second(1_767_268_800 + minute * 60).unwrap()
    }

    fn told(record: &mut Record, kind: RainEventKind, time: i64, about: i64, thread: Option<&str>) {
        let event = RainEvent {
            place_id: "delft".into(),
            kind,
            time: minute(time),
            about: minute(about),
            thread: thread.map(str::to_owned),
            ..RainEvent::default()
        };
        record.note(&format!("{time}-delft"), &event);
        record.note(&format!("{time}-delft"), &event);
    }

    #[test]
    fn hits_misses_and_false_alarms_are_counted_once_however_often_they_are_read() {
        let mut record = Record::default();
        assert_eq!(record.skill(minute(0)).pod, None);
        told(&mut record, Coming, 0, 30, None);
        told(&mut record, Begun, 35, 35, Some("0-delft"));
        told(&mut record, Ended, 70, 60, Some("0-delft"));
        told(&mut record, Coming, 200, 240, None);
        told(&mut record, Begun, 235, 235, Some("200-delft"));
        told(&mut record, Coming, 300, 340, None);
        told(&mut record, FalseAlarm, 350, 340, Some("300-delft"));
        told(&mut record, Begun, 500, 500, None);
        told(&mut record, Coming, 600, 620, None);
        let skill = record.skill(minute(0));
        assert_eq!((skill.hits, skill.misses, skill.false_alarms, skill.open), (2, 1, 1, 1));
        assert_eq!((skill.pod, skill.far, skill.csi), (Some(2.0 / 3.0), Some(1.0 / 3.0), Some(0.5)));
        assert_eq!(
            (skill.lead_time_min, skill.start_error_min, skill.start_bias_min),
            (Some(35.0), Some(5.0), Some(0.0))
        );
        assert_eq!((skill.since, skill.until), (Some(minute(0)), Some(minute(600))));
        assert_eq!(record.skill(minute(400)).hits, 0);
        let json = serde_json::to_value(&record).unwrap();
        assert_eq!(serde_json::from_value::<Record>(json).unwrap(), record);
        record.forget(minute(60 * 24 * 61));
        assert_eq!(record, Record::default());
    }

    #[test]
    fn rain_that_fell_at_the_first_look_is_no_miss() {
        let mut record = Record::default();
        let begun =
            |facts| RainEvent { place_id: "delft".into(), kind: Begun, time: minute(0), facts, ..RainEvent::default() };
        record.note("0-delft", &begun(Some(Box::default())));
        assert_eq!(record.skill(Timestamp::MIN).misses, 0);
        let seen = EventFacts { earliest: Some(minute(-5)), ..EventFacts::default() };
        record.note("0-delft", &begun(Some(Box::new(seen))));
        assert_eq!(record.skill(Timestamp::MIN).misses, 1);
    }

    #[test]
    fn rain_after_an_all_clear_is_a_false_alarm_and_a_miss() {
        let mut record = Record::default();
        told(&mut record, Coming, 0, 30, None);
        told(&mut record, FalseAlarm, 40, 30, Some("0-delft"));
        told(&mut record, Begun, 45, 45, Some("0-delft"));
        let skill = record.skill(minute(0));
        assert_eq!((skill.hits, skill.misses, skill.false_alarms, skill.open), (0, 1, 1, 0));
        assert_eq!(skill.lead_time_min, None);
    }
}
