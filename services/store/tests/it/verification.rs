//! Verification over HTTP.

use raincell_api_types::verification::{PooledSums, ScoredNowcast, Sums};
use reqwest::Method;

use super::server::{Server, minute};

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_added_once_and_read_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let sums = |hits: f64| Sums::from([("hits".to_owned(), vec![hits, 0.1 + 0.2])]);
    let scored = |minutes: i64| ScoredNowcast {
        method: "best".into(),
        issue_time: minute(minutes),
        lead_min: 30,
        sums: sums(3.0),
    };
    assert_eq!(server.client.add_verification("KLOT", &[scored(0), scored(5)]).await.unwrap(), 2);
    assert_eq!(server.client.add_verification("KLOT", &[scored(5), scored(10)]).await.unwrap(), 1);
    server.stop().await;
    let server = Server::start(folder.path()).await;
    let found = server.client.verification("KLOT", minute(0), minute(60)).await.unwrap();
    let total = Sums::from([("hits".to_owned(), vec![9.0, 3.0 * (0.1 + 0.2)])]);
    assert_eq!(found.len(), 1);
    assert!((found[0].sums["hits"][1] - total["hits"][1]).abs() < 1e-12);
    let PooledSums { method, lead_min, nowcasts, .. } = &found[0];
    assert_eq!((method.as_str(), *lead_min, *nowcasts, found[0].sums["hits"][0]), ("best", 30, 3, 9.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_verification_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    for (method, path, body) in [
        (Method::POST, "/v1/verification/KLOT", "{}"),
        (Method::POST, "/v1/verification/.a", "[]"),
        (Method::GET, "/v1/verification/KLOT", ""),
        (Method::GET, "/v1/verification/KLOT?from=2021-07-29T12:00:00Z&to=now", ""),
    ] {
        let answer = server.request(method, path).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{path} {body}");
    }
}
