//! A post by hand, to see whether a target takes what it gets.

use std::sync::Arc;

use anyhow::{Context, bail};
use jiff::Timestamp;
use raincell_api_types::alerts::{RainEvent, RainEventKind, post_key};
use raincell_store_client::StoreClient;

use crate::Config;
use crate::picture::Pictures;
use crate::places;
use crate::poster::{Permit, PostError, PostText};
use crate::sending;
use crate::targets::posters;

/// What became of the post at one target.
#[derive(Debug)]
pub struct TrialOutcome {
    /// Name of the target.
    pub target: &'static str,
    /// Media type of the picture that went along; `None` where the text went alone.
    pub picture: Option<&'static str>,
    /// What the target calls the post, or why there is none.
    pub sent: Result<String, PostError>,
}

/// Sends a post about a watched place (by its name or id) to every target that is switched on, past the outbox. The
/// picture is made of what the store has.
///
/// # Errors
/// When there is no such place, or no HTTP client can be made.
pub async fn send_trial(
    config: &Config,
    client: &StoreClient,
    place: &str,
    now: Timestamp,
) -> anyhow::Result<Vec<TrialOutcome>> {
    let places = Arc::new(places::places(config)?);
    let wanted = place.to_lowercase();
    let Some(place) = places.iter().find(|known| known.id == wanted || known.name.to_lowercase() == wanted) else {
        let known: Vec<_> = places.iter().map(|place| place.name.as_str()).collect();
        bail!("no watched place is called `{place}`; there are: {}", known.join(", "));
    };
    let time = now.strftime("%Y-%m-%d %H:%M:%S UTC");
    let event = RainEvent {
        place: place.name.clone(),
        place_id: place.id.clone(),
        kind: RainEventKind::Digest,
        time: now,
        about: now,
        text: format!("Test post about {} at {time}: all is well, no rain is announced.", place.name),
        alt: format!("Radar map around {}, made as a test.", place.name),
        ..RainEvent::default()
    };
    let event_key = format!("{}-{}-test", now.strftime("%Y%m%dT%H%M%SZ"), place.id);
    let pictures = Pictures::new(client.clone(), config, Arc::clone(&places));
    let mut outcomes = Vec::new();
    for poster in posters(config).context("no HTTP client can be made")? {
        let post = PostText {
            key: post_key(&event_key, poster.name()),
            text: event.text.clone(),
            other_text: event.text.clone(),
            event: event.clone(),
            reply_to: None,
            waiting: std::time::Duration::ZERO,
        };
        let (sent, picture) = sending::send(&*poster, &pictures, &post, &event_key, &Permit::always()).await;
        outcomes.push(TrialOutcome { target: poster.name(), picture, sent });
    }
    Ok(outcomes)
}
