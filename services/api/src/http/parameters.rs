//! Query parameters, with problems that name the parameter and what it accepts.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use raincell_service_runtime::Problem;

/// Latitudes on the earth.
pub const LATITUDES: RangeInclusive<f64> = -90.0..=90.0;
/// Longitudes on the earth.
pub const LONGITUDES: RangeInclusive<f64> = -180.0..=180.0;

/// The query of a request; of a parameter given twice the last one counts.
#[derive(Clone, Debug, Default)]
pub struct Parameters(BTreeMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // A query that is not UTF-8 once decoded names no parameter that exists.
        Ok(Self(Query::try_from_uri(&parts.uri).map_or_else(|_| BTreeMap::new(), |Query(map)| map)))
    }
}

impl Parameters {
    /// A parameter as it was given; an empty one counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Gives a parameter a value, as if it had come with the query.
    pub fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    /// `lat` and `lon`, both needed.
    ///
    /// # Errors
    /// 400 naming the one that is missing or out of range.
    pub fn place(&self) -> Result<(f64, f64), Problem> {
        Ok((self.needed("lat", LATITUDES)?, self.needed("lon", LONGITUDES)?))
    }

    /// A number in a range; `default` when absent.
    ///
    /// # Errors
    /// 400 naming it.
    pub fn number<T>(&self, name: &str, accepted: RangeInclusive<T>, default: T) -> Result<T, Problem>
    where
        T: FromStr + PartialOrd + Display,
    {
        self.text(name).map_or(Ok(default), |text| number(name, text, &accepted))
    }

    /// An instant.
    ///
    /// # Errors
    /// 400 naming it.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let parse = |text: &str| {
            let unix = text.parse::<i64>().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
            unix.or_else(|| text.parse().ok()).ok_or_else(|| {
                let detail = format!("{name} is `{text}`");
                Problem::bad_parameter(name, detail, "an RFC 3339 time such as 2026-06-01T12:00:00Z, or Unix seconds")
            })
        };
        self.text(name).map(parse).transpose()
    }

    /// `tz`, the zone in which a sentence speaks.
    ///
    /// # Errors
    /// 400 naming it.
    pub fn zone(&self) -> Result<Option<TimeZone>, Problem> {
        let find = |name: &str| {
            TimeZone::get(name).map_err(|_| {
                Problem::bad_parameter("tz", format!("tz is `{name}`"), "an IANA time zone such as Europe/Amsterdam")
            })
        };
        self.text("tz").map(find).transpose()
    }

    fn needed(&self, name: &str, accepted: RangeInclusive<f64>) -> Result<f64, Problem> {
        match self.text(name) {
            Some(text) => number(name, text, &accepted),
            None => Err(Problem::bad_parameter(name, format!("{name} is missing"), in_words(&accepted))),
        }
    }
}

/// Reads a number and checks its range.
///
/// # Errors
/// 400 naming the parameter.
pub fn number<T>(name: &str, text: &str, accepted: &RangeInclusive<T>) -> Result<T, Problem>
where
    T: FromStr + PartialOrd + Display,
{
    let value = text.parse::<T>().ok().filter(|value| accepted.contains(value));
    value.ok_or_else(|| Problem::bad_parameter(name, format!("{name} is `{text}`"), in_words(accepted)))
}

/// A place whose numbers came in a body.
///
/// # Errors
/// 400 naming the one that is out of range, and which point it belongs to.
pub fn check_place(index: usize, lat: f64, lon: f64) -> Result<(), Problem> {
    for (name, value, accepted) in [("lat", lat, LATITUDES), ("lon", lon, LONGITUDES)] {
        if !accepted.contains(&value) {
            let parameter = format!("points[{index}].{name}");
            let detail = format!("{parameter} is {value}");
            return Err(Problem::bad_parameter(&parameter, detail, in_words(&accepted)));
        }
    }
    Ok(())
}

/// 404 for a path whose feature is switched off or does not exist.
pub fn unknown_path() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path; /docs lists what there is")
}

/// A text as part of a path or a query (RFC 3986).
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn in_words<T: Display>(range: &RangeInclusive<T>) -> String {
    format!("{} to {}", range.start(), range.end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        Parameters(pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    #[test]
    fn a_place_needs_two_numbers_on_the_earth() {
        assert_eq!(parameters(&[("lat", "52.1"), ("lon", "5")]).place().unwrap(), (52.1, 5.0));
        for bad in [
            parameters(&[("lat", "52.1")]),
            parameters(&[("lat", "90.1"), ("lon", "5")]),
            parameters(&[("lat", "NaN"), ("lon", "5")]),
            parameters(&[("lat", "x"), ("lon", "5")]),
        ] {
            assert_eq!(bad.place().unwrap_err().into_response().status(), StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn times_come_as_rfc_3339_or_as_unix_seconds() {
        let both = parameters(&[("a", "2026-06-01T12:00:00Z"), ("b", "1780315200"), ("c", "noon")]);
        assert_eq!(both.time("a").unwrap(), both.time("b").unwrap());
        assert!(both.time("c").is_err());
        assert_eq!(both.time("d").unwrap(), None);
    }
}
