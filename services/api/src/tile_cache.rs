//! Rendered tiles, the least used forgotten first.

use std::sync::Arc;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use raincell_service_runtime::Problem;

/// A rendered picture with its media type and the hash of its content.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Its bytes.
    pub body: Bytes,
    /// `image/png` or `image/webp`.
    pub content_type: &'static str,
    /// Content hash of the bytes.
    pub tag: Arc<str>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<String, Picture> for ByBytes {
    fn weight(&self, key: &String, picture: &Picture) -> u64 {
        // What an entry takes besides its bytes: the key, the tag, and the cache's own books.
        (picture.body.len() + key.len() + 160) as u64
    }
}

/// Tiles by frame, place and style. Two requests for the same tile render it once.
pub struct TileCache(Cache<String, Picture, ByBytes>);

impl TileCache {
    /// Of so many megabytes.
    pub fn new(megabytes: u64) -> Self {
        let bytes = megabytes << 20;
        // A tile of weather takes a few kilobytes.
        Self(Cache::with_weighter((bytes >> 12) as usize, bytes, ByBytes))
    }

    /// The tile of a key; rendered on a blocking thread where it is not there yet.
    ///
    /// # Errors
    /// What `render` fails with.
    pub async fn get(
        &self,
        key: String,
        render: impl FnOnce() -> Result<Picture, Problem> + Send + 'static,
    ) -> Result<Picture, Problem> {
        if let Some(picture) = self.0.get(&key) {
            return Ok(picture);
        }
        let made = async {
            metrics::counter!("raincell_api_tiles_rendered_total").increment(1);
            tokio::task::spawn_blocking(render).await.map_err(|e| Problem::internal(&e))?
        };
        self.0.get_or_insert_async(&key, made).await
    }
}
