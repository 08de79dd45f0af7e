//! The log of what happened.

use futures::future::join_all;
use raincell_api_types::events::Event;

use super::{Store, body, minute, store_frame};
use crate::{NowcastKey, WriteCondition};

/// In the order of storing; what changes nothing is no event.
pub async fn every_stored_thing_is_one_event_in_order(store: Store) {
    assert_eq!(store.last_sequence().await.unwrap(), 0);
    store_frame(&store, "a", 0).await;
    store_frame(&store, "a", 0).await;
    let run = NowcastKey::new("a", minute(0)).unwrap();
    store.put_nowcast(&run, body("run"), &WriteCondition::IfAbsent, minute(1)).await.unwrap();
    store_frame(&store, "a", 5).await;
    let events = store.events_after(0, 100).await.unwrap();
    assert_eq!(events.iter().map(|e| e.event.name()).collect::<Vec<_>>(), ["frame", "nowcast", "frame"]);
    assert!(events.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "{events:?}");
    let Event::Frame(info) = &events[2].event else { panic!("{events:?}") };
    assert_eq!(info.valid_time, minute(5));
    let last = events[2].sequence;
    assert_eq!(store.last_sequence().await.unwrap(), last);
    assert_eq!(store.events_after(events[0].sequence, 1).await.unwrap(), events[1..2]);
    assert!(store.events_after(last, 100).await.unwrap().is_empty());
    assert!(store.events_after(u64::MAX, 100).await.unwrap().is_empty());
}

/// What a subscriber is told can be read at once.
pub async fn subscribers_hear_of_events(store: Store) {
    let mut head = store.subscribe();
    let before = *head.borrow_and_update();
    store_frame(&store, "a", 0).await;
    head.changed().await.unwrap();
    let after = *head.borrow_and_update();
    assert!(after > before);
    assert_eq!(store.events_after(before, 10).await.unwrap().last().unwrap().sequence, after);
}

/// A reader that goes on after the highest sequence it has seen misses nothing.
pub async fn events_of_forty_writers_have_rising_sequences(store: Store) {
    let writers = join_all((0..40).map(|i| store_frame(&store, "a", i)));
    let reader = async {
        let (mut after, mut seen) = (0, 0);
        while seen < 40 {
            for event in store.events_after(after, 7).await.unwrap() {
                assert!(event.sequence > after);
                after = event.sequence;
                seen += 1;
            }
            tokio::task::yield_now().await;
        }
    };
    futures::future::join(writers, reader).await;
    assert_eq!(store.events_after(0, 100).await.unwrap().len(), 40);
}
