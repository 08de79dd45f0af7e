//! One post with the best picture that can be made of it and that its target takes.

use crate::picture::Pictures;
use crate::poster::{Permit, PostError, PostText, Poster};

/// Sends a post with one of the pictures that its target wishes for, or with none. Gives what the target calls it, and
/// the media type of the picture.
pub(crate) async fn send(
    poster: &dyn Poster,
    pictures: &Pictures,
    post: &PostText,
    event_key: &str,
    permit: &Permit,
) -> (Result<String, PostError>, Option<&'static str>) {
    for wish in poster.wishes() {
        let Some(picture) = pictures.of(&post.event, event_key, wish).await else { continue };
        match poster.send(post, Some(&picture), permit).await {
            Err(error @ PostError::PictureRefused { .. }) => {
                tracing::warn!(key = post.key, %error, kind = picture.media_type, "the post goes without this picture");
            }
            outcome => return (outcome, Some(picture.media_type)),
        }
    }
    (poster.send(post, None, permit).await, None)
}
