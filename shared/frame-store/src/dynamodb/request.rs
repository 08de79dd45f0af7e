//! Requests to the one table: pages are read to their end, what DynamoDB leaves undone is asked for again, the capacity
//! that each consumes is counted.

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use raincell_aws::dynamodb::Client;
use raincell_aws::dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use raincell_aws::dynamodb::types::{
    AttributeValue, ConsumedCapacity, DeleteRequest, KeysAndAttributes, PutRequest, ReturnConsumedCapacity,
    WriteRequest,
};

use super::item::{Attributes, Item};
use super::keys::Place;
use crate::StoreError;

/// DynamoDB's own limits of one call.
const KEYS_A_BATCH_GET: usize = 100;
const ITEMS_A_BATCH_WRITE: usize = 25;
/// Of 16 MB, so that the JSON around the bytes (base 64) has its place.
const BYTES_A_BATCH_WRITE: usize = 8_000_000;

/// The waits between the tries of what is throttled or in the way of others: some 15 s in all, jittered.
pub(super) fn back_off() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(10))
        .with_max_delay(Duration::from_secs(1))
        .with_max_times(24)
        .with_jitter()
        .build()
}

/// Which part of a partition, in which order.
#[derive(Clone, Debug)]
pub(super) struct Range {
    pub(super) pk: String,
    /// Lowest and highest sort key, both in it.
    pub(super) between: Option<(String, String)>,
    pub(super) newest_first: bool,
    /// Items of one page, where fewer than the megabyte that DynamoDB gives are enough.
    pub(super) page: Option<usize>,
}

impl Range {
    pub(super) fn all(pk: impl Into<String>) -> Self {
        Self { pk: pk.into(), between: None, newest_first: false, page: None }
    }

    pub(super) fn between(pk: impl Into<String>, low: impl Into<String>, high: impl Into<String>) -> Self {
        Self { between: Some((low.into(), high.into())), ..Self::all(pk) }
    }
}

/// Put an item, or delete what is there.
#[derive(Clone, Debug)]
pub(super) enum Unconditional {
    Put(Item),
    Delete(Place),
}

/// The table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) client: Client,
    pub(super) name: String,
}

impl Table {
    /// An item as it is now.
    pub(super) async fn get(&self, doing: &'static str, place: &Place) -> Result<Option<Item>, StoreError> {
        let call = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key_of(place)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let output = timed("GetItem", doing, Box::pin(call.send())).await?;
        count("GetItem", "read", output.consumed_capacity());
        Ok(output.item.map(Item))
    }

    /// A page of items, and where the next one begins.
    pub(super) async fn page(
        &self,
        doing: &'static str,
        range: &Range,
        start: Option<Attributes>,
    ) -> Result<(Vec<Item>, Option<Attributes>), StoreError> {
        let mut call = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .scan_index_forward(!range.newest_first)
            .set_limit(range.page.map(|n| i32::try_from(n).unwrap_or(i32::MAX)))
            .set_exclusive_start_key(start)
            .expression_attribute_values(":pk", AttributeValue::S(range.pk.clone()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        call = match &range.between {
            None => call.key_condition_expression("pk = :pk"),
            Some((low, high)) => call
                .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
                .expression_attribute_values(":low", AttributeValue::S(low.clone()))
                .expression_attribute_values(":high", AttributeValue::S(high.clone())),
        };
        let output = timed("Query", doing, Box::pin(call.send())).await?;
        count("Query", "read", output.consumed_capacity());
        let next = output.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((output.items.unwrap_or_default().into_iter().map(Item).collect(), next))
    }

    /// The items of a range until `enough` says so of what there is.
    pub(super) async fn query_until(
        &self,
        doing: &'static str,
        range: &Range,
        enough: impl Fn(&[Item]) -> bool + Send,
    ) -> Result<Vec<Item>, StoreError> {
        let (mut items, mut start) = (Vec::new(), None);
        loop {
            let (page, next) = self.page(doing, range, start).await?;
            items.extend(page);
            if next.is_none() || enough(&items) {
                return Ok(items);
            }
            start = next;
        }
    }

    /// All items of a range.
    pub(super) async fn query(&self, doing: &'static str, range: &Range) -> Result<Vec<Item>, StoreError> {
        self.query_until(doing, range, |_| false).await
    }

    /// The items at those places that are there, in no order. No place may be named twice.
    pub(super) async fn batch_get(&self, doing: &'static str, places: &[Place]) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::with_capacity(places.len());
        for places in places.chunks(KEYS_A_BATCH_GET) {
            let mut wanted: Vec<_> = places.iter().map(key_of).collect();
            let mut waits = back_off();
            loop {
                let asked = wanted.len();
                let keys = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build();
                let call = self
                    .client
                    .batch_get_item()
                    .request_items(&self.name, keys.map_err(|e| unbuilt(doing, e))?)
                    .return_consumed_capacity(ReturnConsumedCapacity::Total);
                let output = timed("BatchGetItem", doing, Box::pin(call.send())).await?;
                output.consumed_capacity().iter().for_each(|used| count("BatchGetItem", "read", Some(used)));
                items.extend(output.responses.into_iter().flatten().flat_map(|(_, found)| found).map(Item));
                wanted = output.unprocessed_keys.into_iter().flatten().flat_map(|(_, rest)| rest.keys).collect();
                if wanted.is_empty() {
                    break;
                }
                unprocessed("BatchGetItem", wanted.len());
                // More than 16 MB come in several answers, without a wait; an answer with nothing in it is a throttle.
                if wanted.len() == asked {
                    let wait = waits.next().ok_or(StoreError::Busy { doing })?;
                    tokio::time::sleep(wait).await;
                }
            }
        }
        Ok(items)
    }

    /// Writes without a condition, in no order and not in one step.
    /// Only one batch of them is made at a time.
    pub(super) async fn batch_write(
        &self,
        doing: &'static str,
        writes: impl IntoIterator<Item = Unconditional, IntoIter: Send>,
    ) -> Result<(), StoreError> {
        let mut rest = writes.into_iter().peekable();
        while rest.peek().is_some() {
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while let Some(next) = rest.peek() {
                let size = size_of(next);
                if batch.len() == ITEMS_A_BATCH_WRITE || (bytes + size > BYTES_A_BATCH_WRITE && !batch.is_empty()) {
                    break;
                }
                bytes += size;
                batch.extend(rest.next());
            }
            self.write_one_batch(doing, batch).await?;
        }
        Ok(())
    }

    async fn write_one_batch(&self, doing: &'static str, batch: Vec<Unconditional>) -> Result<(), StoreError> {
        let requests: Result<Vec<_>, _> = batch.into_iter().map(|write| request_of(doing, write)).collect();
        let mut pending = HashMap::from([(self.name.clone(), requests?)]);
        let mut waits = back_off();
        loop {
            let call = self
                .client
                .batch_write_item()
                .set_request_items(Some(pending))
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let output = timed("BatchWriteItem", doing, Box::pin(call.send())).await?;
            output.consumed_capacity().iter().for_each(|used| count("BatchWriteItem", "write", Some(used)));
            pending = output.unprocessed_items.unwrap_or_default();
            pending.retain(|_, requests| !requests.is_empty());
            if pending.is_empty() {
                return Ok(());
            }
            unprocessed("BatchWriteItem", pending.values().map(Vec::len).sum());
            let wait = waits.next().ok_or(StoreError::Busy { doing })?;
            tokio::time::sleep(wait).await;
        }
    }
}

pub(super) fn key_of(place: &Place) -> Attributes {
    let text = |text: &String| AttributeValue::S(text.clone());
    HashMap::from([("pk".to_owned(), text(&place.pk)), ("sk".to_owned(), text(&place.sk))])
}

fn request_of(doing: &'static str, write: Unconditional) -> Result<WriteRequest, StoreError> {
    let request = WriteRequest::builder();
    Ok(match write {
        Unconditional::Put(item) => {
            let put = PutRequest::builder().set_item(Some(item.0)).build().map_err(|e| unbuilt(doing, e))?;
            request.put_request(put)
        }
        Unconditional::Delete(place) => {
            let key = Some(key_of(&place));
            request.delete_request(DeleteRequest::builder().set_key(key).build().map_err(|e| unbuilt(doing, e))?)
        }
    }
    .build())
}

/// Nearly; only bodies weigh anything.
fn size_of(write: &Unconditional) -> usize {
    let Unconditional::Put(item) = write else { return 0 };
    item.0.values().filter_map(|value| value.as_b().ok()).map(|blob| blob.as_ref().len()).sum()
}

pub(super) fn unbuilt(doing: &'static str, error: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::Backend { doing, source: error.into() }
}

/// Awaits a call (boxed by the caller: the SDK's futures take some 20 KB each); what happened to it goes into the metrics.
async fn timed<T, E>(
    operation: &'static str,
    doing: &'static str,
    call: impl Future<Output = Result<T, SdkError<E>>>,
) -> Result<T, StoreError>
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    sent(operation, call).await.map_err(|error| fault(doing, error))
}

/// As [`timed`], with the error as the SDK has it.
pub(super) async fn sent<T, E: ProvideErrorMetadata>(
    operation: &'static str,
    call: impl Future<Output = Result<T, SdkError<E>>>,
) -> Result<T, SdkError<E>> {
    let began = Instant::now();
    let outcome = call.await;
    let name = match &outcome {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.code().map_or_else(|| "no answer".to_owned(), str::to_owned),
    };
    metrics::histogram!("raincell_store_dynamodb_seconds", "operation" => operation)
        .record(began.elapsed().as_secs_f64());
    metrics::counter!("raincell_store_dynamodb_requests_total", "operation" => operation, "outcome" => name)
        .increment(1);
    outcome
}

/// Into the metrics.
fn count(operation: &'static str, kind: &'static str, used: Option<&ConsumedCapacity>) {
    let units = used.and_then(ConsumedCapacity::capacity_units).unwrap_or(0.0);
    super::capacity::add(operation, kind, units);
}

fn unprocessed(operation: &'static str, items: usize) {
    metrics::counter!("raincell_store_dynamodb_unprocessed_total", "operation" => operation).increment(items as u64);
}

/// Codes of what may go well a moment later.
const PASSING: [&str; 9] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "InternalServerError",
    "InternalFailure",
    "ServiceUnavailable",
    "TransactionInProgressException",
    "TransactionConflictException",
    "LimitExceededException",
];

/// What a caller can do about it.
pub(super) fn fault<E>(doing: &'static str, error: SdkError<E>) -> StoreError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let passing = match &error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
        SdkError::ServiceError(service) => {
            service.raw().status().as_u16() >= 500 || error.code().is_some_and(|code| PASSING.contains(&code))
        }
        _ => false,
    };
    if passing {
        tracing::warn!(doing, error = %DisplayErrorContext(&error), "DynamoDB does not do it now");
        return StoreError::Busy { doing };
    }
    StoreError::Backend { doing, source: DisplayErrorContext(error).to_string().into() }
}
