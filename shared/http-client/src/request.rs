//! A request as it is sent with each try, and its answer.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};

/// What is sent, to whichever address: a method, a path below the base address, headers and a body.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    path: String,
    query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) largest_answer: usize,
}

impl Request {
    /// To the path of these segments below the base address. `operation` says in a few words what it does: it stands
    /// in errors and labels metrics.
    pub fn new(operation: &'static str, method: Method, segments: &[&str]) -> Self {
        let mut path = String::new();
        // Any base will do: it is the one way to escape segments just as the addresses are.
        if let Ok(mut url) = Url::parse("http://base") {
            if let Ok(mut parts) = url.path_segments_mut() {
                parts.pop_if_empty().extend(segments);
            }
            url.path().clone_into(&mut path);
        }
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Self { operation, method, path, query: String::new(), headers, body, largest_answer: usize::MAX }
    }

    /// For path and query of a URL, whatever its host.
    pub fn to_path_of(operation: &'static str, method: Method, url: &Url) -> Self {
        let (path, query) = (url.path().to_owned(), url.query().unwrap_or_default().to_owned());
        Self { path, query, ..Self::new(operation, method, &[]) }
    }

    /// With one more query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: &(impl ToString + ?Sized)) -> Self {
        if let Ok(mut url) = Url::parse("http://base") {
            url.query_pairs_mut().append_pair(name, &value.to_string());
            if !self.query.is_empty() {
                self.query.push('&');
            }
            self.query.push_str(url.query().unwrap_or_default());
        }
        self
    }

    /// With one more query parameter, if there is a value.
    #[must_use]
    pub fn query_if(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(name, &value),
            None => self,
        }
    }

    /// With a header; a value that no header can hold (a line break in it) is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, media_type: &'static str, body: Bytes) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        self.body = body;
        self
    }

    /// The answer's body must not have more bytes than this.
    #[must_use]
    pub fn largest_answer(mut self, bytes: usize) -> Self {
        self.largest_answer = bytes;
        self
    }

    /// What it does.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Where it goes at an address.
    pub(crate) fn url_at(&self, base: &Url) -> Url {
        let mut url = base.clone();
        url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), self.path));
        url.set_query((!self.query.is_empty()).then_some(&self.query));
        url
    }

    /// True when it only reads, so that asking two at once costs nothing but work.
    pub(crate) fn reads(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

/// An answer that another try would not change: neither 5xx nor 429.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked.
    pub operation: &'static str,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The try that was answered, from 1. Above 1, an earlier one may have had its effect.
    pub attempt: u32,
}

impl Answer {
    /// The `ETag` without its quotes.
    pub fn etag(&self) -> Option<String> {
        let value = self.headers.get(ETAG)?.to_str().ok()?;
        Some(value.trim_start_matches("W/").trim_matches('"').to_owned())
    }

    /// How long the server asks to be left alone, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn paths_are_escaped_and_go_below_the_base() {
        let request = Request::new("x", Method::GET, &["v1", "a/b c", "2026-01-01T00:00:00Z"])
            .query("lat", &52.5)
            .query_if("source", Some("a&b"))
            .query_if("to", None::<u32>);
        let at = |base: &str| request.url_at(&Url::parse(base).unwrap()).to_string();
        let path = "/v1/a%2Fb%20c/2026-01-01T00:00:00Z?lat=52.5&source=a%26b";
        assert_eq!(at("http://h:1"), format!("http://h:1{path}"));
        assert_eq!(at("https://h/below/"), format!("https://h/below{path}"));
    }

    #[test]
    fn a_url_keeps_its_own_escapes() {
        let url = Url::parse("http://h/a%20b/%C3%A9+?q=1%2B1").unwrap();
        assert_eq!(Request::to_path_of("x", Method::GET, &url).url_at(&Url::parse("http://h").unwrap()), url);
    }
}
