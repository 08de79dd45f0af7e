//! The way out of a service: HTTP clients that speak TLS and have their time-outs.

use std::sync::Once;
use std::time::Duration;

pub use reqwest;

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
