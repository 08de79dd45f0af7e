//! Leases over HTTP: the answers, the fence of each write, and keepers that come and go.

use std::time::Duration;

use futures::future::{join_all, select_all};
use raincell_api_types::alerts::AlertTransition;
use raincell_api_types::leases::{Fence, Lease, LeaseChange};
use raincell_store_client::{ClientError, LeaseKeeper, StoreClient};
use reqwest::Method;
use serde_json::json;

use super::server::{Server, frame, table};

/// A test on each backend.
macro_rules! on_both_backends {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(super::Server::start(folder.path()).await).await;
            })*
        }

        mod on_dynamodb {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let Some(table) = super::table() else { return };
                super::$name(super::Server::start_on(&table, "127.0.0.1:0").await).await;
            })*
        }
    };
}

on_both_backends! {
    a_lease_is_taken_renewed_and_released,
    a_write_under_a_stale_fence_is_refused_and_leaves_nothing,
    what_is_no_lease_and_what_is_no_fence_is_a_problem,
    a_killed_holder_is_followed_by_another_and_its_late_write_is_refused,
    a_released_lease_passes_on_and_a_holder_keeps_it_for_many_durations,
    of_forty_keepers_one_at_a_time_gets_its_writes_through,
}

fn take(owner: &str, version: u64) -> LeaseChange {
    LeaseChange::Take { owner: owner.into(), duration_ms: 10_000, version }
}

fn fence(lease: &Lease) -> Fence {
    Fence { lease: lease.name.clone(), token: lease.fence }
}

/// A note of its own under a fence.
async fn note(client: &StoreClient, fence: Fence, place: &str) -> Result<(), ClientError> {
    let change = AlertTransition { expected_revision: 0, state: json!(fence.token), posts: Vec::new() };
    client.with_fence(fence).transition(place, &change).await.map(|_| ())
}

fn keeper(client: &StoreClient, who: &str) -> LeaseKeeper {
    LeaseKeeper::start(client, "leader", who, Duration::from_millis(600)).unwrap()
}

async fn a_lease_is_taken_renewed_and_released(server: Server) {
    let client = &server.client;
    assert_eq!(client.lease("leader").await.unwrap().version, 0);
    let lease = client.change_lease("leader", &take("a", 0)).await.unwrap();
    let error = client.change_lease("leader", &take("b", 0)).await.unwrap_err();
    assert!(matches!(&error, ClientError::StaleLease(stored) if **stored == lease), "{error}");
    let renewal = LeaseChange::Renew { owner: "a".into(), version: 1, fence: 1 };
    assert_eq!(client.change_lease("leader", &renewal).await.unwrap().version, 2);
    let release = LeaseChange::Release { owner: "a".into(), version: 2, fence: 1 };
    let free = client.change_lease("leader", &release).await.unwrap();
    assert_eq!((free.owner, free.version, free.fence), (None, 3, 1));
    assert_eq!(client.lease("leader").await.unwrap().version, 3);
}

async fn a_write_under_a_stale_fence_is_refused_and_leaves_nothing(server: Server) {
    let client = &server.client;
    let old = client.change_lease("leader", &take("a", 0)).await.unwrap();
    let new = client.change_lease("leader", &take("b", 1)).await.unwrap();
    let paused = client.with_fence(fence(&old));
    let refused = paused.put_frame(&frame("a", 0, 1.0)).await.unwrap_err();
    assert!(matches!(&refused, ClientError::Fenced { reason } if reason.contains("token 1")), "{refused}");
    assert!(matches!(note(client, fence(&old), "home").await, Err(ClientError::Fenced { .. })));
    assert!(client.sources().await.unwrap().is_empty());
    client.with_fence(fence(&new)).put_frame(&frame("a", 0, 1.0)).await.unwrap();
    // Reading is for everybody.
    assert_eq!(paused.sources().await.unwrap().len(), 1);
}

async fn what_is_no_lease_and_what_is_no_fence_is_a_problem(server: Server) {
    let good = serde_json::to_string(&take("a", 0)).unwrap();
    for (path, body) in [
        ("/v1/leases/leader", "{}".to_owned()),
        ("/v1/leases/leader", good.replace("10000", "0")),
        ("/v1/leases/leader", good.replace("\"a\"", "\"\"")),
        ("/v1/leases/.hidden", good.clone()),
        ("/v1/leases/a%20b", good),
    ] {
        let answer = server.request(Method::PUT, path).body(body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{path} {body}");
    }
    let body = json!({"expected_revision": 0, "state": 1}).to_string();
    let request = server.request(Method::PUT, "/v1/alerts/states/home").header("raincell-fence", "leader");
    assert_eq!(request.body(body).send().await.unwrap().status(), 400);
}

async fn a_killed_holder_is_followed_by_another_and_its_late_write_is_refused(server: Server) {
    let client = &server.client;
    let mut first = keeper(client, "first");
    let old = first.acquired().await;
    let mut second = keeper(client, "second");
    note(client, old.clone(), "one").await.unwrap();
    drop(first);
    let new = second.acquired().await;
    assert_eq!(new.token, old.token + 1);
    let error = note(client, old, "two").await.unwrap_err();
    assert!(matches!(error, ClientError::Fenced { .. }), "{error}");
    note(client, new, "two").await.unwrap();
}

async fn a_released_lease_passes_on_and_a_holder_keeps_it_for_many_durations(server: Server) {
    let client = &server.client;
    // Long enough that no pause of a busy machine looks like a death.
    let long = Duration::from_secs(20);
    let mut first = LeaseKeeper::start(client, "leader", "first", long).unwrap();
    let fence = first.acquired().await;
    first.release().await;
    assert_eq!(client.lease("leader").await.unwrap().owner, None);
    assert!(matches!(note(client, fence.clone(), "one").await, Err(ClientError::Fenced { .. })));
    let mut second = LeaseKeeper::start(client, "leader", "second", long).unwrap();
    assert_eq!(second.acquired().await.token, fence.token + 1);
    // The version rises while the fence stays.
    let mut third = keeper(client, "third");
    let mut other = LeaseKeeper::start(client, "other", "third", Duration::from_millis(300)).unwrap();
    let token = other.acquired().await.token;
    let begin = client.lease("other").await.unwrap().version;
    while client.lease("other").await.unwrap().version < begin + 5 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(client.lease("other").await.unwrap().fence >= token);
    assert_eq!(client.lease("leader").await.unwrap().fence, fence.token + 1);
    assert!(third.fence().is_none());
    second.release().await;
    assert_eq!(third.acquired().await.token, fence.token + 2);
}

async fn of_forty_keepers_one_at_a_time_gets_its_writes_through(server: Server) {
    let client = &server.client;
    let mut keepers: Vec<_> = (0..40).map(|i| keeper(client, &i.to_string())).collect();
    let mut last = 0;
    for round in 0..4 {
        let (fence, winner, _) = select_all(keepers.iter_mut().map(|k| Box::pin(k.acquired()))).await;
        assert!(fence.token > last, "round {round}");
        last = fence.token;
        let fences: Vec<_> = keepers.iter().filter_map(LeaseKeeper::fence).collect();
        let writes = fences.into_iter().enumerate().map(|(i, f)| {
            let place = format!("{round}.{i}");
            async move { note(client, f, &place).await }
        });
        let through = join_all(writes).await.into_iter().flatten().count();
        assert!(through <= 1, "round {round}: {through}");
        // Killed.
        drop(keepers.swap_remove(winner));
    }
}
