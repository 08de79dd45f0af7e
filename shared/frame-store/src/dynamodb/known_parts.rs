//! Parts that were read for a series, kept in memory: the next series reads most of them again.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::keys::Place;
use super::request::Table;
use crate::StoreError;

/// What all of them together take at most.
const BYTES: u64 = 16 << 20;
/// What a part with its place about takes, where frames are those of one radar.
const USUAL_BYTES: u64 = 8 << 10;

#[derive(Clone)]
struct ByBytes;

impl Weighter<Place, Bytes> for ByBytes {
    fn weight(&self, place: &Place, part: &Bytes) -> u64 {
        // With the cache's own books.
        (part.len() + place.pk.len() + place.sk.len() + 160) as u64
    }
}

/// A part never changes: its place holds the version of the body, and a new body gets a new version. What is gone is no
/// longer asked for, as its listing is read each time.
#[derive(Clone)]
pub(super) struct KnownParts(Arc<Cache<Place, Bytes, ByBytes>>);

impl Default for KnownParts {
    fn default() -> Self {
        Self(Arc::new(Cache::with_weighter((BYTES / USUAL_BYTES) as usize, BYTES, ByBytes)))
    }
}

impl fmt::Debug for KnownParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownParts").field("bytes", &self.0.weight()).finish()
    }
}

impl KnownParts {
    /// The parts at these places, without those that are not in the table; one BatchGet for what is not known yet.
    ///
    /// # Errors
    /// As [`Table::batch_get`].
    pub(super) async fn read(
        &self,
        table: &Table,
        doing: &'static str,
        wanted: impl IntoIterator<Item = Place>,
    ) -> Result<HashMap<Place, Bytes>, StoreError> {
        let (mut parts, mut unknown) = (HashMap::new(), Vec::new());
        for place in wanted {
            match self.0.get(&place) {
                Some(part) => drop(parts.insert(place, part)),
                None => unknown.push(place),
            }
        }
        metrics::counter!("raincell_store_parts_read_total", "from" => "memory").increment(parts.len() as u64);
        metrics::counter!("raincell_store_parts_read_total", "from" => "table").increment(unknown.len() as u64);
        for mut item in table.batch_get(doing, &unknown).await? {
            let place = Place::new(item.get_text("pk")?, item.get_text("sk")?);
            let part = item.take_bytes("body")?;
            self.0.insert(place.clone(), part.clone());
            parts.insert(place, part);
        }
        Ok(parts)
    }
}
