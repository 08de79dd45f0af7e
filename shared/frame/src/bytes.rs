//! Reading and writing little-endian fields, each with a name, so that an error can say which one is wrong.

use std::fmt::Display;

use crate::DecodeError;

/// Walks over bytes that may hold anything.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    base: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::at(bytes, 0)
    }

    /// A part of something larger, in which it begins at `base`: errors count from there.
    pub fn at(bytes: &'a [u8], base: usize) -> Self {
        Self { bytes, position: 0, base }
    }

    /// Where the next field begins, counted from the beginning of the whole.
    pub fn offset(&self) -> usize {
        self.base + self.position
    }

    pub fn take(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let Some(taken) = rest.get(..length) else {
            return Err(DecodeError::Truncated { field, offset: self.offset(), expected: length, found: rest.len() });
        };
        self.position += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(field, N)?);
        Ok(array)
    }

    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(u64::from_le_bytes)
    }

    pub fn i64(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        self.array(field).map(i64::from_le_bytes)
    }

    pub fn f32(&mut self, field: &'static str) -> Result<f32, DecodeError> {
        self.array(field).map(f32::from_le_bytes)
    }

    pub fn f64(&mut self, field: &'static str) -> Result<f64, DecodeError> {
        self.array(field).map(f64::from_le_bytes)
    }

    /// A number of seven bits a byte, the lowest first, the top bit set on all bytes but the last (LEB128).
    pub fn varint(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let begin = self.offset();
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.u8(field)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(wrong(field, begin, "a number of at most 9 bytes", "a longer one"))
    }

    /// UTF-8 with its length in two bytes before it.
    pub fn text(&mut self, field: &'static str) -> Result<String, DecodeError> {
        let length = self.u16(field)?;
        let begin = self.offset();
        let bytes = self.take(field, usize::from(length))?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|e| wrong(field, begin, "UTF-8", e))
    }

    /// A field that must lie in a range.
    pub fn u32_within(
        &mut self,
        field: &'static str,
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<usize, DecodeError> {
        let begin = self.offset();
        let value = self.u32(field)? as usize;
        if range.contains(&value) {
            return Ok(value);
        }
        Err(wrong(field, begin, format_args!("{} to {}", range.start(), range.end()), value))
    }
}

/// A field that holds what it must not.
pub(crate) fn wrong(field: &'static str, offset: usize, expected: impl Display, found: impl Display) -> DecodeError {
    DecodeError::Field { field, offset, expected: expected.to_string(), found: found.to_string() }
}

/// Appends a [`Reader::varint`].
pub(crate) fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Appends a [`Reader::text`].
pub(crate) fn put_text(bytes: &mut Vec<u8>, field: &'static str, text: &str) -> Result<(), crate::EncodeError> {
    let length = u16::try_from(text.len()).map_err(|_| crate::EncodeError::TextTooLong {
        field,
        found: text.len(),
        most: usize::from(u16::MAX),
    })?;
    bytes.extend(length.to_le_bytes());
    bytes.extend(text.as_bytes());
    Ok(())
}
