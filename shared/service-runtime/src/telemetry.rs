//! Logs and metrics.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// Turns logging on: human-readable on a terminal, JSON lines elsewhere (`RAINCELL_LOG_FORMAT=text|json` decides
/// otherwise), filtered by `RAINCELL_LOG` (default `info`). Logs go to standard error.
pub fn init_tracing(default_filter: &str) {
    let filter = EnvFilter::try_from_env("RAINCELL_LOG").unwrap_or_else(|_| EnvFilter::new(default_filter));
    let format = std::env::var("RAINCELL_LOG_FORMAT").unwrap_or_default();
    let json = match format.as_str() {
        "json" => true,
        "text" => false,
        _ => !std::io::IsTerminal::is_terminal(&std::io::stderr()),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call (tests run several services in one process) keeps the first subscriber.
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
}

/// Upper bounds of the buckets of all `…_seconds` histograms: from an answer out of memory to a run over a large mosaic.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The recorder that all services of this process write their metrics to.
pub fn prometheus() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        // Buckets, unlike quantiles, can be added up over several processes. It fails for no buckets only.
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Fails only where a test has installed a recorder of its own; its metrics are then what it sees.
        let _ = metrics::set_global_recorder(recorder);
        handle
    })
}
