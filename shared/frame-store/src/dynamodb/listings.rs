//! Listings of frames and runs, and series at a point.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::frames::{FrameInfo, FramePage, SourceInfo};
use raincell_frame::{SegmentInfo, decode_header_in};

use super::DynamoStore;
use super::bodies::{Key, frames_of, parts_of};
use super::item::Item;
use super::keys::{Place, SOURCES, time_key};
use super::parts::spans;
use super::request::Range;
use crate::key::Cursor;
use crate::{FrameKey, FrameQuery, SeriesFrame, StoreError, Wanted};

/// Entries of one page, where nobody says how many there will be: two hours of a frame every two minutes.
const SERIES_PAGE: usize = 64;

impl DynamoStore {
    /// One Query for a source and product; without them, one for each there is.
    pub(super) async fn list(&self, query: &FrameQuery) -> Result<FramePage, StoreError> {
        let cursor = query.cursor.as_deref().map(Cursor::parse).transpose()?;
        let limit = query.limit.clamp(1, usize::MAX - 1);
        let mut frames: Vec<FrameInfo> = Vec::new();
        for (source, product) in self.asked_for(query).await? {
            frames.extend(self.list_one(query, cursor.as_ref(), &source, &product, limit + 1).await?);
        }
        frames.sort_by(|a, b| order(a).cmp(&order(b)));
        let more = frames.len() > limit;
        frames.truncate(limit);
        let next_cursor = frames.last().filter(|_| more).map(|last| {
            let (source, product) = (last.source.clone(), last.product.clone());
            Cursor { time_us: last.valid_time.as_microsecond(), source, product }.to_string()
        });
        Ok(FramePage { frames, next_cursor })
    }

    async fn asked_for(&self, query: &FrameQuery) -> Result<Vec<(String, String)>, StoreError> {
        if let (Some(source), Some(product)) = (&query.source, &query.product) {
            return Ok(vec![(source.clone(), product.clone())]);
        }
        let fits = |asked: &Option<String>, name: &String| asked.as_ref().is_none_or(|asked| asked == name);
        let mut names = self.names().await?;
        names.retain(|(source, product)| fits(&query.source, source) && fits(&query.product, product));
        Ok(names)
    }

    async fn list_one(
        &self,
        query: &FrameQuery,
        cursor: Option<&Cursor>,
        source: &str,
        product: &str,
        limit: usize,
    ) -> Result<Vec<FrameInfo>, StoreError> {
        let after = cursor.and_then(|cursor| Timestamp::from_microsecond(cursor.time_us).ok());
        let low = query.from.unwrap_or(Timestamp::MIN).max(after.unwrap_or(Timestamp::MIN));
        let high = query.to.unwrap_or(Timestamp::MAX);
        if low > high {
            return Ok(Vec::new());
        }
        let range = Range {
            page: Some(limit.saturating_add(1).min(1000)),
            ..Range::between(frames_of(source, product), time_key(low), time_key(high))
        };
        let beyond = |info: &FrameInfo| {
            let at = (info.valid_time.as_microsecond(), source, product);
            cursor.is_none_or(|c| at > (c.time_us, c.source.as_str(), c.product.as_str()))
        };
        // One entry may be the one that the cursor stands on.
        let enough = |items: &[Item]| items.iter().filter(|item| item.is_visible()).count() > limit;
        let items = self.table.query_until("list frames", &range, enough).await?;
        let infos: Result<Vec<_>, _> = items.iter().filter(|item| item.is_visible()).map(FrameKey::info).collect();
        Ok(infos?.into_iter().filter(beyond).take(limit).collect())
    }

    /// The newest `n` of a listing, in ascending order.
    pub(super) async fn newest<K: Key>(&self, listing: String, n: usize) -> Result<Vec<K::Info>, StoreError> {
        if n == 0 {
            return Ok(Vec::new());
        }
        let range = Range { newest_first: true, page: Some(n.min(1000)), ..Range::all(listing) };
        let enough = |items: &[Item]| items.iter().filter(|item| item.is_visible()).count() >= n;
        let items = self.table.query_until("list the newest", &range, enough).await?;
        let newest = items.iter().filter(|item| item.is_visible()).take(n);
        let mut infos = newest.map(K::info).collect::<Result<Vec<_>, _>>()?;
        infos.reverse();
        Ok(infos)
    }

    async fn names(&self) -> Result<Vec<(String, String)>, StoreError> {
        let items = self.table.query("list sources", &Range::all(SOURCES)).await?;
        let name = |item: &Item| Ok((item.get_text("source")?.to_owned(), item.get_text("product")?.to_owned()));
        let mut names = items.iter().map(name).collect::<Result<Vec<_>, StoreError>>()?;
        // `a-b` comes before `a#rate` among the keys.
        names.sort();
        Ok(names)
    }

    pub(super) async fn list_sources(&self) -> Result<Vec<SourceInfo>, StoreError> {
        let mut sources = Vec::new();
        for (source, product) in self.names().await? {
            let entries = self.table.query("list sources", &Range::all(frames_of(&source, &product))).await?;
            let visible: Vec<_> = entries.iter().filter(|item| item.is_visible()).collect();
            if let Some(newest) = visible.last() {
                let (newest_valid_time, frames) = (newest.get_time("time")?, visible.len() as u64);
                sources.push(SourceInfo { source, product, newest_valid_time, frames });
            }
        }
        Ok(sources)
    }

    /// One Query for the entries, which hold the headers, and one BatchGet for a segment of each that is not known yet.
    pub(super) async fn series(
        &self,
        source: &str,
        product: &str,
        past: SignedDuration,
        wanted: &dyn Wanted,
    ) -> Result<Vec<SeriesFrame>, StoreError> {
        let range = Range { newest_first: true, page: Some(SERIES_PAGE), ..Range::all(frames_of(source, product)) };
        let newest = |items: &[Item]| items.iter().find(|item| item.is_visible())?.get_time("time").ok();
        let begin = |items: &[Item]| newest(items).map(|time| time.checked_sub(past).unwrap_or(Timestamp::MIN));
        let before = |item: &Item, begin: Timestamp| item.get_time("time").is_ok_and(|time| time < begin);
        let enough = |items: &[Item]| items.last().zip(begin(items)).is_some_and(|(last, begin)| before(last, begin));
        let mut entries = self.table.query_until("read a series", &range, enough).await?;
        let Some(begin) = begin(&entries) else { return Ok(Vec::new()) };
        entries.retain(|entry| entry.is_visible() && !before(entry, begin));
        entries.reverse();
        let mut openings = Vec::with_capacity(entries.len());
        for entry in &entries {
            openings.push(Opening::of(entry, wanted)?);
        }
        let places: BTreeSet<_> = openings.iter().flat_map(Opening::parts).map(|(place, _)| place.clone()).collect();
        let found = self.known_parts.read(&self.table, "read a series", places).await?;
        let mut series = Vec::with_capacity(entries.len());
        for (entry, opening) in entries.iter().zip(openings) {
            let info = FrameKey::info(entry)?;
            match opening.fill(&found) {
                Some((opening, segment)) => series.push(SeriesFrame { info, opening, segment }),
                // Replaced since it was listed, or one whose header is no part of the listing.
                None => match self.get_body(&FrameKey::new(&info.source, &info.product, info.valid_time)?).await {
                    Ok(stored) => {
                        series.push(SeriesFrame { info: stored.info, opening: stored.body, segment: None });
                    }
                    Err(StoreError::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                },
            }
        }
        Ok(series)
    }
}

fn order(info: &FrameInfo) -> (i64, &str, &str) {
    (info.valid_time.as_microsecond(), &info.source, &info.product)
}

/// What the listing says of a frame, and what is still to be read.
enum Opening {
    /// Nothing is wanted of it.
    Known,
    /// Its header, and the segment that is wanted.
    Header { header: Bytes, segment: Option<Segment> },
    /// The listing has no header of it that this program knows.
    Unknown,
}

/// A segment, and the parts of the body that hold it.
struct Segment {
    info: SegmentInfo,
    /// Where each is in the table, and where it begins in the body.
    parts: Vec<(Place, usize)>,
}

impl Opening {
    fn of(entry: &Item, wanted: &dyn Wanted) -> Result<Self, StoreError> {
        if wanted.is_known(&FrameKey::info(entry)?) {
            return Ok(Self::Known);
        }
        let Some(header) = entry.get_bytes("header") else { return Ok(Self::Unknown) };
        let Ok(decoded) = decode_header_in(header, entry.get_number("bytes")?) else { return Ok(Self::Unknown) };
        let info = wanted.segment_of(&decoded).and_then(|number| decoded.segments.get(number).copied());
        let header = Bytes::copy_from_slice(header);
        let Some(info) = info else { return Ok(Self::Header { header, segment: None }) };
        let ends = entry.get_numbers("ends")?;
        let places = parts_of(entry)?.into_iter().zip(spans(&ends));
        let overlaps = |begin: usize, end: usize| begin < info.offset + info.length && end > info.offset;
        let parts = places.filter(|(_, (begin, end))| overlaps(*begin, *end)).map(|(place, (begin, _))| (place, begin));
        Ok(Self::Header { header, segment: Some(Segment { info, parts: parts.collect() }) })
    }

    fn parts(&self) -> &[(Place, usize)] {
        match self {
            Self::Header { segment: Some(segment), .. } => &segment.parts,
            _ => &[],
        }
    }

    /// Opening and segment; `None` where a part is missing.
    fn fill(self, found: &HashMap<Place, Bytes>) -> Option<(Bytes, Option<Bytes>)> {
        match self {
            Self::Known => Some((Bytes::new(), None)),
            Self::Header { header, segment: None } => Some((header, None)),
            Self::Header { header, segment: Some(segment) } => Some((header, Some(segment.fill(found)?))),
            Self::Unknown => None,
        }
    }
}

impl Segment {
    fn fill(self, found: &HashMap<Place, Bytes>) -> Option<Bytes> {
        let (first, end) = (self.info.offset, self.info.offset + self.info.length);
        let mut bytes = Vec::with_capacity(self.info.length);
        for (place, begin) in self.parts {
            let part = found.get(&place)?;
            let wanted = (first + bytes.len()).checked_sub(begin)?..end.min(begin + part.len()).checked_sub(begin)?;
            bytes.extend_from_slice(part.get(wanted)?);
        }
        (bytes.len() == self.info.length).then(|| bytes.into())
    }
}
