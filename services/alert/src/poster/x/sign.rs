//! OAuth 1.0a (RFC 5849) for X: the `Authorization` header of a request, HMAC-SHA1 in the user's name.
//!
//! Parameters of the query are part of what is signed; JSON and multipart bodies are not.
//!
//! `oauth1-request` only signs. egg-mode's types could too (`egg_mode::raw`), but with hyper 0.14 and a TLS stack of its own
//! in the build (OpenSSL, or rustls 0.19 with known advisories; it does not compile without one), and with a nonce and a
//! time stamp that no published example can be checked against.

use std::num::NonZeroU64;

use oauth1_request::signature_method::HmacSha1;
use oauth1_request::{Builder, Credentials, ParameterList};

use crate::config::XConfig;

/// What makes a request this very request.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Never the same twice.
    pub nonce: &'a str,
    /// Unix seconds.
    pub timestamp: u64,
}

/// The header's value for a request to `url` (without its query) with these query parameters.
pub fn authorization(
    config: &XConfig,
    method: &str,
    url: &str,
    parameters: &[(&str, &str)],
    moment: Moment<'_>,
) -> String {
    let consumer = Credentials::new(config.consumer_key.reveal(), config.consumer_secret.reveal());
    let access = Credentials::new(config.access_token.reveal(), config.access_token_secret.reveal());
    let mut builder = Builder::new(consumer, HmacSha1::new());
    builder.token(access).nonce(moment.nonce).timestamp(NonZeroU64::new(moment.timestamp)).version(true);
    builder.authorize(method, url, &ParameterList::new(parameters.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn the_signature_is_the_one_that_x_publishes_for_its_example() {
        // docs.x.com, "Creating a signature": a form post of 2010.
        let config = XConfig {
            consumer_key: Secret::new("xvz1evFS4wEEPTGEFPHBog"),
            consumer_secret: Secret::new("kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw"),
            access_token: Secret::new("370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb"),
            access_token_secret: Secret::new("LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE"),
            ..XConfig::default()
        };
        let moment = Moment { nonce: "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg", timestamp: 1_318_622_958 };
        let text = "Hello Ladies + Gentlemen, a signed OAuth request!";
        let parameters = [("status", text), ("include_entities", "true")];
        let url = "https://api.x.com/1.1/statuses/update.json";
        let header = authorization(&config, "POST", url, &parameters, moment);
        assert!(header.contains("oauth_signature=\"Ls93hJiZbQ3akF3HF3x1Bz8%2FzU4%3D\""), "{header}");
    }
}
