//! The codes of up to 16 blocks as few bytes: each cell predicted from its neighbours, the residuals deflated.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::blocks::{BLOCK_CELLS, SIDE};

/// Turns groups into bytes; keeps its working memory from group to group.
pub(crate) struct GroupEncoder {
    deflate: Compress,
    residuals: Vec<u8>,
}

impl GroupEncoder {
    pub fn new() -> Self {
        Self { deflate: Compress::new(Compression::new(6), false), residuals: Vec::new() }
    }

    /// Appends the bytes of a group; `codes` are whole blocks.
    pub fn encode(&mut self, codes: &[u8], bytes: &mut Vec<u8>) {
        self.residuals.clear();
        self.residuals.resize(codes.len(), 0);
        for (block, residuals) in codes.chunks_exact(BLOCK_CELLS).zip(self.residuals.chunks_exact_mut(BLOCK_CELLS)) {
            for cell in 0..BLOCK_CELLS {
                residuals[cell] = block[cell].wrapping_sub(predict(block, cell));
            }
        }
        self.deflate.reset();
        // The worst case of deflate: 5 bytes for each stored piece of 16 KB or more.
        bytes.reserve(codes.len() + 64);
        // With room for the worst case the status is always `StreamEnd`.
        let _ = self.deflate.compress_vec(&self.residuals, bytes, FlushCompress::Finish);
    }
}

/// Turns bytes back into groups; keeps its working memory from group to group.
pub(crate) struct GroupDecoder {
    inflate: Decompress,
    codes: Vec<u8>,
}

impl GroupDecoder {
    pub fn new() -> Self {
        Self { inflate: Decompress::new(false), codes: Vec::new() }
    }

    /// The codes of `blocks` blocks; `None` when the bytes are not those of such a group.
    pub fn decode(&mut self, bytes: &[u8], blocks: usize) -> Option<&[u8]> {
        self.codes.clear();
        self.codes.resize(blocks * BLOCK_CELLS, 0);
        self.inflate.reset(false);
        let status = self.inflate.decompress(bytes, &mut self.codes, FlushDecompress::Finish).ok()?;
        if status != Status::StreamEnd
            || self.inflate.total_out() != self.codes.len() as u64
            || self.inflate.total_in() != bytes.len() as u64
        {
            return None;
        }
        for block in self.codes.chunks_exact_mut(BLOCK_CELLS) {
            for cell in 0..BLOCK_CELLS {
                block[cell] = block[cell].wrapping_add(predict(block, cell));
            }
        }
        Some(&self.codes)
    }
}

/// What a cell most likely holds, from its neighbours to the left and above.
#[inline]
fn predict(block: &[u8], cell: usize) -> u8 {
    match (cell / SIDE, cell % SIDE) {
        (0, 0) => 0,
        (0, _) => block[cell - 1],
        (_, 0) => block[cell - SIDE],
        _ => {
            let (left, up, corner) = (block[cell - 1], block[cell - SIDE], block[cell - SIDE - 1]);
            let (low, high) = (left.min(up), left.max(up));
            if corner >= high {
                low
            } else if corner <= low {
                high
            } else {
                left.wrapping_add(up).wrapping_sub(corner)
            }
        }
    }
}
