//! Answers that carry data: entity tag, age, caching, and 304 for those who have them already.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use raincell_service_runtime::Problem;

/// Header with the age of the newest frame, seconds.
pub const DATA_AGE: HeaderName = HeaderName::from_static("raincell-data-age");
/// Header that says `true` on answers from stale data.
pub const STALE: HeaderName = HeaderName::from_static("raincell-stale");

/// How long an answer may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// For ever: its path names its content.
    Immutable,
    /// So many seconds: something newer may come.
    Seconds(u32),
}

/// An answer before its headers.
#[derive(Clone, Debug)]
pub struct Reply {
    body: Bytes,
    content_type: &'static str,
    tag: String,
    weak: bool,
    keep: Keep,
    valid_time: Option<Timestamp>,
    data_age_s: Option<i64>,
    stale: bool,
    by_accept: bool,
    language: Option<&'static str>,
}

impl Reply {
    /// Bytes of a media type, tagged with the hash of their content.
    pub fn bytes(content_type: &'static str, body: impl Into<Bytes>, keep: Keep) -> Self {
        let body = body.into();
        let tag = raincell_frame::content_hash(&body);
        Self {
            body,
            content_type,
            tag,
            weak: false,
            keep,
            valid_time: None,
            data_age_s: None,
            stale: false,
            by_accept: false,
            language: None,
        }
    }

    /// JSON.
    ///
    /// # Errors
    /// 500 when the value cannot be written.
    pub fn json(value: &impl Serialize, keep: Keep) -> Result<Self, Problem> {
        let body = serde_json::to_vec(value).map_err(|e| Problem::internal(&e))?;
        Ok(Self::bytes("application/json", body, keep))
    }

    /// The same bytes under another media type.
    #[must_use]
    pub fn of_type(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }

    /// Tags the answer with what it was made from, instead of its bytes: those tell ages that change by the second.
    #[must_use]
    pub fn made_from(mut self, content: &str) -> Self {
        self.tag = raincell_frame::content_hash(content.as_bytes());
        self.weak = true;
        self
    }

    /// A tag computed before.
    #[must_use]
    pub fn tagged(mut self, tag: &str) -> Self {
        tag.clone_into(&mut self.tag);
        self
    }

    /// When the data hold.
    #[must_use]
    pub fn valid_at(mut self, time: Option<Timestamp>) -> Self {
        self.valid_time = time;
        self
    }

    /// How old the newest frame is, and whether that is too old.
    #[must_use]
    pub fn aged(mut self, data_age_s: Option<i64>, stale: bool) -> Self {
        (self.data_age_s, self.stale) = (data_age_s, stale);
        self
    }

    /// The same path answers with other media types for another Accept.
    #[must_use]
    pub fn by_accept(mut self) -> Self {
        self.by_accept = true;
        self
    }

    /// The answer speaks this language, and may speak another for another Accept-Language.
    #[must_use]
    pub fn in_language(mut self, code: &'static str) -> Self {
        self.language = Some(code);
        self
    }

    /// The answer to a request with these headers: 304 where the client has it already.
    pub fn to(self, request: &HeaderMap) -> Response {
        let tag = if self.weak { format!("W/\"{}\"", self.tag) } else { format!("\"{}\"", self.tag) };
        let unchanged = self.is_known(request, &tag);
        let mut response = if unchanged {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = Body::from(self.body).into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
            response
        };
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        };
        set(header::ETAG, tag);
        set(
            header::CACHE_CONTROL,
            match self.keep {
                Keep::Immutable => "public, max-age=31536000, immutable".into(),
                Keep::Seconds(seconds) => format!("public, max-age={seconds}"),
            },
        );
        if let Some(time) = self.valid_time {
            set(header::LAST_MODIFIED, http_date(time));
        }
        if let Some(age) = self.data_age_s {
            set(DATA_AGE, age.to_string());
        }
        if self.stale {
            set(STALE, "true".into());
        }
        if self.by_accept {
            set(header::VARY, "accept".into());
        }
        if let Some(code) = self.language {
            set(header::CONTENT_LANGUAGE, code.into());
            set(header::VARY, "accept-language".into());
        }
        response
    }

    fn is_known(&self, request: &HeaderMap, tag: &str) -> bool {
        let text = |name: HeaderName| request.get(name).and_then(|value| value.to_str().ok());
        if let Some(known) = text(header::IF_NONE_MATCH) {
            let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
            return known.split(',').any(|one| one.trim() == "*" || bare(one) == bare(tag));
        }
        // Dates know only new data, not that old data have become stale meanwhile.
        let (Some(since), Some(time), false) = (text(header::IF_MODIFIED_SINCE), self.valid_time, self.stale) else {
            return false;
        };
        let since = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(since.replace("GMT", "+0000"));
        since.is_ok_and(|since| time.as_second() <= since.as_second())
    }
}

/// An HTTP date (RFC 9110, 5.6.7).
fn http_date(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(reply: &Reply, name: HeaderName, value: &str) -> StatusCode {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        reply.clone().to(&headers).status()
    }

    #[test]
    fn who_has_it_gets_304() {
        let time: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        let reply = Reply::bytes("text/plain", "rain", Keep::Seconds(10)).valid_at(Some(time)).aged(Some(5), false);
        let first = reply.clone().to(&HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[header::LAST_MODIFIED], "Mon, 01 Jun 2026 12:00:00 GMT");
        assert_eq!(first.headers()[DATA_AGE], "5");
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        for (name, value, expected) in [
            (header::IF_NONE_MATCH, tag.as_str(), 304),
            (header::IF_NONE_MATCH, "\"other\", *", 304),
            (header::IF_NONE_MATCH, "\"other\"", 200),
            (header::IF_MODIFIED_SINCE, "Mon, 01 Jun 2026 12:00:00 GMT", 304),
            (header::IF_MODIFIED_SINCE, "Mon, 01 Jun 2026 11:59:59 GMT", 200),
            (header::IF_MODIFIED_SINCE, "yesterday", 200),
        ] {
            assert_eq!(status(&reply, name, value).as_u16(), expected, "{value}");
        }
        let stale = reply.aged(Some(5000), true);
        assert_eq!(status(&stale, header::IF_MODIFIED_SINCE, "Mon, 01 Jun 2026 12:00:00 GMT").as_u16(), 200);
    }
}
