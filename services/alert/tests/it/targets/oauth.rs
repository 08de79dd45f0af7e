//! OAuth 1.0a (RFC 5849) as a server checks it, with an HMAC (RFC 2104) of its own.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::Request;

/// Keys of an app and an account.
pub struct Keys {
    pub consumer_key: &'static str,
    pub consumer_secret: &'static str,
    pub token: &'static str,
    pub token_secret: &'static str,
}

/// Checks the header of a request to `url` (without its query); gives its nonce, or what is wrong with it.
pub fn check(keys: &Keys, url: &str, request: &Request, now_s: u64) -> Result<String, String> {
    let header = request.header("authorization").strip_prefix("OAuth ").ok_or("no OAuth header")?;
    let mut oauth = BTreeMap::new();
    for pair in header.split(',') {
        let (name, value) = pair.trim().split_once('=').ok_or_else(|| format!("no pair: {pair}"))?;
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).ok_or("a value without quotes")?;
        let value = percent_encoding::percent_decode_str(value).decode_utf8().map_err(|e| e.to_string())?;
        oauth.insert(name.to_owned(), value.into_owned());
    }
    let signature = oauth.remove("oauth_signature").ok_or("no signature")?;
    let of = |name: &str| oauth.get(name).map(String::as_str).unwrap_or_default();
    if of("oauth_consumer_key") != keys.consumer_key || of("oauth_token") != keys.token {
        return Err("unknown keys".into());
    }
    if of("oauth_signature_method") != "HMAC-SHA1" || of("oauth_version") != "1.0" {
        return Err("another method or version".into());
    }
    let timestamp: u64 = of("oauth_timestamp").parse().map_err(|_| "no time stamp")?;
    if timestamp.abs_diff(now_s) > 300 {
        return Err(format!("time stamp {timestamp} at {now_s}"));
    }
    let parameters = request.parameters();
    let expected = sign(keys, request.method.as_str(), url, parameters.iter().chain(&pairs(&oauth)));
    let nonce = of("oauth_nonce").to_owned();
    if signature == expected { Ok(nonce) } else { Err(format!("signature {signature}, expected {expected}")) }
}

fn pairs(map: &BTreeMap<String, String>) -> Vec<(String, String)> {
    map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The signature of RFC 5849, 3.4.
pub fn sign<'a>(
    keys: &Keys,
    method: &str,
    url: &str,
    parameters: impl Iterator<Item = &'a (String, String)>,
) -> String {
    let mut encoded: Vec<_> = parameters.map(|(name, value)| (encode(name), encode(value))).collect();
    encoded.sort();
    let joined = encoded.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let base = format!("{method}&{}&{}", encode(url), encode(&joined));
    let key = format!("{}&{}", encode(keys.consumer_secret), encode(keys.token_secret));
    STANDARD.encode(hmac_sha1(key.as_bytes(), base.as_bytes()))
}

fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn hmac_sha1(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    if key.len() > 64 {
        block[..20].copy_from_slice(&Sha1::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|b| b ^ with);
    let inner = Sha1::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha1::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

#[test]
fn the_check_knows_the_published_example() {
    let keys = Keys {
        consumer_key: "xvz1evFS4wEEPTGEFPHBog",
        consumer_secret: "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
        token: "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
        token_secret: "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
    };
    let parameters = [
        ("status", "Hello Ladies + Gentlemen, a signed OAuth request!"),
        ("include_entities", "true"),
        ("oauth_consumer_key", keys.consumer_key),
        ("oauth_nonce", "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "1318622958"),
        ("oauth_token", keys.token),
        ("oauth_version", "1.0"),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let signature = sign(&keys, "POST", "https://api.x.com/1.1/statuses/update.json", parameters.iter());
    assert_eq!(signature, "Ls93hJiZbQ3akF3HF3x1Bz8/zU4=");
}
