//! The posters that the configuration switches on.

use std::sync::Arc;
use std::time::Duration;

use raincell_http_client::reqwest;

use crate::Config;
use crate::poster::bluesky::BlueskyPoster;
use crate::poster::feed::FeedPoster;
use crate::poster::mastodon::MastodonPoster;
use crate::poster::ntfy::NtfyPoster;
use crate::poster::webhook::WebhookPoster;
use crate::poster::x::XPoster;
use crate::poster::{DryRunPoster, Poster};

/// One for each target that is switched on.
///
/// # Errors
/// When no HTTP client can be made.
pub(crate) fn posters(config: &Config) -> Result<Vec<Arc<dyn Poster>>, reqwest::Error> {
    let timeout = Duration::from_secs_f64(config.send_timeout_s);
    let mut posters: Vec<Arc<dyn Poster>> = Vec::new();
    if config.dry_run {
        posters.push(Arc::new(DryRunPoster::new(&config.posts_folder)));
    }
    if config.feed {
        posters.push(Arc::new(FeedPoster));
    }
    if config.x.enabled {
        posters.push(Arc::new(XPoster::new(&config.x, timeout)?));
    }
    if config.mastodon.enabled {
        posters.push(Arc::new(MastodonPoster::new(&config.mastodon, timeout)?));
    }
    if config.bluesky.enabled {
        posters.push(Arc::new(BlueskyPoster::new(&config.bluesky, timeout)?));
    }
    if config.ntfy.enabled {
        posters.push(Arc::new(NtfyPoster::new(&config.ntfy, timeout)?));
    }
    if config.webhook.enabled {
        posters.push(Arc::new(WebhookPoster::new(&config.webhook, timeout)?));
    }
    Ok(posters)
}
