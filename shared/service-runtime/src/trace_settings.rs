//! The `[trace]` section: where spans go.

use std::path::Path;

use raincell_http_client::reqwest::Url;
use raincell_http_client::reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use crate::ConfigError;
use crate::config::read_section;

const SECTION: &str = "trace";
/// The path of the OTLP specification for spans.
const PATH: &str = "v1/traces";

/// Where spans go, if they go anywhere.
#[derive(Clone, Debug, Default)]
pub struct TraceSettings {
    pub(crate) collector: Option<Collector>,
}

/// What takes spans.
#[derive(Clone, Debug)]
pub(crate) struct Collector {
    pub url: Url,
    pub headers: HeaderMap,
    /// Share of the traces that are sent, 0–1.
    pub share: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    endpoint: String,
    sample: f64,
}

impl TraceSettings {
    /// From the section `[trace]` of a config file, which all services share, or from what OpenTelemetry's SDKs read:
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`.
    ///
    /// # Errors
    /// As [`crate::config::load`].
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let section: Section = read_section(SECTION, include_str!("../config.default.toml"), file, "")?;
        Self::of(section, |name| std::env::var(name).unwrap_or_default())
            .map_err(|problems| ConfigError::Values { section: SECTION, problems })
    }

    /// Where spans are posted to and under which headers, if anywhere.
    pub fn collector(&self) -> Option<(&Url, &HeaderMap)> {
        self.collector.as_ref().map(|collector| (&collector.url, &collector.headers))
    }

    fn of(section: Section, environment: impl Fn(&str) -> String) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        if !(0.0..=1.0).contains(&section.sample) {
            problems.push(format!("sample is {}, expected a share from 0 to 1", section.sample));
        }
        let whole = environment("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let (endpoint, path) = match (section.endpoint, whole) {
            (base, _) if !base.is_empty() => (base, PATH),
            (_, whole) if !whole.is_empty() => (whole, ""),
            _ => (environment("OTEL_EXPORTER_OTLP_ENDPOINT"), PATH),
        };
        let headers = headers_of(&environment("OTEL_EXPORTER_OTLP_HEADERS"), &mut problems);
        let url = url_of(&endpoint, path).unwrap_or_else(|reason| {
            problems.push(format!("endpoint is {endpoint:?}: {reason}; expected something like http://127.0.0.1:4318"));
            None
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { collector: url.map(|url| Collector { url, headers, share: section.sample }) })
    }
}

/// `None` for an empty endpoint.
fn url_of(endpoint: &str, path: &str) -> Result<Option<Url>, String> {
    if endpoint.is_empty() {
        return Ok(None);
    }
    let mut url = Url::parse(endpoint).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("scheme {}", url.scheme()));
    }
    if !path.is_empty() && !url.path().ends_with(path) {
        let whole = format!("{}/{path}", url.path().trim_end_matches('/'));
        url.set_path(&whole);
    }
    Ok(Some(url))
}

/// `key=value` with commas between them; the values may hold a secret and are not repeated in errors.
fn headers_of(list: &str, problems: &mut Vec<String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for pair in list.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = HeaderName::try_from(key.trim()).ok();
        let decoded = percent_encoding::percent_decode_str(value.trim()).decode_utf8_lossy();
        match name.zip(HeaderValue::from_str(&decoded).ok()) {
            Some((name, mut value)) => {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            None => problems.push(format!("OTEL_EXPORTER_OTLP_HEADERS: {key:?} makes no header")),
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: &str, sample: f64, environment: &[(&str, &str)]) -> Result<TraceSettings, Vec<String>> {
        let variable = |name: &str| {
            let found = environment.iter().find(|(key, _)| *key == name);
            found.map_or(String::new(), |(_, value)| (*value).to_owned())
        };
        TraceSettings::of(Section { endpoint: endpoint.into(), sample }, variable)
    }

    fn url(endpoint: &str, environment: &[(&str, &str)]) -> Option<String> {
        settings(endpoint, 1.0, environment).unwrap().collector.map(|collector| collector.url.to_string())
    }

    #[test]
    fn no_spans_are_sent_unless_somebody_says_where() {
        assert!(TraceSettings::load(None).unwrap().collector.is_none());
        assert_eq!(url("", &[]), None);
    }

    #[test]
    fn the_config_goes_before_the_environment_of_opentelemetry() {
        let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/below/");
        let whole = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://c/spans");
        assert_eq!(url("http://b:4318", &[general, whole]).unwrap(), "http://b:4318/v1/traces");
        assert_eq!(url("", &[general, whole]).unwrap(), "https://c/spans");
        assert_eq!(url("", &[general]).unwrap(), "http://c:4318/below/v1/traces");
        assert_eq!(url("http://b/v1/traces", &[]).unwrap(), "http://b/v1/traces");
    }

    #[test]
    fn headers_are_taken_and_what_is_wrong_is_said_without_their_values() {
        let headers = |list| settings("http://b", 0.5, &[("OTEL_EXPORTER_OTLP_HEADERS", list)]);
        let collector = headers("authorization=Basic%20abc, x-tenant=a").unwrap().collector.unwrap();
        assert_eq!(collector.headers["authorization"], "Basic abc");
        assert_eq!(collector.headers["x-tenant"], "a");
        assert!((collector.share - 0.5).abs() < 1e-9);
        let problems = headers("bad header=secret").unwrap_err().join("; ");
        assert!(problems.contains("bad header") && !problems.contains("secret"), "{problems}");
        let problems = settings("ftp://x", 1.5, &[]).unwrap_err().join("; ");
        assert!(problems.contains("sample is 1.5") && problems.contains("ftp"), "{problems}");
    }
}
