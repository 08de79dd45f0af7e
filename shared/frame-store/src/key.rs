//! Keys of what is stored, and queries for it.

use std::fmt::{Display, Formatter};

use jiff::Timestamp;

use crate::KeyError;

/// How many characters a name may have.
const LONGEST_NAME: usize = 64;

/// Which frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameKey {
    source: String,
    product: String,
    valid_time: Timestamp,
}

impl FrameKey {
    /// Checks that the names can stand in a path.
    ///
    /// # Errors
    /// [`KeyError::Name`] for a name that cannot.
    pub fn new(source: &str, product: &str, valid_time: Timestamp) -> Result<Self, KeyError> {
        Ok(Self { source: valid_name("source", source)?, product: valid_name("product", product)?, valid_time })
    }

    /// Where it came from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it shows.
    pub fn product(&self) -> &str {
        &self.product
    }

    /// When it holds.
    pub fn valid_time(&self) -> Timestamp {
        self.valid_time
    }
}

impl Display for FrameKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "frame {}/{} of {}", self.source, self.product, self.valid_time)
    }
}

/// Which nowcast run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NowcastKey {
    source: String,
    issue_time: Timestamp,
}

impl NowcastKey {
    /// Checks that the name can stand in a path.
    ///
    /// # Errors
    /// [`KeyError::Name`] if it cannot.
    pub fn new(source: &str, issue_time: Timestamp) -> Result<Self, KeyError> {
        Ok(Self { source: valid_name("source", source)?, issue_time })
    }

    /// Source of the frames that it was made from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Valid time of the newest of them.
    pub fn issue_time(&self) -> Timestamp {
        self.issue_time
    }
}

impl Display for NowcastKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "nowcast {} of {}", self.source, self.issue_time)
    }
}

/// A name that can stand in a path; `field` says what it names.
///
/// # Errors
/// [`KeyError::Name`] for a name that cannot.
pub fn valid_name(field: &'static str, given: &str) -> Result<String, KeyError> {
    let fits = (1..=LONGEST_NAME).contains(&given.len())
        && !given.starts_with('.')
        && given.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if fits { Ok(given.to_owned()) } else { Err(KeyError::Name { field, found: given.to_owned(), most: LONGEST_NAME }) }
}

/// Which frames to list; what is `None` does not restrict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameQuery {
    /// Only this source.
    pub source: Option<String>,
    /// Only this product.
    pub product: Option<String>,
    /// Not before this valid time.
    pub from: Option<Timestamp>,
    /// Not after this valid time.
    pub to: Option<Timestamp>,
    /// At most so many in one page.
    pub limit: usize,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Default for FrameQuery {
    fn default() -> Self {
        Self { source: None, product: None, from: None, to: None, limit: 1000, cursor: None }
    }
}

/// The place in a listing after which a page begins: valid time in microseconds since 1970, source, product. It names
/// a frame, not a count, so that frames stored between two pages shift nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) time_us: i64,
    pub(crate) source: String,
    pub(crate) product: String,
}

impl Cursor {
    /// `~` is in no name and needs no escaping in a query.
    pub(crate) fn parse(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.split('~');
        match (parts.next().and_then(|t| t.parse().ok()), parts.next(), parts.next(), parts.next()) {
            (Some(time_us), Some(source), Some(product), None) => {
                Ok(Self { time_us, source: source.into(), product: product.into() })
            }
            _ => Err(KeyError::Cursor { found: text.to_owned() }),
        }
    }
}

impl Display for Cursor {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}~{}~{}", self.time_us, self.source, self.product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_stand_in_a_path_are_refused() {
        for bad in ["", ".", "../x", "a/b", "a b", "é", &"x".repeat(65)] {
            assert!(NowcastKey::new(bad, Timestamp::UNIX_EPOCH).is_err(), "{bad}");
        }
        for good in ["KLOT", "knmi-rtcor", "probability-0.1", "a_b"] {
            assert!(FrameKey::new(good, good, Timestamp::UNIX_EPOCH).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_cursor_reads_back_and_anything_else_is_refused() {
        let cursor = Cursor { time_us: -5, source: "a-b".into(), product: "p.1".into() };
        assert_eq!(Cursor::parse(&cursor.to_string()), Ok(cursor));
        for bad in ["", "~", "1~a", "x~a~b", "1~a~b~c"] {
            assert!(Cursor::parse(bad).is_err(), "{bad}");
        }
    }
}
