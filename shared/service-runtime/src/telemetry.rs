//! Logs, traces and metrics.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use raincell_traces::traced;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::{Exporter, TraceSettings};

/// Turns logging on: human-readable on a terminal, JSON lines elsewhere (`RAINCELL_LOG_FORMAT=text|json` decides
/// otherwise), filtered by `RAINCELL_LOG` (default `info`). Logs go to standard error. Spans go where `traces` says, as
/// long as the exporter is kept; those of the last second go when it is dropped.
///
/// # Errors
/// When spans are to be sent and the means to do so cannot be made.
pub fn init_tracing(default_filter: &str, traces: &TraceSettings) -> anyhow::Result<Option<Exporter>> {
    let filter = EnvFilter::try_from_env("RAINCELL_LOG").unwrap_or_else(|_| EnvFilter::new(default_filter));
    let format = std::env::var("RAINCELL_LOG_FORMAT").unwrap_or_default();
    let json = match format.as_str() {
        "json" => true,
        "text" => false,
        _ => !std::io::IsTerminal::is_terminal(&std::io::stderr()),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if json { lines.json().boxed() } else { lines.boxed() };
    // Traces are followed whatever the log leaves out: requests to other services carry them.
    let (exporter, layer) = traces.collector.clone().map(Exporter::start).transpose()?.unzip();
    let layer = layer.unwrap_or_default().with_filter(filter_fn(traced).with_max_level_hint(LevelFilter::INFO));
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter)).with(layer);
    // A second call (tests run several services in one process) keeps the first subscriber.
    let _ = subscriber.try_init();
    Ok(exporter)
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
