//! Dead letters over HTTP.

use raincell_api_types::dead_letters::{DeadLetterState, NewDeadLetter};
use raincell_store_client::ClientError;
use reqwest::Method;
use serde_json::json;

use super::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_listed_replayed_and_done() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let client = &server.client;
    let letter = NewDeadLetter {
        key: "KLOT/2021/07/29/KLOT20210729_120000_V06 (1)".into(),
        source: "KLOT".into(),
        reason: "message 31 at byte 325888 is cut off".into(),
        attempts: 3,
        origin: json!({"bucket": "unidata-nexrad-level2", "key": "a+b c"}),
    };
    let stored = client.add_dead_letter(&letter).await.unwrap();
    assert_eq!((&stored.letter, stored.state), (&letter, DeadLetterState::Dead));
    assert_eq!(client.add_dead_letter(&letter).await.unwrap().id, stored.id);
    assert_eq!(client.dead_letters(None).await.unwrap().len(), 1);
    // As a person would ask for it.
    let path = format!("/v1/dead-letters/{}/replay", stored.id);
    assert_eq!(server.request(Method::POST, &path).send().await.unwrap().status(), 200);
    assert_eq!(client.dead_letters(Some(DeadLetterState::ReplayRequested)).await.unwrap()[0].letter, letter);
    client.set_dead_letter_state(stored.id, DeadLetterState::Replayed).await.unwrap();
    assert_eq!(client.dead_letter(stored.id).await.unwrap().state, DeadLetterState::Replayed);
    let error = client.dead_letter(stored.id + 1).await.unwrap_err();
    assert!(matches!(error, ClientError::NotFound { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_dead_letter_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    for (method, path, body, status) in [
        (Method::POST, "/v1/dead-letters", "{}", 400),
        (Method::GET, "/v1/dead-letters?state=gone", "", 400),
        (Method::GET, "/v1/dead-letters/first", "", 400),
        (Method::POST, "/v1/dead-letters/1/replay", "", 404),
        (Method::POST, "/v1/dead-letters/1/replay", "{\"state\":\"gone\"}", 400),
    ] {
        let answer = server.request(method, path).body(body).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path} {body}");
    }
}
