//! Where things are in the table: partition key `pk` and sort key `sk`, both text.
//!
//! | partition | sort key | item |
//! | --- | --- | --- |
//! | `frames#<source>#<product>` | time | what is known of a frame, and its header: listings and point series |
//! | `frame#<source>#<product>#<time>` | `!` | the manifest, written last |
//! | | `<version>#<part>` | a part of the body, at most 350,000 bytes (with the header of a frame 390,000) |
//! | `runs#<source>`, `run#<source>#<time>` | | the same for nowcast runs |
//! | `sources` | `<source>#<product>` | that there are frames of it |
//! | `log` | `head` | the highest sequence |
//! | | `e#<sequence>` | an event |
//! | `alert#<place>`, `checkpoint#<name>`, `lease#<name>`, `counter#<name>` | `-` | one item each |
//! | `verification#<source>` | `<hour>#<method>` | sums of the nowcasts issued within that hour |
//! | `verified` | `<source>#<hour>#<method>` | when something was added to them |
//! | `outbox` | key of the post | a post |
//! | `posts` | `<time>#<sequence>#<index>#<hash of the key>` | the same, in the order of the posts |
//! | `posts-pending` | | the same while it waits to be sent |
//! | `dead-letters` | key of the letter | a dead letter |
//! | `dead-letter-numbers` | number | the sort key of the letter with that number |
//!
//! No name that is part of a key holds `#`, but for the last one in it.

use jiff::Timestamp;

/// Sort key of what is alone in its partition.
pub(super) const ALONE: &str = "-";
/// Sort key of a manifest; before all versions.
pub(super) const MANIFEST: &str = "!";
pub(super) const SOURCES: &str = "sources";
pub(super) const LOG: &str = "log";
pub(super) const HEAD: &str = "head";
pub(super) const VERIFIED: &str = "verified";
pub(super) const OUTBOX: &str = "outbox";
pub(super) const POSTS: &str = "posts";
pub(super) const PENDING_POSTS: &str = "posts-pending";
pub(super) const DEAD_LETTERS: &str = "dead-letters";
pub(super) const DEAD_LETTER_NUMBERS: &str = "dead-letter-numbers";

/// A partition key and a sort key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl Place {
    pub(super) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    pub(super) fn alone(kind: &str, name: &str) -> Self {
        Self::new(format!("{kind}#{name}"), ALONE)
    }

    pub(super) fn event(sequence: u64) -> Self {
        Self::new(LOG, event_key(sequence))
    }
}

/// Sort key of an event: 20 digits hold every `u64`.
pub(super) fn event_key(sequence: u64) -> String {
    format!("e#{sequence:020}")
}

/// Behind the sort keys of all events.
pub(super) const EVENTS_END: &str = "e#~";

/// A time as a sort key: text in the order of time from the year 0 on, for people to read.
pub(super) fn time_key(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Sort key of a part of a body.
pub(super) fn part_key(version: &str, number: usize) -> String {
    format!("{version}#{number:04}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn keys_of_times_and_sequences_are_in_their_order() {
        let times =
            ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "2021-07-29T12:00:00Z", "2021-07-29T12:00:00.000001Z"];
        let keys: Vec<_> = times.iter().map(|t| time_key(t.parse().unwrap())).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        assert_eq!(keys[1], "1969-12-31T23:59:59.999000Z");
        let sequences = [0, 9, 10, u64::MAX].map(event_key);
        assert!(sequences.is_sorted() && sequences[3].as_str() < EVENTS_END, "{sequences:?}");
    }
}
