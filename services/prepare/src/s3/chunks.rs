//! Real-time chunks of NEXRAD: `SITE/VOLUME/YYYYMMDD-HHMMSS-NNN-{S|I|E}`, the volumes 1 to 999 taking turns.
//!
//! A radar's folder may hold days of volumes. The newest is found once, by halving; from then on only it, the one before
//! and the ones after are listed, each from the look-back on: keys begin with the time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::objects::Objects;
use crate::index_page::time_in_name;
use crate::ledger::Stamp;
use crate::place::Window;

/// Volume numbers go from 1 to this.
const LAST: u32 = 999;

/// What is known of the volumes of a radar.
#[derive(Debug, Default)]
pub struct Volumes {
    newest: Option<u32>,
    /// Chunks of the volumes within the look-back.
    chunks: BTreeMap<u32, BTreeMap<String, Stamp>>,
}

fn after(number: u32) -> u32 {
    if number >= LAST { 1 } else { number + 1 }
}

fn before(number: u32) -> u32 {
    if number <= 1 { LAST } else { number - 1 }
}

/// When the volume of a chunk began.
fn time_of(key: &str) -> Option<Timestamp> {
    time_in_name(key.rsplit('/').next().unwrap_or(key))
}

fn newest_of(chunks: &BTreeMap<String, Stamp>) -> Option<Timestamp> {
    chunks.keys().filter_map(|key| time_of(key)).max()
}

impl Volumes {
    /// The chunks within a window.
    ///
    /// # Errors
    /// When the bucket cannot be listed.
    pub async fn list(&mut self, bucket: &Objects, window: Window) -> anyhow::Result<BTreeMap<String, Stamp>> {
        let newest = match self.newest {
            Some(newest) => newest,
            None => match find_newest(bucket).await? {
                Some(newest) => newest,
                None => return Ok(BTreeMap::new()),
            },
        };
        let first_time = self.newest.replace(newest).is_none();
        // Backwards: all within the window the first time, then only the one before, whose last chunks may be late.
        let mut number = newest;
        for _ in 0..if first_time { LAST } else { 2 } {
            if !self.list_volume(bucket, number, window).await? {
                break;
            }
            number = before(number);
        }
        self.go_on(bucket, window).await?;
        self.chunks.retain(|_, chunks| newest_of(chunks).is_some_and(|time| time >= window.begin));
        if self.chunks.is_empty() {
            // Long silence: when the radar comes back, its number may be any.
            self.newest = None;
        }
        Ok(self.chunks.values().flatten().map(|(key, stamp)| (key.clone(), *stamp)).collect())
    }

    /// Volumes after the newest, as long as there are any.
    async fn go_on(&mut self, bucket: &Objects, window: Window) -> anyhow::Result<()> {
        for _ in 0..LAST {
            let Some(newest) = self.newest else { return Ok(()) };
            let next = after(newest);
            let known = self.chunks.get(&newest).and_then(newest_of);
            if !self.list_volume(bucket, next, window).await? {
                return Ok(());
            }
            if self.chunks.get(&next).and_then(newest_of) <= known {
                return Ok(());
            }
            self.newest = Some(next);
        }
        Ok(())
    }

    /// Lists the chunks of a volume within the window; false when there are none.
    async fn list_volume(&mut self, bucket: &Objects, number: u32, window: Window) -> anyhow::Result<bool> {
        let prefix = format!("{}{number}/", bucket.prefix());
        let begin = window.begin.to_zoned(TimeZone::UTC).strftime("%Y%m%d-%H%M%S").to_string();
        let chunks = bucket.list_prefix(&prefix, Some(&format!("{prefix}{begin}"))).await?;
        let found = !chunks.is_empty();
        self.chunks.insert(number, chunks);
        Ok(found)
    }
}

/// The volume that was begun last, or `None` where the radar has none.
async fn find_newest(bucket: &Objects) -> anyhow::Result<Option<u32>> {
    let folders = bucket.folders(bucket.prefix()).await?;
    let numbers =
        folders.iter().filter_map(|folder| folder.strip_prefix(bucket.prefix())?.trim_end_matches('/').parse().ok());
    let mut numbers: Vec<u32> = numbers.filter(|number| (1..=LAST).contains(number)).collect();
    numbers.sort_unstable();
    let Some(last_index) = numbers.len().checked_sub(1) else { return Ok(None) };
    let time_at = async |index: usize| -> anyhow::Result<Option<Timestamp>> {
        let prefix = format!("{}{}/", bucket.prefix(), numbers[index]);
        Ok(newest_of(&bucket.list_prefix(&prefix, None).await?))
    };
    // In the order of their numbers the times rise, but for one step down where the turn is.
    let first = time_at(0).await?;
    if first <= time_at(last_index).await? {
        return Ok(Some(numbers[last_index]));
    }
    let (mut low, mut high) = (0, last_index);
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if time_at(middle).await? >= first {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(Some(numbers[low]))
}
