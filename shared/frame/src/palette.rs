//! The codes that occur in a frame: most sources know far fewer rates than the scale has codes.

use crate::DecodeError;
use crate::bytes::{Reader, wrong};
use crate::group::Ranks;
use crate::quantise::{DRY, NODATA};

/// Bytes of the palette in the header: a bit for each code.
const BITMAP_BYTES: usize = 32;

/// The codes of wet cells that occur, ascending. Rank 1 is the first of them; ranks 0 and 255 are dry and no data.
#[derive(Clone, Debug, Default)]
pub(crate) struct Palette(Vec<u8>);

impl Palette {
    /// The palette of blocks of codes.
    pub fn of(blocks: &[Ranks]) -> Self {
        let mut used = [false; 256];
        for code in blocks.iter().flatten() {
            used[usize::from(*code)] = true;
        }
        Self((DRY + 1..NODATA).filter(|code| used[usize::from(*code)]).collect())
    }

    /// How many wet ranks there are, at most 254.
    pub fn wet(&self) -> u8 {
        self.0.len() as u8
    }

    /// Turns codes into ranks.
    pub fn rank(&self, blocks: &mut [Ranks]) {
        let mut ranks = [0; 256];
        ranks[usize::from(NODATA)] = NODATA;
        // Bounded: the open range would count past the last rank when every code occurs.
        for (rank, code) in (1..=u8::MAX).zip(&self.0) {
            ranks[usize::from(*code)] = rank;
        }
        for cell in blocks.iter_mut().flatten() {
            *cell = ranks[usize::from(*cell)];
        }
    }

    /// The value of each rank, from the value of each code.
    pub fn values(&self, of_code: &[f32; 256]) -> [f32; 256] {
        let mut values = [0.0; 256];
        values[usize::from(NODATA)] = f32::NAN;
        for (value, code) in values[1..].iter_mut().zip(&self.0) {
            *value = of_code[usize::from(*code)];
        }
        values
    }

    pub fn write(&self, bytes: &mut Vec<u8>) {
        let mut bitmap = [0_u8; BITMAP_BYTES];
        for code in &self.0 {
            bitmap[usize::from(code / 8)] |= 1 << (code % 8);
        }
        bytes.extend(bitmap);
    }

    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let begin = reader.offset();
        let bitmap = reader.take("palette", BITMAP_BYTES)?;
        let used = |code: u8| bitmap[usize::from(code / 8)] >> (code % 8) & 1 == 1;
        if used(DRY) || used(NODATA) {
            return Err(wrong("palette", begin, "codes 1 to 254", "code 0 or 255"));
        }
        Ok(Self((DRY + 1..NODATA).filter(|code| used(*code)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::BLOCK_CELLS;

    #[test]
    fn a_palette_comes_back_and_ranks_its_codes() {
        let mut block = [DRY; BLOCK_CELLS];
        block[..4].copy_from_slice(&[NODATA, 9, 254, 9]);
        let palette = Palette::of(&[block]);
        let mut bytes = Vec::new();
        palette.write(&mut bytes);
        let read = Palette::read(&mut Reader::new(&bytes)).unwrap();
        assert_eq!((read.wet(), &read.0), (2, &vec![9, 254]));
        read.rank(std::slice::from_mut(&mut block));
        assert_eq!(block[..5], [NODATA, 1, 2, 1, DRY]);
    }

    #[test]
    fn every_code_may_occur() {
        let mut blocks = [[DRY; BLOCK_CELLS]; 1];
        for (cell, code) in blocks[0].iter_mut().zip(DRY + 1..NODATA) {
            *cell = code;
        }
        let palette = Palette::of(&blocks);
        assert_eq!(palette.wet(), 254);
        palette.rank(&mut blocks);
        assert_eq!(blocks[0][253], 254);
    }
}
