//! What the service manager is told (systemd's `sd_notify` protocol; nothing where there is none): that the service is
//! ready, that it lives, how it does in words, that it stops.
//!
//! The service is asked over its own HTTP, as anybody else would ask it: a process whose event loop, listener or handlers
//! hang answers nobody, gets no `WATCHDOG=1` sent, and is started again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use raincell_api_types::health::{Condition, Readiness};
use sd_notify::NotifyState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Between two looks while the service starts.
const STARTING: Duration = Duration::from_millis(20);
/// Between two looks where no watchdog asks for more; what `systemctl status` shows is so old at most.
const CALM: Duration = Duration::from_secs(10);
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps the service manager told of the service that listens on `address`, until its end.
pub async fn keep_told(address: SocketAddr, shutdown: CancellationToken) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let address = from_inside(address);
    shutdown.run_until_cancelled(tell(address)).await;
    send(&[NotifyState::Stopping, NotifyState::Status("finishing what is in hand")]);
}

async fn tell(address: SocketAddr) {
    while ready(address).await.is_none() {
        tokio::time::sleep(STARTING).await;
    }
    send(&[NotifyState::Ready]);
    let pause = sd_notify::watchdog_enabled().map_or(CALM, |watchdog| (watchdog / 3).min(CALM));
    loop {
        if let Some(readiness) = ready(address).await {
            send(&[NotifyState::Watchdog, NotifyState::Status(&in_words(&readiness))]);
        } else {
            tracing::warn!(%address, "this service does not answer itself");
        }
        tokio::time::sleep(pause).await;
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// What `/ready` answers, whatever its status; `None` for no answer.
async fn ready(address: SocketAddr) -> Option<Readiness> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?;
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    serde_json::from_slice(&answer[body..]).ok()
}

/// Loopback for a socket that listens on all addresses.
fn from_inside(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback =
            if address.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) };
        address.set_ip(loopback);
    }
    address
}

/// One line, what is wrong first.
fn in_words(readiness: &Readiness) -> String {
    let mut troubles: Vec<_> = readiness.dependencies.iter().filter(|(_, d)| d.condition != Condition::Ok).collect();
    troubles.sort_by_key(|(_, dependency)| std::cmp::Reverse(dependency.condition));
    if troubles.is_empty() {
        return "all is well".into();
    }
    let told: Vec<String> = troubles
        .into_iter()
        .map(|(name, dependency)| {
            let condition = if dependency.condition == Condition::Down { "down" } else { "degraded" };
            format!("{name} {condition}: {}", dependency.detail)
        })
        .collect();
    // The protocol is made of lines.
    told.join("; ").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use raincell_api_types::health::DependencyHealth;

    use super::*;

    #[test]
    fn the_worst_is_told_first_and_on_one_line() {
        let dependency = |condition, detail: &str| DependencyHealth { condition, detail: detail.into() };
        let mut readiness = Readiness {
            service: "api".into(),
            version: "1".into(),
            condition: Condition::Ok,
            dependencies: [("store".to_owned(), dependency(Condition::Ok, "answers"))].into(),
        };
        assert_eq!(in_words(&readiness), "all is well");
        readiness.dependencies.insert("data".into(), dependency(Condition::Degraded, "old"));
        readiness.dependencies.insert("store".into(), dependency(Condition::Down, "refused\nby 127.0.0.1"));
        assert_eq!(in_words(&readiness), "store down: refused by 127.0.0.1; data degraded: old");
    }

    #[test]
    fn a_service_that_listens_everywhere_is_asked_on_loopback() {
        assert_eq!(from_inside("0.0.0.0:80".parse().unwrap()), "127.0.0.1:80".parse().unwrap());
        assert_eq!(from_inside("[::]:80".parse().unwrap()), "[::1]:80".parse().unwrap());
        assert_eq!(from_inside("10.0.0.1:80".parse().unwrap()), "10.0.0.1:80".parse().unwrap());
    }
}
