//! Capacity units consumed, as DynamoDB itself counts them: what the bill is made of.

use std::collections::BTreeMap;
use std::sync::Mutex;

use raincell_aws::dynamodb::types::ConsumedCapacity;

/// Of each operation the part of a unit that is not in the counter yet: reads come in halves, counters do not.
static FRACTIONS: Mutex<BTreeMap<(&str, &str), f64>> = Mutex::new(BTreeMap::new());

/// Adds to `raincell_store_dynamodb_capacity_units_total`; `kind` is `read` or `write`.
pub(super) fn add(operation: &'static str, kind: &'static str, units: f64) {
    let Ok(mut fractions) = FRACTIONS.lock() else { return };
    let fraction = fractions.entry((operation, kind)).or_insert(0.0);
    *fraction += units.max(0.0);
    let whole = fraction.floor();
    *fraction -= whole;
    metrics::counter!("raincell_store_dynamodb_capacity_units_total", "operation" => operation, "kind" => kind)
        .increment(whole as u64);
}

/// Read and write units of a transaction of writes. The first answer tells the write units, two for each KB of each item;
/// one that is given again under the same idempotency token tells the read units of looking at what was written.
pub(super) fn of_transaction(used: &[ConsumedCapacity]) -> [(&'static str, f64); 2] {
    let (mut read, mut write) = (0.0, 0.0);
    for used in used {
        match (used.read_capacity_units(), used.write_capacity_units()) {
            // A server that does not tell them apart.
            (None, None) => write += used.capacity_units().unwrap_or(0.0),
            (reads, writes) => {
                read += reads.unwrap_or(0.0);
                write += writes.unwrap_or(0.0);
            }
        }
    }
    [("read", read), ("write", write)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used() -> raincell_aws::dynamodb::types::builders::ConsumedCapacityBuilder {
        ConsumedCapacity::builder().table_name("t")
    }

    #[test]
    fn a_transaction_costs_writes_and_its_answer_again_costs_reads() {
        let first = used().capacity_units(10.0).write_capacity_units(10.0).build();
        let again = used().capacity_units(6.0).read_capacity_units(6.0).build();
        let plain = used().capacity_units(4.0).build();
        assert_eq!(of_transaction(&[first]), [("read", 0.0), ("write", 10.0)]);
        assert_eq!(of_transaction(&[again]), [("read", 6.0), ("write", 0.0)]);
        assert_eq!(of_transaction(&[plain]), [("read", 0.0), ("write", 4.0)]);
    }
}
