//! A receiver of signed deliveries (Standard Webhooks) that takes each id once.

use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Platform, Reply, Request, reply};

pub const SECRET: &str = "a secret of some length";

#[derive(Default)]
pub struct Webhook(Mutex<Vec<(String, Value)>>);

pub fn toml(url: &str) -> String {
    format!("[alert.webhook]\nenabled = true\nurl = '{url}/hook?key=abc'\nsecret = '{SECRET}'\n")
}

impl Webhook {
    /// What came, once for each id.
    pub fn deliveries(&self) -> Vec<(String, Value)> {
        self.0.lock().unwrap().clone()
    }
}

impl Platform for Webhook {
    fn step(&self, _request: &Request) -> &'static str {
        "post"
    }

    fn answer(&self, _step: &'static str, request: &Request) -> Reply {
        let (id, timestamp) = (request.header("webhook-id"), request.header("webhook-timestamp"));
        if Timestamp::now().as_second().abs_diff(timestamp.parse().unwrap()) > 300 {
            return reply(400, "outside of the window");
        }
        let mut signed = format!("{id}.{timestamp}.").into_bytes();
        signed.extend_from_slice(&request.body);
        let expected = format!("v1,{}", STANDARD.encode(hmac_sha256(SECRET.as_bytes(), &signed)));
        if request.header("webhook-signature") != expected {
            return reply(401, "wrong signature");
        }
        let mut seen = self.0.lock().unwrap();
        if !seen.iter().any(|(known, _)| known == id) {
            seen.push((id.to_owned(), request.json()));
        }
        reply(204, "")
    }

    fn texts(&self) -> Vec<String> {
        self.deliveries().iter().map(|(_, body)| body["text"].as_str().unwrap().to_owned()).collect()
    }
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.map(|b| b ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}
