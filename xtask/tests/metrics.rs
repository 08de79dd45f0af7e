//! The names of metrics: as Prometheus wants them, and all of them in docs/metrics.md.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Name → macro that makes it, of all sources below a folder.
fn collect(folder: &Path, found: &mut BTreeMap<String, &'static str>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && !["tests", "target", "node_modules"].iter().any(|other| path.ends_with(other)) {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for kind in ["counter", "gauge", "histogram"] {
                for (at, call) in text.match_indices(&format!("{kind}!(")) {
                    let Some(name) = text[at + call.len()..].trim_start().strip_prefix("\"raincell_") else { continue };
                    let name = format!("raincell_{}", name.split('"').next().unwrap());
                    assert_eq!(*found.entry(name.clone()).or_insert(kind), kind, "{name} is of two kinds");
                }
            }
        }
    }
}

#[test]
fn every_metric_is_named_by_the_rules_and_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut made = BTreeMap::new();
    for folder in ["services", "shared"] {
        collect(&root.join(folder), &mut made);
    }
    assert!(made.len() > 50, "only {} are found", made.len());
    for (name, kind) in &made {
        assert_eq!(name.ends_with("_total"), *kind == "counter", "{name} is a {kind}");
        if *kind == "histogram" {
            assert!(name.ends_with("_seconds") || name.ends_with("_bytes"), "{name} has no unit");
        }
        for (unit, full) in [("_ms", "_seconds"), ("_s", "_seconds"), ("_kb", "_bytes"), ("_mb", "_bytes")] {
            assert!(!name.trim_end_matches("_total").ends_with(unit), "{name}: expected {full}");
        }
    }
    let table = std::fs::read_to_string(root.join("docs/metrics.md")).unwrap();
    let documented: BTreeSet<(String, String)> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(name, rest)| (name.to_owned(), rest.split(' ').next().unwrap().to_owned()))
        .collect();
    let made: BTreeSet<(String, String)> = made.into_iter().map(|(name, kind)| (name, kind.to_owned())).collect();
    let missing: Vec<_> = made.difference(&documented).collect();
    let gone: Vec<_> = documented.difference(&made).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not in docs/metrics.md: {missing:?}; only there: {gone:?}");
}
