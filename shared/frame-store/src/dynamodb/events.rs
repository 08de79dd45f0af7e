//! The log of what happened.

use std::time::Duration;

use raincell_api_types::events::SequencedEvent;

use super::DynamoStore;
use super::item::Item;
use super::keys::{EVENTS_END, HEAD, LOG, Place, event_key};
use super::request::Range;
use crate::StoreError;

/// How often a reader looks again at a gap before it believes in it.
const LOOKS_AT_A_GAP: u32 = 3;

impl DynamoStore {
    pub(super) async fn head(&self) -> Result<u64, StoreError> {
        let head = self.table.get("look for events", &Place::new(LOG, HEAD)).await?;
        head.map_or(Ok(0), |item| item.get_number("sequence"))
    }

    /// Events of one transaction become visible one by one, in no order. A gap is such a transaction, then, and what is
    /// behind it waits for the next look; or it was left by the collector, and then it is still there a moment later.
    pub(super) async fn read_events(&self, sequence: u64, limit: usize) -> Result<Vec<SequencedEvent>, StoreError> {
        let range = Range {
            page: Some(limit.clamp(1, 1000)),
            ..Range::between(LOG, event_key(sequence.saturating_add(1)), EVENTS_END)
        };
        let visible = |items: &[Item]| items.iter().filter(|item| item.is_visible()).count() >= limit;
        for look in 1..=LOOKS_AT_A_GAP {
            let items = self.table.query_until("read events", &range, visible).await?;
            let sequences: Result<Vec<u64>, _> = items.iter().map(|item| item.get_number("sequence")).collect();
            let sequences = sequences?;
            let gap = sequences.windows(2).position(|pair| pair[0] + 1 != pair[1]).map(|at| at + 1);
            let after_a_gap = sequences.first().is_some_and(|first| *first != sequence.saturating_add(1));
            if look < LOOKS_AT_A_GAP && (after_a_gap || gap.is_some()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            let seen = items.iter().filter(|item| item.is_visible()).take(limit);
            return seen
                .map(|item| {
                    Ok(SequencedEvent { sequence: item.get_number("sequence")?, event: item.get_json("event")? })
                })
                .collect();
        }
        Ok(Vec::new())
    }
}
