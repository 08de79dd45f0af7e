//! Capacity units consumed, as DynamoDB itself counts them: what the bill is made of.

use std::collections::BTreeMap;
use std::sync::Mutex;

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
