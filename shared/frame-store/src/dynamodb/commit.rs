//! The one way in which items change: a transaction of conditional puts and deletes, with the events of what it stores
//! and a look at the lease where there is one to hold.
//!
//! **Events** get the sequences after the one in the item `log/head`, which the same transaction moves on under the
//! condition that it stands where it was thought to stand. So sequences have no gaps, and an event is there before the
//! next one has its number: who reads the log up to some sequence has seen everything before it, whichever replica
//! wrote it. Writers of one process take turns; those of several collide now and then and try again.
//!
//! **Lost answers**: each item that is put carries the stamp of its write, and a refused transaction gives back the
//! items that refused it. Where one of them has our own stamp, an earlier try went through and nobody had told us.

use jiff::Timestamp;
use raincell_api_types::events::Event;
use raincell_aws::dynamodb::error::SdkError;
use raincell_aws::dynamodb::operation::transact_write_items::TransactWriteItemsError;
use raincell_aws::dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, Put, ReturnConsumedCapacity,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use super::item::{Attributes, Item, STAMP};
use super::keys::{HEAD, LOG, Place};
use super::request::{back_off, fault, key_of, sent, unbuilt};
use super::{DynamoStore, capacity};
use crate::StoreError;

/// How many writes a transaction may have, beside the head of the log and the lease.
pub(super) const WRITES: usize = 98;

/// What an item must be for a write to take place.
#[derive(Clone, Debug)]
pub(super) enum When {
    /// There is none.
    Absent,
    /// The one with this stamp.
    Unchanged(String),
}

impl When {
    /// As it was read.
    pub(super) fn still(found: Option<&Item>) -> Result<Self, StoreError> {
        Ok(match found {
            Some(item) => Self::Unchanged(item.stamp()?.to_owned()),
            None => Self::Absent,
        })
    }
}

/// One change of a transaction.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Put(Item, When),
    Delete(Place, When),
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Committed {
    /// It is written.
    Done,
    /// Something is not as it was read; nothing is written. The caller looks again.
    Overtaken,
}

/// Why a transaction was refused.
enum Refused {
    /// It was not: an earlier try went through.
    ByOurselves,
    /// The head of the log is not where it was thought to be.
    HeadMoved,
    /// The lease is not held, or was not a moment ago.
    Fenced,
    /// By one of the changes.
    Overtaken,
    /// Others are at the same items, or there are too many of them.
    InTheWay,
}

impl DynamoStore {
    /// Changes items without an event.
    pub(super) async fn change(&self, doing: &'static str, changes: &[Change]) -> Result<Committed, StoreError> {
        let (stamp, mut waits) = (new_stamp()?, back_off());
        loop {
            let transaction = self.transaction(doing, changes, None, &stamp)?;
            match self.send(doing, transaction, None, &stamp).await? {
                None | Some(Refused::ByOurselves) => return Ok(Committed::Done),
                Some(Refused::Overtaken) => return Ok(Committed::Overtaken),
                Some(Refused::Fenced) => {
                    self.admit().await?;
                    wait(doing, &mut waits).await?;
                }
                Some(Refused::InTheWay | Refused::HeadMoved) => wait(doing, &mut waits).await?,
            }
        }
    }

    /// Changes items and logs so many events. The changes are asked for with the sequence of the first event; those of
    /// the events themselves are among them ([`event_item`]).
    pub(super) async fn change_with_events(
        &self,
        doing: &'static str,
        events: u64,
        changes: impl Fn(u64) -> Result<Vec<Change>, StoreError> + Send,
    ) -> Result<Committed, StoreError> {
        if events == 0 {
            return self.change(doing, &changes(0)?).await;
        }
        let (stamp, mut waits) = (new_stamp()?, back_off());
        // Held over the request: of the writers of one process, only one can get the next sequence anyway.
        let mut known = self.known_head.lock().await;
        loop {
            let (head, last) = (*known, *known + events);
            let transaction = self.transaction(doing, &changes(head + 1)?, Some((head, last)), &stamp)?;
            match self.send(doing, transaction, Some(last), &stamp).await? {
                None | Some(Refused::ByOurselves) => {
                    // Where it was an earlier try, the head may be further on; the next writer learns it.
                    *known = last;
                    self.announce(last);
                    return Ok(Committed::Done);
                }
                Some(Refused::Overtaken) => return Ok(Committed::Overtaken),
                // Not every server gives the item back that refused.
                Some(Refused::HeadMoved) => {
                    metrics::counter!("raincell_store_dynamodb_head_moved_total").increment(1);
                    *known = self.head().await?;
                    self.announce(*known);
                }
                Some(Refused::Fenced) => {
                    self.admit().await?;
                    wait(doing, &mut waits).await?;
                }
                Some(Refused::InTheWay) => wait(doing, &mut waits).await?,
            }
        }
    }

    /// In this order: the head of the log if it is moved on (from, to), the lease if there is one, the changes.
    fn transaction(
        &self,
        doing: &'static str,
        changes: &[Change],
        head: Option<(u64, u64)>,
        stamp: &str,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let build = || TransactWriteItem::builder();
        let mut items = Vec::with_capacity(changes.len() + 2);
        if let Some((from, to)) = head {
            let item = Item::at(Place::new(LOG, HEAD)).number("sequence", to).text(STAMP, stamp);
            let put = Put::builder().table_name(&self.table.name).set_item(Some(item.0));
            let put = if from == 0 {
                put.condition_expression("attribute_not_exists(pk)")
            } else {
                put.condition_expression("#sequence = :from")
                    .expression_attribute_names("#sequence", "sequence")
                    .expression_attribute_values(":from", AttributeValue::N(from.to_string()))
            };
            let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            items.push(build().put(put.build().map_err(|e| unbuilt(doing, e))?).build());
        }
        if let Some(fence) = &self.fence {
            let check = ConditionCheck::builder()
                .table_name(&self.table.name)
                .set_key(Some(key_of(&Place::alone("lease", &fence.lease))))
                .condition_expression("#fence = :fence AND attribute_exists(#owner)")
                .expression_attribute_names("#fence", "fence")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":fence", AttributeValue::N(fence.token.to_string()))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            items.push(build().condition_check(check.build().map_err(|e| unbuilt(doing, e))?).build());
        }
        for change in changes {
            items.push(self.item_of(doing, change, stamp)?);
        }
        Ok(items)
    }

    fn item_of(&self, doing: &'static str, change: &Change, stamp: &str) -> Result<TransactWriteItem, StoreError> {
        let build = TransactWriteItem::builder();
        let (condition, values) = match change {
            Change::Put(_, When::Absent) | Change::Delete(_, When::Absent) => ("attribute_not_exists(pk)", None),
            Change::Put(_, When::Unchanged(stamp)) | Change::Delete(_, When::Unchanged(stamp)) => {
                ("w = :w", Some([(":w".to_owned(), AttributeValue::S(stamp.clone()))].into()))
            }
        };
        let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
        Ok(match change {
            Change::Put(item, _) => {
                let put = Put::builder()
                    .table_name(&self.table.name)
                    .set_item(Some(item.clone().text(STAMP, stamp).0))
                    .condition_expression(condition)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(all_old);
                build.put(put.build().map_err(|e| unbuilt(doing, e))?)
            }
            Change::Delete(place, _) => {
                let delete = Delete::builder()
                    .table_name(&self.table.name)
                    .set_key(Some(key_of(place)))
                    .condition_expression(condition)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(all_old);
                build.delete(delete.build().map_err(|e| unbuilt(doing, e))?)
            }
        }
        .build())
    }

    /// `None` where it is written.
    async fn send(
        &self,
        doing: &'static str,
        items: Vec<TransactWriteItem>,
        head: Option<u64>,
        stamp: &str,
    ) -> Result<Option<Refused>, StoreError> {
        let call = self
            .table
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            // The SDK gives each call a token of its own, the same for all of its tries.
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        match sent("TransactWriteItems", Box::pin(call.send())).await {
            Ok(output) => {
                for (kind, units) in capacity::of_transaction(output.consumed_capacity()) {
                    capacity::add("TransactWriteItems", kind, units);
                }
                Ok(None)
            }
            Err(error) => {
                let reasons = reasons(&error).map(<[CancellationReason]>::to_vec);
                match reasons {
                    Some(reasons) => self.refusal(doing, &reasons, head.is_some(), stamp, error).map(Some),
                    None => Err(fault(doing, error)),
                }
            }
        }
    }

    fn refusal(
        &self,
        doing: &'static str,
        reasons: &[CancellationReason],
        moves_head: bool,
        stamp: &str,
        error: SdkError<TransactWriteItemsError>,
    ) -> Result<Refused, StoreError> {
        let ours = |item: &Attributes| item.get(STAMP).and_then(|stamp| stamp.as_s().ok()).is_some_and(|s| s == stamp);
        if reasons.iter().filter_map(CancellationReason::item).any(ours) {
            return Ok(Refused::ByOurselves);
        }
        let failed = |at: usize| reasons.get(at).and_then(CancellationReason::code) == Some("ConditionalCheckFailed");
        if self.fence.is_some() && failed(usize::from(moves_head)) {
            return Ok(Refused::Fenced);
        }
        // First of all: where the head has moved, the event with the expected number is there as well.
        if moves_head && failed(0) {
            return Ok(Refused::HeadMoved);
        }
        if reasons.iter().any(|reason| reason.code() == Some("ConditionalCheckFailed")) {
            return Ok(Refused::Overtaken);
        }
        let passing = ["None", "TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"];
        if reasons.iter().all(|r| r.code().is_none_or(|code| passing.contains(&code))) {
            return Ok(Refused::InTheWay);
        }
        Err(fault(doing, error))
    }
}

async fn wait(
    doing: &'static str,
    waits: &mut (impl Iterator<Item = std::time::Duration> + Send),
) -> Result<(), StoreError> {
    metrics::counter!("raincell_store_dynamodb_conflicts_total").increment(1);
    tokio::time::sleep(waits.next().ok_or(StoreError::Busy { doing })?).await;
    Ok(())
}

fn reasons(error: &SdkError<TransactWriteItemsError>) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => Some(cancelled.cancellation_reasons()),
        _ => None,
    }
}

/// A name that no other write has.
pub(super) fn new_stamp() -> Result<String, StoreError> {
    let random = getrandom::u64()
        .map_err(|error| StoreError::Backend { doing: "draw a random number", source: error.to_string().into() })?;
    Ok(format!("{random:016x}"))
}

/// The item of an event.
pub(super) fn event_item(sequence: u64, event: &Event, now: Timestamp) -> Result<Change, StoreError> {
    let item = Item::at(Place::event(sequence)).number("sequence", sequence).time("logged_at", now);
    Ok(Change::Put(item.json("event", event)?, When::Absent))
}
