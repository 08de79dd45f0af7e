//! Blocks of frames that were decoded for a point series before. A frame never changes, those of the past two hours are the
//! same for all who ask, and who asks for a place asks again.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use raincell_frame::{BlockGroup, FrameHeader};

/// What all groups of blocks take at most: those of some 600 frames at one place, or of two hours of a country.
const GROUP_BYTES: u64 = 10 << 20;
/// What all headers take at most.
const HEADER_BYTES: u64 = 2 << 20;
/// What a header with its tables and the cache's own books takes, beside its segments.
const USUAL_HEADER_BYTES: u64 = 18 << 10;
/// The cache's own books of one group.
const GROUP_BOOKS_BYTES: u64 = 160;

/// Content hash of a frame: what is known under it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FrameHash(u128);

impl FrameHash {
    /// `None` for what is no content hash.
    pub(crate) fn of(hash: &str) -> Option<Self> {
        u128::from_str_radix(hash, 16).ok().map(Self)
    }
}

/// Headers and groups of blocks, as many as there is room for.
#[derive(Debug)]
pub(crate) struct KnownBlocks {
    headers: Cache<FrameHash, Arc<FrameHeader>, ByBytes>,
    groups: Cache<(FrameHash, usize), Arc<BlockGroup>, ByBytes>,
}

impl Default for KnownBlocks {
    fn default() -> Self {
        let group_bytes = BlockGroup::BYTES as u64 + GROUP_BOOKS_BYTES;
        Self {
            headers: Cache::with_weighter((HEADER_BYTES / USUAL_HEADER_BYTES) as usize, HEADER_BYTES, ByBytes),
            groups: Cache::with_weighter((GROUP_BYTES / group_bytes) as usize, GROUP_BYTES, ByBytes),
        }
    }
}

impl KnownBlocks {
    pub(crate) fn header(&self, frame: FrameHash) -> Option<Arc<FrameHeader>> {
        self.headers.get(&frame)
    }

    pub(crate) fn group(&self, frame: FrameHash, number: usize) -> Option<Arc<BlockGroup>> {
        self.groups.get(&(frame, number))
    }

    pub(crate) fn keep_header(&self, frame: FrameHash, header: &Arc<FrameHeader>) {
        self.headers.insert(frame, Arc::clone(header));
    }

    pub(crate) fn keep_group(&self, frame: FrameHash, number: usize, group: BlockGroup) {
        self.groups.insert((frame, number), Arc::new(group));
    }
}

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<FrameHash, Arc<FrameHeader>> for ByBytes {
    fn weight(&self, _: &FrameHash, header: &Arc<FrameHeader>) -> u64 {
        // Of a large frame the states of the blocks take some, too; they are no more than its bytes.
        USUAL_HEADER_BYTES + 16 * header.header_bytes as u64
    }
}

impl Weighter<(FrameHash, usize), Arc<BlockGroup>> for ByBytes {
    fn weight(&self, _: &(FrameHash, usize), _: &Arc<BlockGroup>) -> u64 {
        BlockGroup::BYTES as u64 + GROUP_BOOKS_BYTES
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_content_hash_and_nothing_else_names_a_frame() {
        let hash = raincell_frame::content_hash(b"abc");
        assert_eq!(FrameHash::of(&hash), Some(FrameHash(0xba78_16bf_8f01_cfea_4141_40de_5dae_2223)));
        assert_eq!(FrameHash::of("not stored by this program"), None);
    }
}
