//! What every backend and every wrapper of [`FrameStore`] must do: one async function for each promise, over a store
//! with nothing in it. `frame_store_conformance!` makes a test of each.
//!
//! The functions panic where a promise is broken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod alerts;
mod dead_letters;
mod events;
mod frames;
mod leases;
mod nowcasts;
mod retention;
mod verification;

use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use crate::{FrameKey, FrameStore, WriteCondition};

pub use alerts::*;
pub use dead_letters::*;
pub use events::*;
pub use frames::*;
pub use leases::*;
pub use nowcasts::*;
pub use retention::*;
pub use verification::*;

/// Makes a `#[tokio::test]` of every function of the suite. The expression gives a pair: whatever must live as long as
/// the store (a folder), and the empty store in an `Arc<dyn FrameStore>`. It is awaited anew for each test. `None` instead
/// of a pair where the backend is not there: the test is skipped.
#[macro_export]
macro_rules! frame_store_conformance {
    ($fresh:expr) => {
        $crate::frame_store_conformance! { $fresh;
            a_frame_comes_back_as_it_was_stored,
            a_large_body_comes_back_as_it_was_stored,
            the_same_frame_again_changes_nothing,
            other_content_is_a_conflict_and_stays_out,
            content_is_replaced_only_by_those_who_know_it,
            of_forty_rivals_for_one_key_one_is_stored,
            of_forty_rivals_with_the_same_content_one_stores_it,
            what_is_missing_is_not_found,
            pages_hold_every_frame_once_in_order,
            frames_stored_between_pages_shift_nothing,
            a_listing_keeps_to_its_bounds,
            a_made_up_cursor_is_refused,
            the_latest_frames_are_by_valid_time,
            times_before_1970_and_fractions_are_kept,
            sources_are_listed_with_their_newest_frame,
            a_series_goes_back_from_the_newest_frame,
            a_series_has_the_segment_that_is_asked_for,
            a_series_leaves_out_the_bodies_that_are_known,
            a_nowcast_comes_back_as_it_was_stored,
            the_latest_nowcast_is_by_issue_time,
            nowcasts_and_frames_do_not_mix,
            every_stored_thing_is_one_event_in_order,
            subscribers_hear_of_events,
            events_of_forty_writers_have_rising_sequences,
            a_state_begins_at_revision_zero,
            a_transition_writes_state_posts_and_events,
            a_stale_transition_changes_nothing,
            of_forty_rival_transitions_one_wins,
            a_post_is_queued_once,
            only_announced_posts_are_logged,
            posts_are_found_by_key_and_newest_first,
            posts_are_listed_in_their_order_and_by_what_became_of_them,
            outcomes_are_counted_and_sent_is_final,
            of_forty_rival_checkpoints_one_wins,
            a_lease_begins_free_and_is_taken_once,
            of_forty_rivals_for_a_lease_one_takes_it,
            a_renewed_lease_is_not_taken_over,
            a_holder_that_was_paused_cannot_renew_release_or_write,
            a_released_lease_is_free_at_once_and_its_writes_end,
            every_write_under_a_stale_fence_is_refused,
            of_a_renewal_and_forty_takeovers_one_wins,
            killed_holders_whose_clocks_are_hours_apart_follow_each_other,
            what_expires_is_invisible_at_once,
            collection_leaves_what_is_alive,
            an_expired_frame_can_be_stored_again,
            sequences_rise_over_an_emptied_log,
            an_object_is_one_dead_letter_under_its_key,
            a_dead_letter_is_replayed,
            replayed_dead_letters_expire,
            what_has_expired_can_be_brought_back_until_it_is_collected,
            sums_of_scored_nowcasts_add_up,
            a_scored_nowcast_counts_once,
            verification_is_asked_for_by_whole_hours,
            forty_rivals_add_up_to_the_same_sums,
            old_verification_is_forgotten,
            verification_is_written_under_a_fence_too,
        }
    };
    ($fresh:expr; $($name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let fresh: Option<(_, _)> = $fresh.await.into();
                let Some((_alive, store)) = fresh else { return };
                $crate::conformance::$name(store).await;
            }
        )*
    };
}

/// What the functions work on.
type Store = Arc<dyn FrameStore>;

/// Noon of a day in the past, and some minutes.
fn minute(minutes: i64) -> Timestamp {
    let noon: Timestamp = "2021-07-29T12:00:00Z".parse().unwrap();
    noon + SignedDuration::from_mins(minutes)
}

fn key(source: &str, minutes: i64) -> FrameKey {
    FrameKey::new(source, "rate", minute(minutes)).unwrap()
}

fn body(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Stores a frame whose body is its own key.
async fn store_frame(store: &Store, source: &str, minutes: i64) {
    let key = key(source, minutes);
    store.put_frame(&key, body(&key.to_string()), &WriteCondition::IfAbsent, minute(minutes)).await.unwrap();
}
