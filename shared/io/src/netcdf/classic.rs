//! The netCDF classic container with 64-bit offsets ("CDF-2"), as far as nowcasts need it: fixed dimensions; text, int,
//! float and double.
//!
//! Standard: NetCDF Classic and 64-bit Offset File Formats (OGC 10-092r3).

use std::io::{Read, Seek, SeekFrom};

use crate::{ReadErrorKind, WriteError};

const MAGIC: &[u8; 4] = b"CDF\x02";
const TAG_DIMENSION: u32 = 10;
const TAG_VARIABLE: u32 = 11;
const TAG_ATTRIBUTE: u32 = 12;
/// Bytes that any variable but the last may have.
const MAX_VARIABLE_BYTES: u64 = u32::MAX as u64 - 3;
/// Bytes that a file may have: places in it are signed numbers to most readers.
const MAX_FILE_BYTES: u64 = i64::MAX as u64 - 3;
/// Bytes of a header that is not damaged.
const MAX_HEADER_BYTES: u64 = 1 << 20;
/// Names, attributes and variables of a header that is not damaged.
const MAX_ENTRIES: usize = 1_000;

/// Type of an attribute or a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Char = 2,
    Int = 4,
    Float = 5,
    Double = 6,
}

impl Kind {
    fn bytes(self) -> usize {
        match self {
            Self::Char => 1,
            Self::Int | Self::Float => 4,
            Self::Double => 8,
        }
    }
}

/// Value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Attribute {
    Text(String),
    Floats(Vec<f32>),
    Doubles(Vec<f64>),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Head of one variable.
#[derive(Debug)]
pub(crate) struct Variable {
    pub name: String,
    /// Indices into the dimensions.
    pub dimensions: Vec<usize>,
    pub attributes: Vec<(String, Attribute)>,
    pub kind: Kind,
}

/// All of a file but its data.
#[derive(Debug, Default)]
pub(crate) struct Header {
    pub dimensions: Vec<(String, usize)>,
    pub attributes: Vec<(String, Attribute)>,
    pub variables: Vec<Variable>,
}

impl Header {
    /// Index of a dimension.
    pub(crate) fn dimension(&self, name: &str) -> Option<usize> {
        self.dimensions.iter().position(|(of, _)| of == name)
    }

    /// Adds a variable, unless it has a dimension that the file has not; says whether it did.
    pub(crate) fn add(
        &mut self,
        name: &str,
        dimensions: &[&str],
        kind: Kind,
        attributes: Vec<(String, Attribute)>,
    ) -> bool {
        let dimensions: Option<Vec<usize>> = dimensions.iter().map(|name| self.dimension(name)).collect();
        let variable = dimensions.map(|dimensions| Variable { name: name.into(), dimensions, attributes, kind });
        let is_added = variable.is_some();
        self.variables.extend(variable);
        is_added
    }

    fn data_bytes(&self, variable: &Variable) -> u64 {
        let edge = |index: &usize| self.dimensions.get(*index).map_or(0, |(_, length)| *length as u64);
        variable.dimensions.iter().map(edge).fold(variable.kind.bytes() as u64, u64::saturating_mul)
    }

    /// The header's bytes, and where the data of each variable begin: in this order behind it.
    ///
    /// The last variable may be larger than 4 GiB, as nothing has its place behind it (OGC 10-092r3, section 2.2).
    pub(crate) fn layout(&self) -> Result<(Vec<u8>, Vec<u64>), WriteError> {
        let mut end = self.encode(&vec![0; self.variables.len()]).len() as u64;
        let mut begins = Vec::with_capacity(self.variables.len());
        for variable in &self.variables {
            let bytes = self.data_bytes(variable);
            let is_last = begins.len() + 1 == self.variables.len();
            let limit = if is_last { MAX_FILE_BYTES - end } else { MAX_VARIABLE_BYTES };
            if bytes > limit {
                return Err(WriteError::TooLarge { what: variable.name.clone(), bytes, limit });
            }
            begins.push(end);
            end += bytes.next_multiple_of(4);
        }
        Ok((self.encode(&begins), begins))
    }

    fn encode(&self, begins: &[u64]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put_u32(&mut out, 0);
        put_list(&mut out, TAG_DIMENSION, self.dimensions.len());
        for (name, length) in &self.dimensions {
            put_text(&mut out, name);
            put_u32(&mut out, *length as u32);
        }
        put_attributes(&mut out, &self.attributes);
        put_list(&mut out, TAG_VARIABLE, self.variables.len());
        for (variable, begin) in self.variables.iter().zip(begins) {
            put_text(&mut out, &variable.name);
            put_u32(&mut out, variable.dimensions.len() as u32);
            for dimension in &variable.dimensions {
                put_u32(&mut out, *dimension as u32);
            }
            put_attributes(&mut out, &variable.attributes);
            put_u32(&mut out, variable.kind as u32);
            // What does not fit is told by the dimensions alone.
            let size = u32::try_from(self.data_bytes(variable)).ok().and_then(|size| size.checked_next_multiple_of(4));
            put_u32(&mut out, size.unwrap_or(u32::MAX));
            out.extend_from_slice(&begin.to_be_bytes());
        }
        out
    }
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_list(out: &mut Vec<u8>, tag: u32, length: usize) {
    put_u32(out, if length == 0 { 0 } else { tag });
    put_u32(out, length as u32);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_u32(out, text.len() as u32);
    out.extend_from_slice(text.as_bytes());
    out.resize(out.len().next_multiple_of(4), 0);
}

fn put_attributes(out: &mut Vec<u8>, attributes: &[(String, Attribute)]) {
    put_list(out, TAG_ATTRIBUTE, attributes.len());
    for (name, value) in attributes {
        put_text(out, name);
        match value {
            Attribute::Text(text) => {
                put_u32(out, Kind::Char as u32);
                put_text(out, text);
            }
            Attribute::Floats(values) => {
                put_u32(out, Kind::Float as u32);
                put_u32(out, values.len() as u32);
                out.extend(values.iter().flat_map(|v| v.to_be_bytes()));
            }
            Attribute::Doubles(values) => {
                put_u32(out, Kind::Double as u32);
                put_u32(out, values.len() as u32);
                out.extend(values.iter().flat_map(|v| v.to_be_bytes()));
            }
        }
    }
}

/// A file opened for reading: its header is in memory, its data are not.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    from: R,
    header: Header,
    /// Where the data of each variable begin.
    begins: Vec<u64>,
}

impl<R: Read + Seek> Reader<R> {
    /// Reads the header, which may not place any data beyond the end.
    pub(crate) fn open(mut from: R) -> Result<Self, ReadErrorKind> {
        let length = from.seek(SeekFrom::End(0)).map_err(|e| unreadable("its end", &e))?;
        from.rewind().map_err(|e| unreadable("its beginning", &e))?;
        let mut bytes = Vec::new();
        from.by_ref().take(MAX_HEADER_BYTES).read_to_end(&mut bytes).map_err(|e| unreadable("netCDF header", &e))?;
        if bytes.is_empty() {
            return Err(ReadErrorKind::Empty);
        }
        if !bytes.starts_with(MAGIC) {
            return Err(ReadErrorKind::Block {
                what: "netCDF header",
                offset: 0,
                expected: "CDF with 64-bit offsets".into(),
                found: bytes.iter().take(4).map(|b| b.escape_ascii().to_string()).collect(),
            });
        }
        let mut cursor = Cursor { bytes: &bytes, at: MAGIC.len() };
        cursor.u32("number of records")?;
        let mut header = Header::default();
        for _ in 0..cursor.list(TAG_DIMENSION)? {
            let name = cursor.text()?;
            header.dimensions.push((name, cursor.u32("length of a dimension")? as usize));
        }
        header.attributes = cursor.attributes()?;
        let mut begins = Vec::new();
        for _ in 0..cursor.list(TAG_VARIABLE)? {
            let variable = cursor.variable()?;
            cursor.u32("size of a variable")?;
            let (begin, size) = (cursor.u64("place of a variable")?, header.data_bytes(&variable));
            if begin.checked_add(size).is_none_or(|end| end > length) {
                let [offset, expected, found] =
                    [begin, size, length.saturating_sub(begin)].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
                return Err(ReadErrorKind::Truncated { what: "data of a variable", offset, expected, found });
            }
            begins.push(begin);
            header.variables.push(variable);
        }
        Ok(Self { from, header, begins })
    }

    /// A text attribute of the file.
    pub(crate) fn global_text(&self, name: &str) -> Option<&str> {
        text_of(&self.header.attributes, name)
    }

    /// A text attribute of a variable.
    pub(crate) fn variable_text(&self, variable: &str, name: &str) -> Option<&str> {
        text_of(&self.header.variables.iter().find(|v| v.name == variable)?.attributes, name)
    }

    /// Lengths of the dimensions of a variable, `None` where there is no such variable.
    pub(crate) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let variable = self.header.variables.iter().find(|v| v.name == name)?;
        variable.dimensions.iter().map(|index| self.header.dimensions.get(*index).map(|(_, length)| *length)).collect()
    }

    /// All doubles of a variable.
    pub(crate) fn doubles(&mut self, name: &str) -> Result<Vec<f64>, ReadErrorKind> {
        let bytes = self.header.variables.iter().find(|v| v.name == name).map_or(0, |v| self.header.data_bytes(v));
        Ok(doubles(&self.values(name, Kind::Double, 0, bytes as usize / Kind::Double.bytes())?))
    }

    /// So many floats of a variable from the one at `first` on.
    pub(crate) fn floats(&mut self, name: &str, first: usize, count: usize) -> Result<Vec<f32>, ReadErrorKind> {
        Ok(floats(&self.values(name, Kind::Float, first, count)?))
    }

    /// The bytes of so many values of a variable that must be of this type.
    fn values(&mut self, name: &str, kind: Kind, first: usize, count: usize) -> Result<Vec<u8>, ReadErrorKind> {
        let Some(index) = self.header.variables.iter().position(|v| v.name == name) else {
            return Err(ReadErrorKind::Missing { field: name.to_owned(), expected: "a variable" });
        };
        let variable = &self.header.variables[index];
        if variable.kind != kind {
            let (expected, found) = (format!("{kind:?}"), format!("{:?}", variable.kind));
            return Err(ReadErrorKind::Field { field: name.to_owned(), expected, found });
        }
        let there = self.header.data_bytes(variable) / kind.bytes() as u64;
        if first.checked_add(count).is_none_or(|end| end as u64 > there) {
            let (expected, found) = (format!("{count} values from {first} on"), format!("{there} values"));
            return Err(ReadErrorKind::Field { field: name.to_owned(), expected, found });
        }
        // Within the file, as all data are.
        let mut bytes = vec![0; count * kind.bytes()];
        let begin = self.begins[index] + (first * kind.bytes()) as u64;
        let read = self.from.seek(SeekFrom::Start(begin)).and_then(|_| self.from.read_exact(&mut bytes));
        read.map_err(|e| unreadable(name, &e))?;
        Ok(bytes)
    }
}

fn unreadable(what: &str, error: &std::io::Error) -> ReadErrorKind {
    ReadErrorKind::Unreadable { what: what.to_owned(), reason: error.to_string() }
}

fn text_of<'a>(attributes: &'a [(String, Attribute)], name: &str) -> Option<&'a str> {
    attributes.iter().find_map(|(key, value)| match value {
        Attribute::Text(text) if key == name => Some(text.as_str()),
        _ => None,
    })
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, what: &'static str, count: usize) -> Result<&'a [u8], ReadErrorKind> {
        let end = self.at.checked_add(count);
        let Some(taken) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            let found = self.bytes.len().saturating_sub(self.at);
            return Err(ReadErrorKind::Truncated { what, offset: self.at, expected: count, found });
        };
        self.at += count;
        Ok(taken)
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, ReadErrorKind> {
        Ok(self.take(what, 4)?.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, ReadErrorKind> {
        Ok(self.take(what, 8)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn wrong(&self, what: &'static str, expected: String, found: u32) -> ReadErrorKind {
        ReadErrorKind::Block { what, offset: self.at - 4, expected, found: found.to_string() }
    }

    fn list(&mut self, tag: u32) -> Result<usize, ReadErrorKind> {
        let found = self.u32("list of a header")?;
        if found != tag && found != 0 {
            return Err(self.wrong("list of a header", format!("tag {tag} or 0"), found));
        }
        let length = self.u32("length of a list")?;
        if length as usize > MAX_ENTRIES || (found == 0 && length != 0) {
            return Err(self.wrong("length of a list", format!("at most {MAX_ENTRIES}"), length));
        }
        Ok(length as usize)
    }

    fn text(&mut self) -> Result<String, ReadErrorKind> {
        let length = self.u32("length of a text")? as usize;
        let text = self.take("text", length.next_multiple_of(4))?;
        Ok(String::from_utf8_lossy(&text[..length]).into_owned())
    }

    fn kind(&mut self) -> Result<Kind, ReadErrorKind> {
        match self.u32("type")? {
            2 => Ok(Kind::Char),
            4 => Ok(Kind::Int),
            5 => Ok(Kind::Float),
            6 => Ok(Kind::Double),
            other => Err(self.wrong("type", "text, int, float or double (2, 4, 5, 6)".into(), other)),
        }
    }

    fn attributes(&mut self) -> Result<Vec<(String, Attribute)>, ReadErrorKind> {
        let mut attributes = Vec::new();
        for _ in 0..self.list(TAG_ATTRIBUTE)? {
            let name = self.text()?;
            let kind = self.kind()?;
            if kind == Kind::Char {
                attributes.push((name, Attribute::Text(self.text()?)));
                continue;
            }
            let count = self.u32("length of an attribute")? as usize;
            let bytes = self.take("attribute", count.saturating_mul(kind.bytes()))?;
            if kind == Kind::Double {
                attributes.push((name, Attribute::Doubles(doubles(bytes))));
            } else if kind == Kind::Float {
                attributes.push((name, Attribute::Floats(floats(bytes))));
            }
        }
        Ok(attributes)
    }

    fn variable(&mut self) -> Result<Variable, ReadErrorKind> {
        let name = self.text()?;
        let count = self.u32("number of dimensions")?;
        if count > 8 {
            return Err(self.wrong("number of dimensions", "at most 8".into(), count));
        }
        let mut dimensions = Vec::new();
        for _ in 0..count {
            dimensions.push(self.u32("dimension")? as usize);
        }
        let attributes = self.attributes()?;
        Ok(Variable { name, dimensions, attributes, kind: self.kind()? })
    }
}

/// Big-endian floats.
fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_be_bytes(*b)).collect()
}

/// Big-endian doubles.
fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<8>().0.iter().map(|b| f64::from_be_bytes(*b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR_GIB: u64 = 1 << 32;

    /// Three variables of fields of 64 MiB.
    fn header(fields: [usize; 3]) -> Header {
        let mut header = Header { dimensions: vec![("x".into(), 1 << 24)], ..Header::default() };
        for (name, count) in ["first", "second", "last"].into_iter().zip(fields) {
            header.variables.push(Variable {
                name: name.into(),
                dimensions: vec![header.dimensions.len(), 0],
                attributes: Vec::new(),
                kind: Kind::Float,
            });
            header.dimensions.push((format!("{name}_fields"), count));
        }
        header
    }

    #[test]
    fn the_last_variable_alone_may_exceed_four_gib_and_its_size_is_then_all_ones() {
        let (bytes, begins) = header([63, 1, 200]).layout().unwrap();
        let field = FOUR_GIB / 64;
        assert_eq!(begins.iter().map(|b| b - begins[0]).collect::<Vec<_>>(), [0, 63 * field, 64 * field]);
        assert_eq!(begins[0], bytes.len() as u64);
        // Size and place are the last that is said of a variable.
        let (size, place) = bytes.split_at(bytes.len() - 8);
        assert_eq!(size[size.len() - 4..], [0xff; 4]);
        assert_eq!(place, begins[2].to_be_bytes());

        let refused = header([63, 64, 1]).layout().unwrap_err();
        let WriteError::TooLarge { what, bytes, limit } = refused else { panic!("{refused}") };
        assert_eq!((what.as_str(), bytes, limit), ("second", FOUR_GIB, FOUR_GIB - 4));
    }
}
