//! The codes that occur in a frame: most sources know far fewer rates than the scale has codes.

use crate::DecodeError;
use crate::bytes::{Reader, wrong};
use crate::quantise::{DRY, NODATA, Quantisation};

/// Bytes of the palette in the header: a bit for each code.
const BITMAP_BYTES: usize = 32;

/// The codes of wet cells that occur, ascending. Rank 1 is the first of them; rank 0 is what is not wet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Palette(Vec<u8>);

impl Palette {
    /// The palette of the codes that are used.
    pub fn of(used: &[bool; 256]) -> Self {
        Self((DRY + 1..NODATA).filter(|code| used[usize::from(*code)]).collect())
    }

    /// The rank of each code; 0 for those that are not wet.
    pub fn ranks(&self) -> [u8; 256] {
        let mut ranks = [0; 256];
        // Bounded: the open range would count past the last rank when every code occurs.
        for (rank, code) in (1..=u8::MAX).zip(&self.0) {
            ranks[usize::from(*code)] = rank;
        }
        ranks
    }

    /// The value of each rank.
    pub fn values(&self, quantisation: Quantisation) -> [f32; 256] {
        let mut values = [0.0; 256];
        for (value, code) in values[1..].iter_mut().zip(&self.0) {
            *value = quantisation.value(*code);
        }
        values
    }

    /// The value of one rank, if it is wet.
    pub fn value(&self, rank: u8, quantisation: Quantisation) -> Option<f32> {
        let code = self.0.get(usize::from(rank).checked_sub(1)?)?;
        Some(quantisation.value(*code)).filter(|value| *value > 0.0)
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

    #[test]
    fn a_palette_comes_back_and_ranks_its_codes() {
        let mut used = [false; 256];
        for code in [DRY, NODATA, 9, 254] {
            used[usize::from(code)] = true;
        }
        let palette = Palette::of(&used);
        let mut bytes = Vec::new();
        palette.write(&mut bytes);
        let read = Palette::read(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(read.0, [9, 254]);
        let ranks = read.ranks();
        assert_eq!([255, 9, 254, 0, 8].map(|code: usize| ranks[code]), [0, 1, 2, 0, 0]);
    }

    #[test]
    fn every_code_may_occur() {
        let ranks = Palette::of(&[true; 256]).ranks();
        assert_eq!((ranks[1], ranks[254], ranks[255]), (1, 254, 0));
    }
}
