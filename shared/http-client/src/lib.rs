//! The way out of a service: HTTP clients that speak TLS and have their time-outs.
//!
//! - [`builder`] makes a plain client, for what streams or signs its own requests.
//! - [`Client`] is the resilient one: a deadline for the whole call, tries with growing, jittered pauses within it, one
//!   circuit breaker an address, several addresses of one service (it fails over, and hedges slow reads), a limit on
//!   what is read, and metrics for each of these (`raincell_http_client_…`).
//!
//! What it will not do: know what a service answers, or decide whether a request may be sent twice. Whoever sends one
//! through [`Client::send`] says with that that a second time does no harm; [`Answer::attempt`] tells whether there
//! was one.

use std::sync::Once;
use std::time::Duration;

pub use reqwest;

mod address;
mod breaker;
mod client;
mod error;
mod hedge;
mod metering;
mod policy;
mod request;
pub mod time;

pub use address::{AddressError, parse_addresses};
pub use breaker::{BreakerSettings, Circuit};
pub use client::{AddressCircuit, Client};
pub use error::{CallError, chain};
pub use policy::{Pauses, RetryPolicy};
pub use request::{Answer, Request};

/// How long a connection may take to be made.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A client with a limit on connecting and TLS by rustls on ring, which trusts what the machine trusts. Every client
/// of Raincell is built from this one, as reqwest alone would find no TLS provider.
pub fn builder() -> reqwest::ClientBuilder {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error means that one is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .user_agent(concat!("raincell/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn a_client_is_built_more_than_once() {
        super::builder().build().unwrap();
        super::builder().no_proxy().build().unwrap();
    }
}
