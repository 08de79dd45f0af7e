//! A limit of requests for each client.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use raincell_service_runtime::Problem;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// How often clients that have not asked for a while are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// The limit that all requests of a service share.
#[derive(Clone)]
pub struct ClientLimit {
    limiter: Arc<DefaultKeyedRateLimiter<IpAddr>>,
    trust_forwarded_for: bool,
}

impl ClientLimit {
    /// As configured; `None` where it is switched off.
    pub fn new(config: &Config) -> Option<Self> {
        let limit = &config.rate_limit;
        let quota = Quota::per_minute(limit.requests_per_minute).allow_burst(limit.burst);
        limit.enabled.then(|| Self {
            limiter: Arc::new(RateLimiter::keyed(quota)),
            trust_forwarded_for: config.trust_forwarded_for,
        })
    }

    /// Forgets idle clients from time to time, until `shutdown`.
    pub async fn forget_idle(self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(FORGET_EVERY)).await.is_some() {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
    }

    fn client(&self, request: &Request) -> IpAddr {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip());
        let forwarded = self.trust_forwarded_for.then(|| forwarded_for(request.headers())).flatten();
        network_of(forwarded.unwrap_or(peer))
    }
}

/// Lets a request through while its client is within the limit; others get 429 and when to come back.
pub async fn limit_clients(State(limit): State<ClientLimit>, request: Request, next: Next) -> Response {
    let Err(denied) = limit.limiter.check_key(&limit.client(&request)) else { return next.run(request).await };
    metrics::counter!("raincell_api_requests_limited_total").increment(1);
    let wait_s = denied.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
    let detail = format!("too many requests from this address; the next one is answered in {wait_s} s");
    let mut response = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait_s));
    response
}

/// The address that the proxy in front has added: the last one.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

/// One client may have a whole IPv6 /64, so that counts as one.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxys_own_entry_counts_and_a_v6_network_is_one_client() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("10.9.9.9, 192.0.2.7"));
        assert_eq!(forwarded_for(&headers), Some("192.0.2.7".parse().unwrap()));
        assert_eq!(network_of("2001:db8::1:2:3:4".parse().unwrap()), network_of("2001:db8::9".parse().unwrap()));
        assert_eq!(network_of("::ffff:192.0.2.7".parse().unwrap()), "192.0.2.7".parse::<IpAddr>().unwrap());
    }
}
