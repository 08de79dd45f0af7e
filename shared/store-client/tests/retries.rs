//! The client against a server that fails on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use raincell_api_types::frames::Checkpoint;
use raincell_store_client::{ClientError, RetryPolicy, StoreClient};
use serde_json::json;

/// A server that gives these answers one after another, and the last one for ever; counts the requests.
async fn serve(answers: Vec<(StatusCode, String)>) -> (StoreClient, Arc<AtomicU32>) {
    let requests = Arc::new(AtomicU32::new(0));
    let counter = requests.clone();
    let router = Router::new().fallback(move || {
        let index = counter.fetch_add(1, Ordering::SeqCst) as usize;
        let (status, body) = answers[index.min(answers.len() - 1)].clone();
        async move { (status, body).into_response() }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let policy = RetryPolicy {
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(20),
        deadline: Duration::from_secs(30),
        ..RetryPolicy::default()
    };
    (StoreClient::new(&url, "token").unwrap().with_policy(policy), requests)
}

fn failing(status: StatusCode) -> (StatusCode, String) {
    (status, String::new())
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let answers = vec![
        failing(StatusCode::SERVICE_UNAVAILABLE),
        failing(StatusCode::TOO_MANY_REQUESTS),
        failing(StatusCode::INTERNAL_SERVER_ERROR),
        (StatusCode::OK, "[]".into()),
    ];
    let (client, requests) = serve(answers).await;
    assert!(client.sources().await.unwrap().is_empty());
    assert_eq!(requests.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn what_will_not_pass_is_tried_once() {
    for status in [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY, StatusCode::NOT_FOUND] {
        let (client, requests) = serve(vec![failing(status)]).await;
        client.sources().await.unwrap_err();
        assert_eq!(requests.load(Ordering::SeqCst), 1, "{status}");
    }
}

#[tokio::test]
async fn a_store_that_stays_busy_is_unavailable_at_the_deadline() {
    let (client, requests) = serve(vec![failing(StatusCode::SERVICE_UNAVAILABLE)]).await;
    let policy = RetryPolicy { deadline: Duration::from_millis(300), ..RetryPolicy::default() };
    let error = client.with_policy(policy).sources().await.unwrap_err();
    assert!(matches!(error, ClientError::Unavailable { .. }) && error.is_temporary(), "{error}");
    assert!(requests.load(Ordering::SeqCst) >= 2);
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_counts_as_made() {
    let ours = Checkpoint { name: "x".into(), revision: 4, value: json!("mine") };
    let stored = Checkpoint { revision: 5, ..ours.clone() };
    let conflict = (StatusCode::CONFLICT, serde_json::to_string(&stored).unwrap());
    let (client, _) = serve(vec![failing(StatusCode::BAD_GATEWAY), conflict.clone()]).await;
    assert_eq!(client.put_checkpoint(&ours).await.unwrap(), stored);
    // At the first try it was somebody else's, even if it says the same.
    let (client, _) = serve(vec![conflict]).await;
    let error = client.put_checkpoint(&ours).await.unwrap_err();
    assert!(matches!(error, ClientError::StaleCheckpoint(_)), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_no_store_answer_is_told_as_such() {
    let (client, _) = serve(vec![(StatusCode::OK, "<html>".into())]).await;
    assert!(matches!(client.sources().await, Err(ClientError::Answer { .. })));
    assert!(matches!(client.ready().await, Err(ClientError::Answer { .. })));
}
