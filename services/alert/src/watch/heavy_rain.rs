//! Cells of heavy rain in the whole domain.

use raincell_store_client::ClientError;
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use super::Watch;
use crate::cells::{self, CellState};
use crate::told;

impl Watch {
    /// Follows the cells into the newest frame, where they are watched.
    pub(super) async fn look_for_heavy_rain(&mut self) -> Result<(), ClientError> {
        let Some(rules) = &self.heavy_rain else { return Ok(()) };
        let Some((source, field, motion)) = self.sources.newest_field() else { return Ok(()) };
        let (now, credit) = (self.runtime.clock.now(), self.credit(source));
        let (trace_id, traits) = (self.sources.frame_hash(source), self.sources.traits(source));
        let span = info_span!("heavy rain", trace_id = Empty, source);
        let told = span.clone();
        let config = &self.config.heavy_rain;
        let language = config.language();
        let id = format!("_heavy-rain-{source}");
        let tray = self.outbox.clone();
        let step = |state: &CellState| {
            let (next, news) = cells::step(state, rules, field, motion, told::town, now);
            if next == *state {
                return None;
            }
            let post = |news: &cells::CellNews| {
                let mut event = told::of_cell(news, (language, &config.time_zone), &credit, traits);
                trace_id.clone_into(&mut event.trace_id);
                told.record("trace_id", trace_id);
                let key = told::cell_key(news.time, &news.town, event.kind);
                tracing::info!(key, rate_mm_h = news.rate_mm_h, "heavy rain");
                tray.posts(&key, &event)
            };
            Some((next, news.iter().flat_map(post).collect()))
        };
        if self.ledger.change(&id, step).instrument(span).await? {
            self.outbox.ring();
        }
        Ok(())
    }
}
