//! The job that lets go of what is old: hidden first, removed later.

use std::time::Duration;

use jiff::SignedDuration;
use raincell_frame_store::{Removed, StoreError};
use raincell_service_runtime::clock;

use crate::{App, Config};

/// Looks now and then until the service stops.
pub(crate) async fn keep(app: App, config: Config) {
    let interval = Duration::from_secs(u64::from(config.retention_interval_minutes) * 60);
    loop {
        match once(&app, &config).await {
            Ok((expired, collected)) => report(expired, collected),
            // The next round does what this one could not.
            Err(error) => tracing::error!(%error, "retention failed, tried again later"),
        }
        tokio::select! {
            () = clock::sleep(&*app.runtime.clock, interval) => {}
            () = app.runtime.shutdown.cancelled() => return,
        }
    }
}

/// One round: what was hidden, and what was removed.
async fn once(app: &App, config: &Config) -> Result<(Removed, Removed), StoreError> {
    let now = app.runtime.clock.now();
    let before =
        |hours: u32| now.saturating_sub(SignedDuration::from_hours(hours.into())).unwrap_or(jiff::Timestamp::MIN);
    let expired = app.store.expire(before(config.retention_hours), now).await?;
    let collected = app.store.collect(before(config.tombstone_hours)).await?;
    app.store.forget_verification(before(config.verification_days * 24)).await?;
    Ok((expired, collected))
}

fn report(expired: Removed, collected: Removed) {
    for (step, removed) in [("expired", expired), ("collected", collected)] {
        let Removed { frames, nowcasts, events, posts, dead_letters } = removed;
        let kinds = [
            ("frame", frames),
            ("nowcast", nowcasts),
            ("event", events),
            ("post", posts),
            ("dead_letter", dead_letters),
        ];
        for (kind, count) in kinds {
            metrics::counter!("raincell_store_removed_total", "step" => step, "kind" => kind).increment(count);
        }
        if removed != Removed::default() {
            tracing::info!(step, frames, nowcasts, events, posts, dead_letters, "retention");
        }
    }
}
