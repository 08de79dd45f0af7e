//! What every Raincell service stands on: layered configuration, an injected clock, tracing, metrics, health answers,
//! problem JSON, bearer auth, an HTTP server that drains before it stops, and what systemd is told of all that.
//!
//! A service is a library with `run(config, listener, runtime)`; its `main.rs` hands that to [`service_main`].
//! `raincell up` and `raincell demo` call the same `run` functions in one process.

pub mod auth;
pub mod clock;
pub mod config;
mod door;
pub mod health;
pub mod http;
mod otlp;
pub mod problem;
pub mod service;
pub mod supervisor;
pub mod telemetry;
mod trace_settings;

pub use clock::{Clock, FastClock, SharedClock, SystemClock};
pub use config::{ConfigError, ServiceConfig};
pub use health::Health;
pub use otlp::Exporter;
pub use problem::Problem;
pub use service::service_main;
pub use trace_settings::TraceSettings;

use tokio_util::sync::CancellationToken;

/// What a service gets from the process that runs it.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// The time that the service lives by.
    pub clock: SharedClock,
    /// Cancelled when the service is to finish what it does and return.
    pub shutdown: CancellationToken,
}

impl Runtime {
    /// Real time, and a shutdown token that nobody has cancelled yet.
    pub fn system() -> Self {
        Self { clock: std::sync::Arc::new(SystemClock), shutdown: CancellationToken::new() }
    }
}
