//! Frames: idempotency, conditions, listings.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use jiff::SignedDuration;
use ndarray::Array2;
use raincell_api_types::frames::FrameInfo;
use raincell_frame::{Frame, FrameHeader, content_hash, decode_header, decode_header_in, encode};
use raincell_model::{Grid, RainField};

use super::{Store, body, key, minute, store_frame};
use crate::{FrameKey, FrameQuery, KeyError, Put, StoreError, Wanted, WriteCondition};

/// What goes in comes out, byte by byte.
pub async fn a_frame_comes_back_as_it_was_stored(store: Store) {
    let bytes: Vec<u8> = (0..300_000_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    let put = store.put_frame(&key("a", 0), bytes.clone().into(), &WriteCondition::IfAbsent, minute(7)).await.unwrap();
    let Put::New(info) = put else { panic!("{put:?}") };
    assert_eq!((info.source.as_str(), info.product.as_str(), info.valid_time), ("a", "rate", minute(0)));
    assert_eq!((info.hash.as_str(), info.bytes), (content_hash(&bytes).as_str(), 300_000));
    assert_eq!(info.stored_at, minute(7));
    let stored = store.frame(&key("a", 0)).await.unwrap();
    assert_eq!((&stored.info, stored.body.as_ref()), (&info, bytes.as_slice()));
    assert_eq!(store.frame_info(&key("a", 0)).await.unwrap(), info);
}

/// At-least-once delivery is enough.
pub async fn the_same_frame_again_changes_nothing(store: Store) {
    store_frame(&store, "a", 0).await;
    let before = store.frame(&key("a", 0)).await.unwrap();
    for condition in [WriteCondition::IfAbsent, WriteCondition::IfMatch("of something else".into())] {
        let again = store.put_frame(&key("a", 0), before.body.clone(), &condition, minute(99)).await.unwrap();
        assert_eq!(again, Put::Same(before.info.clone()));
    }
    assert_eq!(store.frame(&key("a", 0)).await.unwrap(), before);
    assert_eq!(store.events_after(0, 10).await.unwrap().len(), 1);
}

/// Nobody overwrites by accident.
pub async fn other_content_is_a_conflict_and_stays_out(store: Store) {
    store_frame(&store, "a", 0).await;
    let before = store.frame(&key("a", 0)).await.unwrap();
    let error = store.put_frame(&key("a", 0), body("other"), &WriteCondition::IfAbsent, minute(1)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict { stored, .. } if *stored == before.info.hash), "{error}");
    assert_eq!(store.frame(&key("a", 0)).await.unwrap(), before);
}

/// Compare-and-set on the content hash.
pub async fn content_is_replaced_only_by_those_who_know_it(store: Store) {
    let wrong = WriteCondition::IfMatch(content_hash(b"wrong"));
    let error = store.put_frame(&key("a", 0), body("new"), &wrong, minute(1)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Precondition { found: None, .. }), "{error}");
    store_frame(&store, "a", 0).await;
    let before = store.frame_info(&key("a", 0)).await.unwrap();
    let error = store.put_frame(&key("a", 0), body("new"), &wrong, minute(1)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Precondition { found: Some(f), .. } if *f == before.hash), "{error}");
    let right = WriteCondition::IfMatch(before.hash);
    let put = store.put_frame(&key("a", 0), body("new"), &right, minute(1)).await.unwrap();
    assert!(matches!(put, Put::New(_)), "{put:?}");
    assert_eq!(store.frame(&key("a", 0)).await.unwrap().body, body("new"));
    assert_eq!(store.list_frames(&FrameQuery::default()).await.unwrap().frames.len(), 1);
}

/// One new, 39 conflicts, and the winner's content is what is there.
pub async fn of_forty_rivals_for_one_key_one_is_stored(store: Store) {
    let (frame, condition) = (key("a", 0), WriteCondition::IfAbsent);
    let rivals = (0..40).map(|i| store.put_frame(&frame, body(&format!("rival {i}")), &condition, minute(i)));
    let outcomes = join_all(rivals).await;
    let winners: Vec<_> = (0..40).filter(|&i| matches!(outcomes[i], Ok(Put::New(_)))).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    let lost = outcomes.iter().filter(|o| matches!(o, Err(StoreError::Conflict { .. }))).count();
    assert_eq!(lost, 39, "{outcomes:?}");
    assert_eq!(store.frame(&frame).await.unwrap().body, body(&format!("rival {}", winners[0])));
}

/// One new, 39 same.
pub async fn of_forty_rivals_with_the_same_content_one_stores_it(store: Store) {
    let (frame, condition) = (key("a", 0), WriteCondition::IfAbsent);
    let outcomes = join_all((0..40).map(|_| store.put_frame(&frame, body("same"), &condition, minute(0)))).await;
    assert_eq!(outcomes.iter().filter(|o| matches!(o, Ok(Put::New(_)))).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|o| matches!(o, Ok(Put::Same(_)))).count(), 39, "{outcomes:?}");
    assert_eq!(store.events_after(0, 100).await.unwrap().len(), 1);
}

/// Never an empty body for something that is not there.
pub async fn what_is_missing_is_not_found(store: Store) {
    store_frame(&store, "a", 0).await;
    for missing in [key("a", 5), key("b", 0), FrameKey::new("a", "p50", minute(0)).unwrap()] {
        assert!(matches!(store.frame(&missing).await, Err(StoreError::NotFound { .. })), "{missing}");
        assert!(matches!(store.frame_info(&missing).await, Err(StoreError::NotFound { .. })), "{missing}");
    }
    assert!(matches!(store.checkpoint("none").await, Err(StoreError::NotFound { .. })));
    assert!(store.latest_frames("b", "rate", 5).await.unwrap().is_empty());
    assert!(store.sources().await.unwrap().len() == 1);
}

/// Over several sources with the same times, in pages of every size.
pub async fn pages_hold_every_frame_once_in_order(store: Store) {
    for minutes in [10, 0, 5] {
        for source in ["c", "a", "b"] {
            store_frame(&store, source, minutes).await;
        }
    }
    for limit in [1, 2, 4, 9, 10] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.list_frames(&FrameQuery { limit, cursor, ..FrameQuery::default() }).await.unwrap();
            assert!(page.frames.len() <= limit && !page.frames.is_empty());
            seen.extend(page.frames.into_iter().map(|f| (f.valid_time, f.source)));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        let expected: Vec<_> =
            [0, 5, 10].into_iter().flat_map(|m| ["a", "b", "c"].map(|s| (minute(m), s.to_owned()))).collect();
        assert_eq!(seen, expected, "pages of {limit}");
    }
}

/// A cursor names a place, not a count.
pub async fn frames_stored_between_pages_shift_nothing(store: Store) {
    for minutes in [5, 10, 15, 20] {
        store_frame(&store, "a", minutes).await;
    }
    let first = store.list_frames(&FrameQuery { limit: 2, ..FrameQuery::default() }).await.unwrap();
    store_frame(&store, "a", 0).await;
    store_frame(&store, "a", 17).await;
    let rest = store.list_frames(&FrameQuery { cursor: first.next_cursor, ..FrameQuery::default() }).await.unwrap();
    let times: Vec<_> = rest.frames.iter().map(|f| f.valid_time).collect();
    assert_eq!(times, [minute(15), minute(17), minute(20)]);
    assert_eq!(rest.next_cursor, None);
}

/// Both ends of the time belong to it.
pub async fn a_listing_keeps_to_its_bounds(store: Store) {
    for minutes in [0, 5, 10, 15] {
        store_frame(&store, "a", minutes).await;
        store_frame(&store, "b", minutes).await;
    }
    let other = FrameKey::new("a", "p50", minute(5)).unwrap();
    store.put_frame(&other, body("x"), &WriteCondition::IfAbsent, minute(5)).await.unwrap();
    let query = FrameQuery {
        source: Some("a".into()),
        product: Some("rate".into()),
        from: Some(minute(5)),
        to: Some(minute(10)),
        ..FrameQuery::default()
    };
    let page = store.list_frames(&query).await.unwrap();
    assert_eq!(page.frames.iter().map(|f| f.valid_time).collect::<Vec<_>>(), [minute(5), minute(10)]);
    assert!(page.frames.iter().all(|f| f.source == "a" && f.product == "rate"));
}

/// An error that names it, not an empty page.
pub async fn a_made_up_cursor_is_refused(store: Store) {
    let query = FrameQuery { cursor: Some("made up".into()), ..FrameQuery::default() };
    let error = store.list_frames(&query).await.unwrap_err();
    assert!(matches!(error, StoreError::Key(KeyError::Cursor { .. })), "{error}");
}

/// Not by the order of their arrival.
pub async fn the_latest_frames_are_by_valid_time(store: Store) {
    for minutes in [15, 0, 10, 5] {
        store_frame(&store, "a", minutes).await;
        store_frame(&store, "b", minutes + 100).await;
    }
    let latest = store.latest_frames("a", "rate", 3).await.unwrap();
    assert_eq!(latest.iter().map(|f| f.valid_time).collect::<Vec<_>>(), [minute(5), minute(10), minute(15)]);
    assert_eq!(store.latest_frames("a", "rate", 100).await.unwrap().len(), 4);
}

/// Valid times come from the data, and data may be odd.
pub async fn times_before_1970_and_fractions_are_kept(store: Store) {
    for time in ["1969-12-31T23:59:59.999Z", "2026-01-01T00:00:00.001Z"] {
        let key = FrameKey::new("a", "rate", time.parse().unwrap()).unwrap();
        store.put_frame(&key, body(time), &WriteCondition::IfAbsent, minute(0)).await.unwrap();
        let stored = store.frame(&key).await.unwrap();
        assert_eq!((stored.info.valid_time, stored.body), (key.valid_time(), body(time)));
    }
}

/// By valid time, both ends in it; what is no frame comes whole.
pub async fn a_series_goes_back_from_the_newest_frame(store: Store) {
    let header_alone: Arc<dyn Wanted> = Arc::new(|_: &FrameHeader| None);
    let past = SignedDuration::from_mins(10);
    assert!(store.recent_segments("a", "rate", past, Arc::clone(&header_alone)).await.unwrap().is_empty());
    for minutes in [15, 0, 10, 5] {
        store_frame(&store, "a", minutes).await;
        store_frame(&store, "b", minutes + 100).await;
    }
    let series = store.recent_segments("a", "rate", past, header_alone).await.unwrap();
    assert_eq!(series.iter().map(|s| s.info.valid_time).collect::<Vec<_>>(), [minute(5), minute(10), minute(15)]);
    let its_key = |info: &FrameInfo| FrameKey::new(&info.source, &info.product, info.valid_time).unwrap().to_string();
    assert!(series.iter().all(|s| s.opening == body(&its_key(&s.info))));
}

/// A frame of several segments: every cell can be read out of its segment alone.
pub async fn a_series_has_the_segment_that_is_asked_for(store: Store) {
    let whole = noisy_frame();
    let header = decode_header(&whole).unwrap();
    assert!(header.segments.len() > 1, "{} segments", header.segments.len());
    store.put_frame(&key("a", 0), whole.clone(), &WriteCondition::IfAbsent, minute(0)).await.unwrap();
    for (row, column) in [(0, 0), (0, 1299), (700, 700), (1299, 0), (1299, 1299)] {
        let asked = Arc::new(move |header: &FrameHeader| header.segment_of(row, column));
        let series = store.recent_segments("a", "rate", SignedDuration::ZERO, asked).await.unwrap();
        assert_eq!(series.len(), 1);
        let found = decode_header_in(&series[0].opening, whole.len()).unwrap();
        assert_eq!(found.segments, header.segments);
        let segment = &found.segments[found.segment_of(row, column).unwrap()];
        assert!(series[0].segment(segment) == segment.bytes_in(&whole), "{row} {column}");
    }
}

/// Knows the frames of some hashes, and wants of the others what their headers say.
struct Knows(Vec<String>);

impl Wanted for Knows {
    fn is_known(&self, info: &FrameInfo) -> bool {
        self.0.contains(&info.hash)
    }

    fn segment_of(&self, _header: &FrameHeader) -> Option<usize> {
        None
    }
}

/// Neither header nor segment, but that it is there.
pub async fn a_series_leaves_out_the_bodies_that_are_known(store: Store) {
    for minutes in [0, 5, 10] {
        store_frame(&store, "a", minutes).await;
    }
    let middle = store.frame_info(&key("a", 5)).await.unwrap();
    let knows = Arc::new(Knows(vec![middle.hash.clone()]));
    let series = store.recent_segments("a", "rate", SignedDuration::from_mins(10), knows).await.unwrap();
    assert_eq!(series.iter().map(|s| s.info.valid_time).collect::<Vec<_>>(), [minute(0), minute(5), minute(10)]);
    assert_eq!(series.iter().map(|s| s.opening.is_empty()).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(series[1].info, middle);
}

/// Nothing that any codec makes small.
fn noisy_frame() -> Bytes {
    let grid = Arc::new(Grid::around_radar(50.0, 5.0, 650.0, 1.0));
    let mut state = 1_u32;
    let rate_mm_h = Array2::from_shape_simple_fn(grid.shape(), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        0.1 + (state >> 16) as f32 / 1000.0
    });
    let field = RainField { grid, valid_time: minute(0), rate_mm_h };
    encode(&Frame { source: "a".into(), product: "rate".into(), field }).unwrap().into()
}

/// One entry for each source and product.
pub async fn sources_are_listed_with_their_newest_frame(store: Store) {
    for (source, minutes) in [("b", 0), ("a", 5), ("a", 10), ("a", 0)] {
        store_frame(&store, source, minutes).await;
    }
    let sources = store.sources().await.unwrap();
    let brief: Vec<_> =
        sources.iter().map(|s| (s.source.as_str(), s.product.as_str(), s.newest_valid_time, s.frames)).collect();
    assert_eq!(brief, [("a", "rate", minute(10), 3), ("b", "rate", minute(0), 1)]);
}

/// Several megabytes, as a run of a mosaic has: in many parts, and replaced by a smaller one.
pub async fn a_large_body_comes_back_as_it_was_stored(store: Store) {
    let body: Bytes =
        (0..3_000_001_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>().into();
    store.put_frame(&key("a", 0), body.clone(), &WriteCondition::IfAbsent, minute(0)).await.unwrap();
    let stored = store.frame(&key("a", 0)).await.unwrap();
    assert!(stored.body == body && stored.info.bytes == body.len() as u64);
    let smaller = body.slice(..1_500_000);
    let replaces = WriteCondition::IfMatch(stored.info.hash);
    store.put_frame(&key("a", 0), smaller.clone(), &replaces, minute(1)).await.unwrap();
    assert!(store.frame(&key("a", 0)).await.unwrap().body == smaller);
}
