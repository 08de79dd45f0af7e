//! The record of one's own warnings.

use jiff::{SignedDuration, Timestamp};
use raincell_api_types::alerts::{AlertSkill, RainEvent};
use raincell_store_client::ClientError;
use serde::{Deserialize, Serialize};

use super::Watch;
use crate::score::Record;

/// Where the record is, for the api service to read as well.
const SCORE: &str = "_score";
/// What the published score looks back.
const DAYS_28: SignedDuration = SignedDuration::from_hours(24 * 28);

/// As stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Stored {
    /// The score of the last four weeks; `GET /v1/skill/alerts` answers with it.
    skill: AlertSkill,
    record: Record,
}

impl Watch {
    /// Reads what was told before this process began, once.
    pub(super) async fn read_the_record(&mut self) -> Result<(), ClientError> {
        if self.record_read {
            return Ok(());
        }
        let posts = self.client.outbox(None).await?;
        let told = posts.into_iter().map(|post| (event_key(&post.key).to_owned(), post.event)).collect();
        self.note_told(told).await?;
        self.record_read = true;
        Ok(())
    }

    /// Reads the record again: another process may have added to it.
    pub(super) async fn refresh_the_record(&mut self) -> Result<(), ClientError> {
        self.ledger.forget(SCORE);
        self.note_told(Vec::new()).await
    }

    /// Takes events into the record. The same again changes nothing, so that it may be called too often.
    pub(super) async fn note_told(&mut self, told: Vec<(String, RainEvent)>) -> Result<(), ClientError> {
        let now = self.runtime.clock.now();
        let mut latest = None;
        let step = |stored: &Stored| {
            let mut record = stored.record.clone();
            for (key, event) in &told {
                record.note(key, event);
            }
            record.forget(now);
            let skill = record.skill(now.checked_sub(DAYS_28).unwrap_or(Timestamp::MIN));
            let next = Stored { skill, record };
            latest = Some(next.clone());
            (next != *stored).then_some((next, Vec::new()))
        };
        let changed = self.ledger.change(SCORE, step).await;
        // What could not be noted is in the outbox, to be read again.
        self.record_read &= changed.is_ok();
        changed?;
        if let Some(Stored { skill, record }) = latest {
            publish(&skill);
            self.record = record;
        }
        Ok(())
    }
}

/// The key of an event, from the key of its post to one target.
fn event_key(post_key: &str) -> &str {
    post_key.rsplit_once('@').map_or(post_key, |(event, _)| event)
}

fn publish(skill: &AlertSkill) {
    for (outcome, count) in
        [("hit", skill.hits), ("miss", skill.misses), ("false_alarm", skill.false_alarms), ("open", skill.open)]
    {
        metrics::gauge!("raincell_alert_warnings", "outcome" => outcome).set(f64::from(count));
    }
    let scores = [
        ("pod", skill.pod),
        ("far", skill.far),
        ("csi", skill.csi),
        ("lead_time_min", skill.lead_time_min),
        ("start_error_min", skill.start_error_min),
    ];
    for (score, value) in scores {
        if let Some(value) = value {
            metrics::gauge!("raincell_alert_score", "score" => score).set(value);
        }
    }
}
