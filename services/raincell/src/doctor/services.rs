//! The services: whether they answer, what they say of themselves, whether they may talk to the store.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use raincell_api_types::health::{Condition, Readiness};
use raincell_service_runtime::ServiceConfig;

use super::web::Web;
use super::{Finding, Sections};

const SERVICE: &str = "service";
const TOKEN: &str = "store";

pub(super) async fn look(web: &Web, sections: &Sections) -> Vec<Finding> {
    let mut findings = Vec::new();
    let bound = [
        sections.store.as_ref().map(address),
        sections.prepare.as_ref().map(address),
        sections.nowcast.as_ref().map(address),
        sections.api.as_ref().map(address),
        sections.alert.as_ref().map(address),
    ];
    let mut answers = Vec::new();
    for (service, bind) in bound.into_iter().flatten() {
        let answer = readiness(web, &bind).await;
        answers.push((service, bind, answer));
    }
    // `raincell up` has its services at ports of its own; only the api is where the config says.
    let running: Vec<&str> = answers.iter().filter(|(_, _, answer)| answer.is_ok()).map(|(name, ..)| *name).collect();
    let one_process = running == ["api"];
    for (service, bind, answer) in answers {
        match answer {
            Ok(readiness) => findings.push(judge(service, &readiness)),
            Err(_) if one_process => {}
            Err(reason) => findings.push(Finding::wrong(
                SERVICE,
                service,
                format!("does not answer at {bind}: {reason}"),
                &format!(
                    "is it running? `systemctl status raincell-{service}`, `journalctl -u raincell-{service} -n 50`"
                ),
            )),
        }
    }
    if one_process {
        findings.push(Finding::well(
            SERVICE,
            "the others",
            "not at their own addresses, as in one process (raincell up)",
        ));
    } else {
        findings.extend(tokens(web, sections).await);
    }
    findings
}

fn address<C: ServiceConfig>(config: &C) -> (&'static str, String) {
    (C::SECTION, config.bind().to_owned())
}

/// Where a service that listens on `bind` answers from this machine.
fn reachable(bind: &str) -> String {
    match bind.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_unspecified() && address.is_ipv4() => format!("127.0.0.1:{}", address.port()),
        Ok(address) if address.ip().is_unspecified() => format!("[::1]:{}", address.port()),
        _ => bind.to_owned(),
    }
}

async fn readiness(web: &Web, bind: &str) -> Result<Readiness, String> {
    let answer = web.get(&format!("http://{}/ready", reachable(bind)), "").await?;
    let status = answer.status();
    answer.json().await.map_err(|_| format!("something else answers there, with status {status} and no readiness"))
}

fn judge(service: &str, readiness: &Readiness) -> Finding {
    if readiness.service != service {
        let found = format!("{} answers at its address", readiness.service);
        return Finding::wrong(SERVICE, service, found, "two services have the same `bind`: give each its own");
    }
    let troubles: Vec<String> = readiness
        .dependencies
        .iter()
        .filter(|(_, dependency)| dependency.condition != Condition::Ok)
        .map(|(name, dependency)| format!("{name}: {}", dependency.detail))
        .collect();
    let found = troubles.join("; ");
    let advice = format!("`journalctl -u raincell-{service} -n 50` says since when");
    match readiness.condition {
        Condition::Ok => Finding::well(SERVICE, service, format!("ready, version {}", readiness.version)),
        Condition::Degraded => Finding::warning(SERVICE, service, found, &advice),
        Condition::Down => Finding::wrong(SERVICE, service, found, &advice),
    }
}

/// Whether the store takes the token of each service, wherever that service looks for it.
async fn tokens(web: &Web, sections: &Sections) -> Vec<Finding> {
    // (address, token) → the services that use them.
    let mut asked: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    let mut add = |service, urls: &str, token: &str| {
        for url in urls.split(',').map(|url| url.trim().trim_end_matches('/')).filter(|url| !url.is_empty()) {
            asked.entry((url.to_owned(), token.to_owned())).or_default().push(service);
        }
    };
    sections.prepare.iter().for_each(|config| add("prepare", &config.store_url, &config.store_token));
    sections.nowcast.iter().for_each(|config| add("nowcast", &config.store_url, &config.store_token));
    sections.api.iter().for_each(|config| add("api", &config.store_url, &config.store_token));
    sections.alert.iter().for_each(|config| add("alert", &config.store_url, &config.store_token));
    let mut findings = Vec::new();
    for ((url, token), services) in asked {
        let subject = format!("{url} for {}", services.join(", "));
        let answer = web.get(&format!("{url}/v1/sources"), &token).await.map(|answer| answer.status().as_u16());
        findings.push(match answer {
            Ok(200) => Finding::well(TOKEN, subject, "answers, and takes the token"),
            Ok(401 | 403) => Finding::wrong(
                TOKEN,
                subject,
                "refuses the token",
                "`store_token` of each service must be the `token` of [store]; as a secret it is in their .env",
            ),
            Ok(status) => Finding::wrong(TOKEN, subject, format!("answers with status {status}"), "is that the store?"),
            Err(reason) => Finding::wrong(
                TOKEN,
                subject,
                format!("does not answer: {reason}"),
                "start the store, or correct `store_url`",
            ),
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_on_loopback() {
        assert_eq!(reachable("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(reachable("[::]:80"), "[::1]:80");
        assert_eq!(reachable("localhost:80"), "localhost:80");
    }
}
