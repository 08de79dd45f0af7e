//! Where a service is: one base URL, or several of equal replicas.

use reqwest::Url;
use thiserror::Error;

/// An address that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("address {address:?}: {reason}; expected something like http://127.0.0.1:8081, several with a comma between")]
pub struct AddressError {
    /// As given.
    pub address: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Base URLs with commas between them, the preferred one first.
///
/// # Errors
/// [`AddressError`] for the first that is no HTTP URL, and for an empty list.
pub fn parse_addresses(list: &str) -> Result<Vec<Url>, AddressError> {
    let wrong = |reason: String| AddressError { address: list.to_owned(), reason };
    let mut addresses = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let url = Url::parse(part).map_err(|e| wrong(e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong(format!("scheme {}", url.scheme())));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("a base address has neither query nor fragment".into()));
        }
        addresses.push(url);
    }
    if addresses.is_empty() {
        return Err(wrong("it is empty".into()));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_have_commas_between_them() {
        let found = parse_addresses("http://a:1, https://b/base ,").unwrap();
        assert_eq!(found.iter().map(Url::as_str).collect::<Vec<_>>(), ["http://a:1/", "https://b/base"]);
    }

    #[test]
    fn what_is_no_address_is_said() {
        for (list, reason) in [
            ("", "empty"),
            ("x", "relative"),
            ("ftp://a", "ftp"),
            ("http://a,mailto:b", "mailto"),
            ("http://a?b", "query"),
        ] {
            assert!(parse_addresses(list).unwrap_err().reason.contains(reason), "{list}");
        }
    }
}
