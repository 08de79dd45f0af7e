//! Posts that were given up and that somebody wants sent all the same, however old.

use raincell_api_types::alerts::{OutboxPost, PostOutcome, PostStatus, event_and_target};
use raincell_api_types::dead_letters::{DeadLetter, DeadLetterState};
use raincell_api_types::leases::Fence;
use raincell_store_client::{ClientError, StoreClient};
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use super::lane::Lane;
use crate::poster::{Permit, PostError};

impl Lane {
    /// Looks for posts of this target that are asked for again.
    pub(super) async fn replay(&mut self, fence: &Fence) -> Result<(), ClientError> {
        let letters = self.desk.client.dead_letters(Some(DeadLetterState::ReplayRequested)).await?;
        for letter in letters.iter().filter(|letter| letter.letter.source == "alert") {
            let Some(key) = letter.letter.origin.get("post").and_then(|key| key.as_str()) else { continue };
            if event_and_target(key).1 == self.poster.name() {
                let span = info_span!("post", trace_id = Empty, key, poster = self.poster.name());
                self.replay_one(letter, key, fence).instrument(span).await?;
            }
        }
        Ok(())
    }

    async fn replay_one(&mut self, letter: &DeadLetter, key: &str, fence: &Fence) -> Result<(), ClientError> {
        let client = self.desk.client.with_fence(fence.clone());
        let post = match self.desk.client.outbox_post(key).await {
            Ok(post) => post,
            Err(ClientError::NotFound { .. }) => {
                let reason = format!("{}; the store does not have the post any more", letter.letter.reason);
                let kept = raincell_api_types::dead_letters::NewDeadLetter { reason, ..letter.letter.clone() };
                return client.add_dead_letter(&kept).await.map(drop);
            }
            Err(error) => return Err(error),
        };
        Span::current().record("trace_id", &post.event.trace_id);
        if post.status != PostStatus::Sent {
            let permit = Permit::under(self.desk.lease.clone(), fence.clone());
            match self.send_again(&post, &permit).await {
                Ok(reference) => self.record_replay(&client, &post, reference).await?,
                Err(error @ PostError::LeaseLost { .. }) => {
                    tracing::info!(key, %error, "a replay is left to another process");
                    return Ok(());
                }
                Err(error) => {
                    tracing::warn!(key, %error, "a replay failed");
                    return self.bury(&client, &post, &format!("replay: {error}")).await;
                }
            }
        }
        client.set_dead_letter_state(letter.id, DeadLetterState::Replayed).await.map(drop)
    }

    async fn send_again(&mut self, post: &OutboxPost, permit: &Permit) -> Result<String, PostError> {
        let text = self.text(post, self.desk.runtime.clock.now());
        if let Some(reference) = self.poster.find(&text, permit).await? {
            return Ok(reference);
        }
        self.send(post, &text, permit).await
    }

    async fn record_replay(
        &self,
        client: &StoreClient,
        post: &OutboxPost,
        reference: String,
    ) -> Result<(), ClientError> {
        self.count("replayed");
        tracing::info!(key = post.key, to = reference, "post sent on request");
        let outcome = PostOutcome { status: PostStatus::Sent, detail: Some(reference) };
        client.record_outcome(&post.key, &outcome).await.map(drop)
    }
}
