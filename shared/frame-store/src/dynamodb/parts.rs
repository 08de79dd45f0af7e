//! How a body is cut into items: a frame at the edges of its segments, anything else (a nowcast run) every 350,000 bytes.

use raincell_frame::{MAX_SEGMENT_BYTES, decode_header};

/// A longer header stays out of the listing, and point series read the whole frame.
const LONGEST_HEADER: usize = 40_000;

/// Where a body is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cuts {
    /// Where each part ends; the last one is the length of the body.
    pub(super) ends: Vec<usize>,
    /// Bytes of the header, for a frame.
    pub(super) header: Option<usize>,
}

impl Cuts {
    pub(super) fn of(body: &[u8]) -> Self {
        match decode_header(body) {
            Ok(header) if header.header_bytes <= LONGEST_HEADER => {
                let ends: Vec<_> = header.segments.iter().map(|segment| segment.offset + segment.length).collect();
                // The header goes with the first segment: both fit one item.
                let ends = if ends.is_empty() { vec![body.len()] } else { ends };
                Self { ends, header: Some(header.header_bytes) }
            }
            _ => {
                let mut ends: Vec<_> =
                    (1..body.len().div_ceil(MAX_SEGMENT_BYTES)).map(|n| n * MAX_SEGMENT_BYTES).collect();
                ends.push(body.len());
                Self { ends, header: None }
            }
        }
    }
}

/// First byte and end of each part.
pub(super) fn spans(ends: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    let begins = std::iter::once(0).chain(ends.iter().copied());
    begins.zip(ends.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_is_cut_into_parts_that_fit_an_item() {
        for length in [0, 1, 349_999, 350_000, 350_001, 1_000_000] {
            let cuts = Cuts::of(&vec![7; length]);
            assert_eq!((cuts.header, cuts.ends.last()), (None, Some(&length)));
            assert!(spans(&cuts.ends).all(|(begin, end)| end - begin <= 350_000), "{cuts:?}");
            assert_eq!(spans(&cuts.ends).map(|(begin, end)| end - begin).sum::<usize>(), length);
        }
    }
}
