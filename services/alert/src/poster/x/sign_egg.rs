//! OAuth 1.0a for X by egg-mode's types (feature `egg-mode`): only the signed header is taken from its request, which
//! then goes out through Raincell's own client.

use egg_mode::raw::ParamList;
use egg_mode::raw::auth::RequestBuilder;
use egg_mode::{KeyPair, Token};

use crate::config::XConfig;

/// What makes a request this very request; egg-mode takes a nonce and a time stamp of its own instead.
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
    _moment: Moment<'_>,
) -> String {
    let consumer = KeyPair::new(config.consumer_key.reveal().to_owned(), config.consumer_secret.reveal().to_owned());
    let access = KeyPair::new(config.access_token.reveal().to_owned(), config.access_token_secret.reveal().to_owned());
    let parameters = parameters
        .iter()
        .fold(ParamList::new(), |list, (name, value)| list.add_param((*name).to_owned(), (*value).to_owned()));
    // A method that is none gives no header, which X does not accept.
    let Ok(method) = method.parse() else { return String::new() };
    let request = RequestBuilder::new(method, url)
        .with_query_params(&parameters)
        .request_token(&Token::Access { consumer, access });
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    header.unwrap_or_default().to_owned()
}
