//! Frames and nowcast runs. The parts of a body are written first, under a version of their own that nobody reads yet;
//! then one transaction puts the entry of the listing, the manifest beside the parts, and the event. Before it there is
//! nothing to see, after it everything. Parts that no manifest names are left to the time to live.

use std::fmt::Display;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use raincell_api_types::events::Event;
use raincell_api_types::frames::{FrameInfo, NowcastInfo};
use raincell_frame::content_hash;

use super::DynamoStore;
use super::commit::{Change, Committed, When, event_item, new_stamp};
use super::item::{Item, TIME_TO_LIVE};
use super::keys::{MANIFEST, Place, SOURCES, part_key, time_key};
use super::parts::{Cuts, spans};
use super::request::{Range, Unconditional};
use crate::{FrameKey, NowcastKey, Put, StoreError, Stored, WriteCondition};

/// How often a body is looked for whose parts are not those of its manifest: it is being replaced.
const LOOKS: usize = 3;

/// What frames and runs have in common here.
pub(super) trait Key: Display + Sync {
    /// What the outside sees of an entry.
    type Info: Clone + Send + Sync;

    /// Partition of the listing.
    fn listing(&self) -> String;
    /// Partition of manifest and parts.
    fn folder(&self) -> String;
    fn source(&self) -> &str;
    fn product(&self) -> &str;
    fn time(&self) -> Timestamp;
    fn info(entry: &Item) -> Result<Self::Info, StoreError>;
    fn event(info: Self::Info) -> Event;

    /// Where its entry is.
    fn entry(&self) -> Place {
        Place::new(self.listing(), time_key(self.time()))
    }
}

impl Key for FrameKey {
    type Info = FrameInfo;

    fn listing(&self) -> String {
        frames_of(self.source(), self.product())
    }

    fn folder(&self) -> String {
        format!("frame#{}#{}#{}", self.source(), self.product(), time_key(self.valid_time()))
    }

    fn source(&self) -> &str {
        self.source()
    }

    fn product(&self) -> &str {
        self.product()
    }

    fn time(&self) -> Timestamp {
        self.valid_time()
    }

    fn info(entry: &Item) -> Result<FrameInfo, StoreError> {
        Ok(FrameInfo {
            source: entry.get_text("source")?.to_owned(),
            product: entry.get_text("product")?.to_owned(),
            valid_time: entry.get_time("time")?,
            hash: entry.get_text("hash")?.to_owned(),
            bytes: entry.get_number("bytes")?,
            stored_at: entry.get_time("stored_at")?,
        })
    }

    fn event(info: FrameInfo) -> Event {
        Event::Frame(info)
    }
}

impl Key for NowcastKey {
    type Info = NowcastInfo;

    fn listing(&self) -> String {
        runs_of(self.source())
    }

    fn folder(&self) -> String {
        format!("run#{}#{}", self.source(), time_key(self.issue_time()))
    }

    fn source(&self) -> &str {
        self.source()
    }

    fn product(&self) -> &'static str {
        ""
    }

    fn time(&self) -> Timestamp {
        self.issue_time()
    }

    fn info(entry: &Item) -> Result<NowcastInfo, StoreError> {
        Ok(NowcastInfo {
            source: entry.get_text("source")?.to_owned(),
            issue_time: entry.get_time("time")?,
            hash: entry.get_text("hash")?.to_owned(),
            bytes: entry.get_number("bytes")?,
            stored_at: entry.get_time("stored_at")?,
        })
    }

    fn event(info: NowcastInfo) -> Event {
        Event::Nowcast(info)
    }
}

/// Partition of the listing of frames.
pub(super) fn frames_of(source: &str, product: &str) -> String {
    format!("frames#{source}#{product}")
}

/// Partition of the listing of runs.
pub(super) fn runs_of(source: &str) -> String {
    format!("runs#{source}")
}

/// The manifest that goes with an entry: the same, but for the header, and beside the parts.
pub(super) fn manifest_of(entry: &Item) -> Result<Item, StoreError> {
    Ok(entry.clone().without("header").moved_to(Place::new(entry.get_text("folder")?, MANIFEST)))
}

/// Where the parts of an entry are.
pub(super) fn parts_of(entry: &Item) -> Result<Vec<Place>, StoreError> {
    let (folder, version, parts) = (entry.get_text("folder")?, entry.get_text("version")?, entry.get_numbers("ends")?);
    Ok((0..parts.len()).map(|number| Place::new(folder, part_key(version, number))).collect())
}

/// Entry and manifest always change together, so that they carry the same stamp.
pub(super) fn both(entry: Item, when: &When) -> Result<[Change; 2], StoreError> {
    let manifest = manifest_of(&entry)?;
    Ok([Change::Put(entry, when.clone()), Change::Put(manifest, when.clone())])
}

impl DynamoStore {
    pub(super) async fn put_body<K: Key>(
        &self,
        key: &K,
        body: &Bytes,
        condition: &WriteCondition,
        now: Timestamp,
    ) -> Result<Put<K::Info>, StoreError> {
        self.admit().await?;
        let hash = content_hash(body);
        let mut fresh: Option<Item> = None;
        let outcome = loop {
            let stored = self.table.get("store a body", &key.entry()).await?;
            match decide(key, stored.as_ref(), &hash, condition) {
                Ok(None) => {}
                Ok(Some(same)) => break Ok(Put::Same(same)),
                Err(error) => break Err(error),
            }
            let entry = match &fresh {
                Some(entry) => entry.clone(),
                None => fresh.insert(self.write_parts(key, body, &hash, now).await?).clone(),
            };
            let (info, when) = (K::info(&entry)?, When::still(stored.as_ref())?);
            let changes = |sequence: u64| {
                let mut changes = both(entry.clone().number("sequence", sequence), &when)?.to_vec();
                changes.push(self.mortal(event_item(sequence, &K::event(info.clone()), now)?, now));
                Ok(changes)
            };
            let committed = self.change_with_events("store a body", 1, changes).await?;
            if committed == Committed::Done {
                // Nobody sees the parts of what was there before any more.
                self.let_go(stored.as_ref()).await;
                return Ok(Put::New(info));
            }
        };
        self.let_go(fresh.as_ref()).await;
        outcome
    }

    /// Gives the entry that is to be written with them.
    async fn write_parts<K: Key>(&self, key: &K, body: &Bytes, hash: &str, now: Timestamp) -> Result<Item, StoreError> {
        self.register(key).await?;
        let (version, cuts, until) = (new_stamp()?, Cuts::of(body), self.time_to_live(now));
        let parts = spans(&cuts.ends).enumerate().map(|(number, (begin, end))| {
            let item = Item::at(Place::new(key.folder(), part_key(&version, number)));
            Unconditional::Put(item.bytes("body", &body[begin..end]).number(TIME_TO_LIVE, until))
        });
        self.table.batch_write("store a body", parts).await?;
        let entry = Item::at(key.entry())
            .text("folder", key.folder())
            .text("source", key.source())
            .text("product", key.product())
            .time("time", key.time())
            .text("hash", hash)
            .number("bytes", body.len())
            .time("stored_at", now)
            .text("version", version)
            .numbers("ends", &cuts.ends)
            .number(TIME_TO_LIVE, until);
        Ok(match cuts.header {
            Some(length) => entry.bytes("header", &body[..length]),
            None => entry,
        })
    }

    /// So that the listing of sources knows of it. Once a process.
    async fn register<K: Key>(&self, key: &K) -> Result<(), StoreError> {
        let name = format!("{}#{}", key.source(), key.product());
        if key.product().is_empty() || self.registered.lock().await.contains(&name) {
            return Ok(());
        }
        let item = Item::at(Place::new(SOURCES, &name)).text("source", key.source()).text("product", key.product());
        self.table.batch_write("store a source", vec![Unconditional::Put(item)]).await?;
        self.registered.lock().await.insert(name);
        Ok(())
    }

    /// Deletes parts; where that fails their time to live does it.
    pub(super) async fn let_go(&self, entry: Option<&Item>) {
        let Some(entry) = entry else { return };
        let gone = match parts_of(entry) {
            Ok(parts) => {
                let deletes = parts.into_iter().map(Unconditional::Delete);
                self.table.batch_write("delete a body", deletes).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = gone {
            tracing::warn!(%error, "a body that nobody reads stays until its time to live ends");
        }
    }

    pub(super) async fn body_info<K: Key>(&self, key: &K) -> Result<K::Info, StoreError> {
        let entry = self.table.get("look up a body", &key.entry()).await?.filter(Item::is_visible);
        K::info(&entry.ok_or_else(|| StoreError::NotFound { what: key.to_string() })?)
    }

    pub(super) async fn get_body<K: Key>(&self, key: &K) -> Result<Stored<K::Info>, StoreError> {
        let mut looks = 1;
        loop {
            let items = self.table.query("read a body", &Range::all(key.folder())).await?;
            match assemble::<K>(key, items) {
                // Its parts were those of another version.
                Err(StoreError::Corrupt { .. }) if looks < LOOKS => looks += 1,
                outcome => return outcome,
            }
        }
    }

    /// Seconds since 1970. DynamoDB goes by the time of day, whatever clock the weather goes by.
    pub(super) fn time_to_live(&self, now: Timestamp) -> i64 {
        now.max(Timestamp::now()).as_second() + self.keep.as_secs()
    }

    /// With a time to live.
    pub(super) fn mortal(&self, change: Change, now: Timestamp) -> Change {
        match change {
            Change::Put(item, when) => Change::Put(item.number(TIME_TO_LIVE, self.time_to_live(now)), when),
            delete @ Change::Delete(..) => delete,
        }
    }
}

/// `None` where it is to be written, and what is there where that is the same.
fn decide<K: Key>(
    key: &K,
    stored: Option<&Item>,
    hash: &str,
    condition: &WriteCondition,
) -> Result<Option<K::Info>, StoreError> {
    let Some(entry) = stored.filter(|entry| entry.is_visible()) else {
        return match condition {
            WriteCondition::IfAbsent => Ok(None),
            WriteCondition::IfMatch(expected) => {
                Err(StoreError::Precondition { what: key.to_string(), expected: expected.clone(), found: None })
            }
        };
    };
    let found = entry.get_text("hash")?;
    match condition {
        _ if found == hash => Ok(Some(K::info(entry)?)),
        WriteCondition::IfAbsent => Err(StoreError::Conflict { what: key.to_string(), stored: found.to_owned() }),
        WriteCondition::IfMatch(expected) if found != expected => {
            let found = Some(found.to_owned());
            Err(StoreError::Precondition { what: key.to_string(), expected: expected.clone(), found })
        }
        WriteCondition::IfMatch(_) => Ok(None),
    }
}

/// The body out of the items of its folder.
fn assemble<K: Key>(key: &K, items: Vec<Item>) -> Result<Stored<K::Info>, StoreError> {
    let (manifests, parts): (Vec<_>, Vec<_>) = items.into_iter().partition(|i| i.get_text("sk").ok() == Some(MANIFEST));
    let manifest = manifests.into_iter().next().filter(Item::is_visible);
    let manifest = manifest.ok_or_else(|| StoreError::NotFound { what: key.to_string() })?;
    let wanted = parts_of(&manifest)?;
    let mut parts: Vec<_> = parts.into_iter().filter(|part| wanted.iter().any(|place| part.is_at(place))).collect();
    if parts.len() != wanted.len() {
        let (expected, found) = (format!("{} parts", wanted.len()), format!("{}", parts.len()));
        return Err(StoreError::Corrupt { what: key.to_string(), expected, found });
    }
    let body = if let [only] = parts.as_mut_slice() {
        only.take_bytes("body")?
    } else {
        let mut body = BytesMut::with_capacity(manifest.get_number("bytes")?);
        // Each part goes as soon as it is copied.
        for mut part in parts {
            body.extend_from_slice(&part.take_bytes("body")?);
        }
        body.freeze()
    };
    let (expected, found) = (manifest.get_text("hash")?, content_hash(&body));
    if found != expected {
        let expected = format!("a body with hash {expected}");
        return Err(StoreError::Corrupt { what: key.to_string(), expected, found });
    }
    Ok(Stored { info: K::info(&manifest)?, body })
}
