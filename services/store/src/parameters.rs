//! Query parameters and path segments, refused by name where they cannot be used.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use raincell_service_runtime::Problem;

const TIME_SHAPES: &str = "a time as 2021-07-29T12:00:00Z, 20210729T120000Z or 202107291200 (UTC)";

/// The query of a request. A name that comes twice counts once, with its last value.
#[derive(Debug)]
pub(crate) struct Parameters(BTreeMap<String, String>);

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        // What is no query has no parameters.
        Ok(Self(Query::try_from_uri(&parts.uri).map(|Query(map)| map).unwrap_or_default()))
    }
}

impl Parameters {
    /// Its text; an empty value counts as not given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Problem> {
        self.text(name).ok_or_else(|| Problem::bad_parameter(name, format!("{name} is missing"), "a value"))
    }

    /// A number within a range.
    pub(crate) fn number<T>(&self, name: &str, range: &RangeInclusive<T>) -> Result<Option<T>, Problem>
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse() {
            Ok(value) if range.contains(&value) => Ok(Some(value)),
            _ => {
                let accepted = format!("{} to {}", range.start(), range.end());
                Err(Problem::bad_parameter(name, format!("{name} is {text:?}"), accepted))
            }
        }
    }

    pub(crate) fn required_number<T>(&self, name: &str, range: &RangeInclusive<T>) -> Result<T, Problem>
    where
        T: FromStr + PartialOrd + Display,
    {
        let accepted = || format!("{} to {}", range.start(), range.end());
        self.number(name, range)?.ok_or_else(|| Problem::bad_parameter(name, format!("{name} is missing"), accepted()))
    }

    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        self.text(name).map(|text| time_in(name, text)).transpose()
    }
}

/// A time in a path segment or parameter.
pub(crate) fn time_in(name: &str, text: &str) -> Result<Timestamp, Problem> {
    parse_time(text).ok_or_else(|| Problem::bad_parameter(name, format!("{name} is {text:?}"), TIME_SHAPES))
}

fn parse_time(text: &str) -> Option<Timestamp> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    let shape = match text.len() {
        12 => "%Y%m%d%H%M",
        14 => "%Y%m%d%H%M%S",
        _ => return None,
    };
    Some(DateTime::strptime(shape, text).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_time_in_each_of_its_shapes() {
        let expected: Timestamp = "2021-07-29T12:05:00Z".parse().unwrap();
        for text in
            ["2021-07-29T12:05:00Z", "2021-07-29T14:05:00+02:00", "20210729T120500Z", "202107291205", "20210729120500"]
        {
            assert_eq!(parse_time(text), Some(expected), "{text}");
        }
        for text in ["", "1627560300", "2021-07-29", "2021-07-29T12:05:00", "202113291205", "now"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_out_of_its_range_is_refused() {
        let of = |value: &str| Parameters(BTreeMap::from([("n".to_owned(), value.to_owned())]));
        assert_eq!(of("5").number("n", &(1..=9)).unwrap(), Some(5));
        assert_eq!(of("").number::<u32>("n", &(1..=9)).unwrap(), None);
        for bad in ["0", "10", "x", "5.5", "-1"] {
            assert!(of(bad).number::<u32>("n", &(1..=9)).is_err(), "{bad}");
        }
        assert!(of("NaN").number("n", &(-90.0..=90.0)).is_err());
    }
}
