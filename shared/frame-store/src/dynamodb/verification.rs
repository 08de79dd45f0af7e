//! Rolling verification: an item for each hour of issue times and method, which holds all lead times; and beside it a
//! small one that says when something was added, so that what is old is found without reading the sums.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use raincell_api_types::verification::{PooledSums, ScoredNowcast, Sums, add_sums};
use serde::{Deserialize, Serialize};

use super::DynamoStore;
use super::commit::{Change, Committed, WRITES, When};
use super::item::Item;
use super::keys::{Place, VERIFIED, time_key};
use super::request::Range;
use crate::StoreError;

/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;

/// The nowcasts of one hour and method at one lead time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Lead {
    /// Issue times that are in its sums, microseconds into the hour.
    issued: BTreeSet<i64>,
    sums: Sums,
}

/// By minutes of lead time.
type Leads = BTreeMap<u16, Lead>;

impl DynamoStore {
    pub(super) async fn add_scored(
        &self,
        source: &str,
        scored: &[ScoredNowcast],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let doing = "add to the verification";
        self.admit().await?;
        let mut by_item: BTreeMap<(i64, &str), Vec<&ScoredNowcast>> = BTreeMap::new();
        for nowcast in scored {
            let hour = nowcast.issue_time.as_microsecond().div_euclid(HOUR);
            by_item.entry((hour, &nowcast.method)).or_default().push(nowcast);
        }
        if by_item.len() * 2 > WRITES {
            let source = format!("{} hours and methods at once, at most {} can be", by_item.len(), WRITES / 2).into();
            return Err(StoreError::Backend { doing, source });
        }
        loop {
            let (mut changes, mut added) = (Vec::new(), 0);
            for ((hour, method), nowcasts) in &by_item {
                let key = sort_key(*hour, method)?;
                let place = Place::new(format!("verification#{source}"), &key);
                let stored = self.table.get(doing, &place).await?;
                let mut leads: Leads = stored.as_ref().map_or(Ok(Leads::new()), |item| item.get_json("leads"))?;
                let new = nowcasts.iter().filter(|nowcast| add(&mut leads, nowcast)).count() as u64;
                if new == 0 {
                    continue;
                }
                added += new;
                let item = Item::at(place).text("method", *method).json("leads", &leads)?;
                let noted = Item::at(Place::new(VERIFIED, format!("{source}#{key}")));
                let noted = noted.text("source", source).text("key", key).time("added_at", now);
                // Both always change together, so that they carry the same stamp.
                let when = When::still(stored.as_ref())?;
                changes.extend([Change::Put(item, when.clone()), Change::Put(noted, when)]);
            }
            if changes.is_empty() || self.change(doing, &changes).await? == Committed::Done {
                return Ok(added);
            }
        }
    }

    pub(super) async fn pooled(
        &self,
        source: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<PooledSums>, StoreError> {
        let first = |time: Timestamp| -(-time.as_microsecond()).div_euclid(HOUR);
        let (from, to) = (first(from), first(to));
        if from >= to {
            return Ok(Vec::new());
        }
        // `!` comes before the `#` that follows each hour: the hour that ends it is not in it.
        let (low, high) = (hour_key(from)?, format!("{}!", hour_key(to)?));
        let range = Range::between(format!("verification#{source}"), low, high);
        let mut pools: BTreeMap<(String, u16), (u64, Sums)> = BTreeMap::new();
        for item in self.table.query("read the verification", &range).await? {
            for (lead_min, lead) in item.get_json::<Leads>("leads")? {
                let pool = pools.entry((item.get_text("method")?.to_owned(), lead_min)).or_default();
                pool.0 += lead.issued.len() as u64;
                add_sums(&mut pool.1, &lead.sums);
            }
        }
        let pooled = |((method, lead_min), (nowcasts, sums))| PooledSums { method, lead_min, nowcasts, sums };
        Ok(pools.into_iter().map(pooled).collect())
    }

    pub(super) async fn forget_scored(&self, added_before: Timestamp) -> Result<u64, StoreError> {
        let doing = "forget old verification";
        self.admit().await?;
        let mut forgotten = 0;
        for noted in self.table.query(doing, &Range::all(VERIFIED)).await? {
            if noted.get_time("added_at")? < added_before {
                let when = When::still(Some(&noted))?;
                let sums = Place::new(format!("verification#{}", noted.get_text("source")?), noted.get_text("key")?);
                let deletes = [Change::Delete(sums, when.clone()), Change::Delete(noted.place()?, when)];
                forgotten += u64::from(self.change(doing, &deletes).await? == Committed::Done);
            }
        }
        Ok(forgotten)
    }
}

/// False where it is in already.
fn add(leads: &mut Leads, nowcast: &ScoredNowcast) -> bool {
    let lead = leads.entry(nowcast.lead_min).or_default();
    let new = lead.issued.insert(nowcast.issue_time.as_microsecond().rem_euclid(HOUR));
    if new {
        add_sums(&mut lead.sums, &nowcast.sums);
    }
    new
}

fn sort_key(hour: i64, method: &str) -> Result<String, StoreError> {
    Ok(format!("{}#{method}", hour_key(hour)?))
}

fn hour_key(hour: i64) -> Result<String, StoreError> {
    let time = hour.checked_mul(HOUR).and_then(|time| Timestamp::from_microsecond(time).ok());
    let time = time.ok_or_else(|| StoreError::Backend {
        doing: "place an hour",
        source: format!("hour {hour} since 1970 is no time").into(),
    })?;
    Ok(time_key(time))
}
