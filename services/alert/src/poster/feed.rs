//! The Atom feed that the api service serves: a post is on it as soon as the store counts it as sent.

use async_trait::async_trait;

use super::{Permit, Picture, PictureWish, PostError, PostText, Poster};

/// Nothing leaves this process: what the store has is the feed.
#[derive(Clone, Copy, Debug)]
pub struct FeedPoster;

#[async_trait]
impl Poster for FeedPoster {
    fn name(&self) -> &'static str {
        raincell_api_types::alerts::FEED
    }

    fn wishes(&self) -> Vec<PictureWish> {
        Vec::new()
    }

    async fn find(&self, _post: &PostText, _permit: &Permit) -> Result<Option<String>, PostError> {
        Ok(None)
    }

    async fn send(&self, post: &PostText, _: Option<&Picture>, _: &Permit) -> Result<String, PostError> {
        Ok(post.key.clone())
    }
}
