//! The sparse frame: one field of one instant as few bytes, and the bundle of frames that a nowcast run is.
//!
//! - [`encode`] and [`decode`] turn a [`Frame`] into bytes and back; [`decode_header`], [`decode_point`] and
//!   [`decode_window`] read a part without touching the rest; a [`GroupDecoder`] does for those who ask again and again.
//! - [`encode_run`], [`decode_run`] and [`decode_run_header`] do the same for a whole
//!   [`NowcastRun`](raincell_model::NowcastRun).
//!
//! The layout is described byte by byte in this crate's README. This crate does no I/O, knows no store and no network;
//! every byte that it reads may come from a stranger: decoding never panics, never allocates more than
//! [`MAX_CELLS`] ask for, and says where the bytes are wrong.

// Only what is inlined into it is compiled for the instructions that a processor of the dispatched level has.
#![allow(clippy::inline_always)]

mod blocks;
mod body;
mod bytes;
mod decode;
mod encode;
mod error;
mod group;
mod header;
mod mask;
mod motion;
mod palette;
mod predict;
mod quantise;
mod rans;
mod run;
mod weights;

use raincell_model::RainField;
use sha2::{Digest, Sha256};

pub use body::{BlockGroup, CellPlace, GroupDecoder};
pub use decode::{decode, decode_header, decode_header_in, decode_point, decode_window};
pub use encode::{encode, encode_quantised};
pub use error::{DecodeError, EncodeError};
pub use header::{FrameHeader, SegmentInfo};
pub use quantise::Quantisation;
pub use run::{
    EncodedProduct, ProductEntry, RunHeader, decode_run, decode_run_header, encode_run, encode_run_of, encode_run_with,
};

/// Media type of a sparse frame.
pub const MEDIA_TYPE: &str = "application/vnd.raincell.frame";

/// Media type of a nowcast run.
pub const RUN_MEDIA_TYPE: &str = "application/vnd.raincell.nowcast";

/// The most cells that a frame may have, in either direction of the codec (a 7000 × 3500 mosaic has 24.5 million).
pub const MAX_CELLS: usize = 1 << 26;

/// The most bytes in one segment, so that each fits one item of a database that takes 400 KB.
pub const MAX_SEGMENT_BYTES: usize = 350_000;

/// A field with what it is and who made it.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Who made it, as a short identifier.
    pub source: String,
    /// What it shows: `rate` (mm/h); later products of a nowcast too (`p50`, `probability-0.1`).
    pub product: String,
    /// The field; its values in the unit of the product.
    pub field: RainField,
}

/// Identifier of encoded bytes: the first 32 hex digits of their SHA-256. Encoding is deterministic, so that equal
/// frames have equal hashes.
pub fn content_hash(encoded: &[u8]) -> String {
    Sha256::digest(encoded).iter().take(16).fold(String::with_capacity(32), |mut hex, byte| {
        for digit in [byte >> 4, byte & 15] {
            hex.push(char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }));
        }
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_hash_is_the_beginning_of_the_sha_256() {
        // FIPS 180-2, appendix B.1: the digest of "abc".
        assert_eq!(content_hash(b"abc"), "ba7816bf8f01cfea414140de5dae2223");
    }
}
