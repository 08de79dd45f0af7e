//! Logs and metrics.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
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

/// The recorder that all services of this process write their metrics to.
pub fn prometheus() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Fails only where a test has installed a recorder of its own; its metrics are then what it sees.
        let _ = metrics::set_global_recorder(recorder);
        handle
    })
}
