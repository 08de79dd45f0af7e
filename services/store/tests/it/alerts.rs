//! Alert states, outbox and checkpoints.

use futures::future::join_all;
use futures::{StreamExt, pin_mut};
use raincell_api_types::alerts::{AlertTransition, NewPost, PostOutcome, PostStatus, RainEvent, RainEventKind};
use raincell_api_types::events::Event;
use raincell_api_types::frames::Checkpoint;
use raincell_store_client::{ClientError, StreamItem};
use serde_json::{Value, json};

use super::server::{Server, minute};

fn change(expected_revision: u64, state: Value, key: &str) -> AlertTransition {
    let event = RainEvent {
        place: "Jan's huis / tuin".into(),
        kind: RainEventKind::Coming,
        time: minute(0),
        about: minute(20),
        rate_mm_h: 2.5,
        text: "Rain in 20 minutes.".into(),
        ..RainEvent::default()
    };
    AlertTransition { expected_revision, state, posts: vec![NewPost { key: key.into(), event, announced: true }] }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transition_is_compare_and_set_and_tells_listeners() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let client = &server.client;
    let place = "Jan's huis / tuin";
    assert_eq!(client.alert_state(place).await.unwrap().revision, 0);
    let first = change(0, json!("coming"), "home/coming/2021-07-29T12:20:00Z");
    let state = client.transition(place, &first).await.unwrap();
    assert_eq!((state.place.as_str(), state.revision, &state.state), (place, 1, &json!("coming")));
    let error = client.transition(place, &change(0, json!("other"), "k")).await.unwrap_err();
    assert!(matches!(&error, ClientError::StaleState(stored) if **stored == state), "{error}");
    let events = client.events(Some(0));
    pin_mut!(events);
    assert_eq!(events.next().await, Some(StreamItem::Connected));
    let Some(StreamItem::Event(event)) = events.next().await else { panic!("no event") };
    assert_eq!(event.event, Event::Rain(first.posts[0].event.clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_remembers_what_became_of_each_post() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let client = &server.client;
    let key = "home/coming/2021-07-29T12:20:00Z? 100 %";
    client.transition("home", &change(0, json!(1), key)).await.unwrap();
    assert_eq!(client.outbox(Some(PostStatus::Pending)).await.unwrap()[0].key, key);
    let outcome = |status| PostOutcome { status, detail: Some("posts/1.txt".into()) };
    let post = client.record_outcome(key, &outcome(PostStatus::Sent)).await.unwrap();
    assert_eq!((post.status, post.attempts, post.detail.as_deref()), (PostStatus::Sent, 1, Some("posts/1.txt")));
    assert!(client.outbox(Some(PostStatus::Pending)).await.unwrap().is_empty());
    assert_eq!(client.outbox(None).await.unwrap(), std::slice::from_ref(&post));
    assert_eq!(client.newest_posts().await.unwrap(), std::slice::from_ref(&post));
    assert_eq!(client.outbox_post(key).await.unwrap(), post);
    let error = client.outbox_post("another").await.unwrap_err();
    assert!(matches!(error, ClientError::NotFound { .. }), "{error}");
    let error = client.record_outcome("another", &outcome(PostStatus::Failed)).await.unwrap_err();
    assert!(matches!(error, ClientError::NotFound { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_forty_rivals_over_http_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let name = "nowcast/lock of/everything";
    assert_eq!(server.client.checkpoint(name).await.unwrap(), None);
    let rivals: Vec<_> =
        (0..40).map(|i| Checkpoint { name: name.into(), revision: 0, value: json!({"owner": i}) }).collect();
    let outcomes = join_all(rivals.iter().map(|c| server.client.put_checkpoint(c))).await;
    let winners: Vec<_> = outcomes.iter().filter_map(|o| o.as_ref().ok()).collect();
    assert_eq!(winners.len(), 1);
    let stored = server.client.checkpoint(name).await.unwrap().unwrap();
    assert_eq!((&stored, stored.revision), (winners[0], 1));
    for error in outcomes.iter().filter_map(|o| o.as_ref().err()) {
        assert!(matches!(error, ClientError::StaleCheckpoint(found) if **found == stored), "{error}");
    }
    let next = server.client.put_checkpoint(&stored).await.unwrap();
    assert_eq!(next.revision, 2);
    let gone = Checkpoint { name: "new".into(), revision: 7, value: json!(1) };
    let error = server.client.put_checkpoint(&gone).await.unwrap_err();
    assert!(matches!(&error, ClientError::StaleCheckpoint(found) if found.revision == 0), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_another_shape_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    for path in ["/v1/alerts/states/home", "/v1/alerts/outbox/key", "/v1/checkpoints/a/b"] {
        for body in ["", "{", "[]", "{\"revision\": -1}"] {
            let answer = server.request(reqwest::Method::PUT, path).body(body).send().await.unwrap();
            assert_eq!(answer.status(), 400, "{path} {body}");
        }
    }
    let other = json!({"name": "b", "revision": 0, "value": 1}).to_string();
    let answer = server.request(reqwest::Method::PUT, "/v1/checkpoints/a").body(other).send().await.unwrap();
    assert_eq!(answer.status(), 422);
}
