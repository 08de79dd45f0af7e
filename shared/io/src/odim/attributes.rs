//! Groups and attributes of an ODIM_H5 file, read without ever taking "cannot be decoded" for "is not there".

use std::collections::HashMap;

use hdf5_pure::{AttrValue, Dataset, Datatype, File, Group};
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;

use crate::ReadErrorKind;

/// What went wrong in the HDF5 container, at which object.
pub(crate) fn hdf5_error(object: &str, error: &hdf5_pure::Error) -> ReadErrorKind {
    ReadErrorKind::Hdf5 { object: object.to_owned(), reason: error.to_string() }
}

/// One group of the file and its path.
pub(crate) struct Node {
    group: Group,
    /// Path from the root, without a leading slash; empty for the root.
    pub path: String,
    members: Vec<String>,
}

impl Node {
    /// The root of a file.
    pub(crate) fn root(file: &File) -> Result<Self, ReadErrorKind> {
        Self::new(file.root(), String::new())
    }

    fn new(group: Group, path: String) -> Result<Self, ReadErrorKind> {
        let members = group.groups().map_err(|e| hdf5_error(&format!("/{path}"), &e))?;
        Ok(Self { group, path, members })
    }

    /// Path of something in this group.
    pub(crate) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) }
    }

    /// A group in this group; `None` where there is none.
    pub(crate) fn child(&self, name: &str) -> Result<Option<Self>, ReadErrorKind> {
        if !self.members.iter().any(|m| m == name) {
            return Ok(None);
        }
        let path = self.path_of(name);
        let group = self.group.group(name).map_err(|e| hdf5_error(&path, &e))?;
        Self::new(group, path).map(Some)
    }

    /// Numbers of the groups `prefix1`, `prefix2`, … in ascending order.
    pub(crate) fn numbered(&self, prefix: &str) -> Vec<usize> {
        let number = |name: &String| name.strip_prefix(prefix).and_then(|rest| rest.parse().ok());
        let mut numbers: Vec<usize> = self.members.iter().filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The dataset `data` in this group.
    pub(crate) fn data(&self) -> Result<Dataset, ReadErrorKind> {
        self.group.dataset("data").map_err(|e| hdf5_error(&self.path_of("data"), &e))
    }

    /// The attributes of a group in this group (`what`, `where`, `how`); none where the group is not there.
    pub(crate) fn attributes(&self, name: &str) -> Result<Attributes, ReadErrorKind> {
        let path = self.path_of(name);
        if !self.members.iter().any(|m| m == name) {
            return Ok(Attributes { path, ..Attributes::default() });
        }
        let group = self.group.group(name).map_err(|e| hdf5_error(&path, &e))?;
        Attributes::of(&group, path)
    }

    /// The attributes of this group itself.
    pub(crate) fn own_attributes(&self) -> Result<Attributes, ReadErrorKind> {
        Attributes::of(&self.group, self.path.clone())
    }
}

/// The kind of a datatype, in words.
fn describe(datatype: &Datatype) -> String {
    match datatype {
        Datatype::VariableLength { is_string: true, .. } => "a variable-length string".into(),
        Datatype::VariableLength { .. } => "a variable-length sequence".into(),
        Datatype::Compound { .. } => "a compound".into(),
        Datatype::Reference { .. } => "a reference".into(),
        other => format!("{other:?}").chars().take(60).collect(),
    }
}

/// The attributes of one group.
#[derive(Default)]
pub(crate) struct Attributes {
    path: String,
    values: HashMap<String, AttrValue>,
    /// Those that the reader leaves out because it cannot decode them, with their datatype.
    undecodable: HashMap<String, String>,
}

impl Attributes {
    fn of(group: &Group, path: String) -> Result<Self, ReadErrorKind> {
        let values = group.attrs().map_err(|e| hdf5_error(&path, &e))?;
        let datatypes = group.attr_datatypes().map_err(|e| hdf5_error(&path, &e))?;
        let undecodable = datatypes
            .into_iter()
            .filter(|(name, _)| !values.contains_key(name))
            .map(|(name, datatype)| (name, describe(&datatype)))
            .collect();
        Ok(Self { path, values, undecodable })
    }

    /// Full path of an attribute, for messages.
    pub(crate) fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    fn get(&self, name: &str) -> Result<Option<&AttrValue>, ReadErrorKind> {
        if let Some(found) = self.undecodable.get(name) {
            return Err(ReadErrorKind::UndecodableAttribute { field: self.path_of(name), found: found.clone() });
        }
        Ok(self.values.get(name))
    }

    fn wrong(&self, name: &str, expected: &str, found: &AttrValue) -> ReadErrorKind {
        let found = match found.as_str() {
            Some(text) => format!("`{}`", text.chars().take(40).collect::<String>()),
            None => found.type_name().to_owned(),
        };
        ReadErrorKind::Field { field: self.path_of(name), expected: expected.to_owned(), found }
    }

    /// A string, without padding.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ReadErrorKind> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| self.wrong(name, "a string", value))?;
        Ok(Some(text.trim_matches(|c: char| c == '\0' || c.is_whitespace())))
    }

    /// A finite number, integer or float, or one written as a string.
    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, ReadErrorKind> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        let number = value
            .as_f64()
            .or_else(|| value.as_i64().map(|i| i as f64))
            .or_else(|| value.as_u64().map(|i| i as f64))
            .or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
        match number {
            Some(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(self.wrong(name, "a finite number", value)),
        }
    }

    /// All numbers of an array attribute.
    pub(crate) fn numbers(&self, name: &str) -> Result<Option<Vec<f64>>, ReadErrorKind> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        let numbers = value.to_f64s().or_else(|| value.to_i64s().map(|v| v.into_iter().map(|i| i as f64).collect()));
        numbers.map(Some).ok_or_else(|| self.wrong(name, "an array of numbers", value))
    }

    /// A number that must be there.
    pub(crate) fn require_number(&self, name: &str, expected: &'static str) -> Result<f64, ReadErrorKind> {
        self.number(name)?.ok_or_else(|| ReadErrorKind::Missing { field: self.path_of(name), expected })
    }

    /// A string that must be there.
    pub(crate) fn require_text(&self, name: &str, expected: &'static str) -> Result<&str, ReadErrorKind> {
        self.text(name)?.ok_or_else(|| ReadErrorKind::Missing { field: self.path_of(name), expected })
    }

    /// The instant of a date (YYYYMMDD) and a time (HHMMSS) attribute; `None` where either is not there.
    pub(crate) fn instant(&self, date: &str, time: &str) -> Result<Option<Timestamp>, ReadErrorKind> {
        let (Some(day), Some(clock)) = (self.text(date)?, self.text(time)?) else { return Ok(None) };
        let wrong = |name: &str, expected: &str, found: &str| ReadErrorKind::Field {
            field: self.path_of(name),
            expected: expected.to_owned(),
            found: format!("`{}`", found.chars().take(40).collect::<String>()),
        };
        let day = civil_date(day).ok_or_else(|| wrong(date, "a date YYYYMMDD", day))?;
        let clock = civil_time(clock).ok_or_else(|| wrong(time, "a time HHMMSS", clock))?;
        Offset::UTC.to_timestamp(day.to_datetime(clock)).map(Some).map_err(|e| wrong(date, "a date", &e.to_string()))
    }
}

fn digits(text: &str, from: usize, to: usize) -> Option<i16> {
    text.get(from..to).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

fn civil_date(text: &str) -> Option<Date> {
    let (year, month, day) = (digits(text, 0, 4)?, digits(text, 4, 6)?, digits(text, 6, 8)?);
    // No weather radar is older than this, and no date of this century beyond 2100 is one of its scans.
    (1980..=2100).contains(&year).then(|| Date::new(year, month as i8, day as i8).ok())?
}

fn civil_time(text: &str) -> Option<Time> {
    let second = if text.len() == 4 { 0 } else { digits(text, 4, 6)? };
    Time::new(digits(text, 0, 2)? as i8, digits(text, 2, 4)? as i8, second as i8, 0).ok()
}
