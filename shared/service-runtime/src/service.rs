//! The `main` that all service binaries share: command line → config → telemetry → bind → run → drain.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Runtime, ServiceConfig, TraceSettings, config, http, supervisor, telemetry};

/// How long a service may take to finish what it has in hand.
pub const DRAIN: Duration = Duration::from_secs(15);

/// Command line of a service binary.
#[derive(Debug, Parser)]
struct Arguments {
    /// TOML file; the service reads its own section of it.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Check the configuration, say what is wrong with it, and stop.
    #[arg(long)]
    check_config: bool,
    /// Print the version and stop.
    #[arg(long, short = 'V')]
    version: bool,
}

/// Runs a service until SIGTERM or Ctrl-C. Exit code 2 for a wrong command line or configuration, 1 for a failure.
pub fn service_main<C, F, R>(run: F) -> ExitCode
where
    C: ServiceConfig,
    F: FnOnce(C, TcpListener, Runtime) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let arguments = Arguments::parse();
    if arguments.version {
        println!("raincell-{} {}", C::SECTION, env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    config::read_dotenv();
    let file = arguments.config.as_deref();
    let loaded = config::load::<C>(file).and_then(|config| Ok((config, TraceSettings::load(file)?)));
    let (config, traces) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("raincell-{}: {error}", C::SECTION);
            return ExitCode::from(2);
        }
    };
    if arguments.check_config {
        println!("config of [{}] is good", C::SECTION);
        return ExitCode::SUCCESS;
    }
    // Sends the last spans when it goes out of scope.
    let telemetry = telemetry::init_tracing("info", &traces);
    match telemetry.and_then(|exporter| block_on(start(config, run)).map(|()| drop(exporter))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), service = C::SECTION, "stopped");
            eprintln!("raincell-{}: {error:#}", C::SECTION);
            ExitCode::FAILURE
        }
    }
}

/// Runs a future on a multi-threaded runtime of its own.
///
/// # Errors
/// What the future fails with, or that the runtime cannot be made.
pub fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(future);
    // A blocking task that still runs must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_secs(2));
    result
}

async fn start<C, F, R>(config: C, run: F) -> anyhow::Result<()>
where
    C: ServiceConfig,
    F: FnOnce(C, TcpListener, Runtime) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    telemetry::prometheus();
    let listener = http::inherited_or_bound(config.bind()).await?;
    let address = listener.local_addr()?;
    // On standard output, so that whoever started it with port 0 can read the port.
    let _ = writeln!(std::io::stdout(), "listening on http://{address}");
    let runtime = Runtime::system();
    let shutdown = runtime.shutdown.clone();
    cancel_on_signal(shutdown.clone());
    tokio::spawn(supervisor::keep_told(address, shutdown.clone()));
    drain_within(DRAIN, shutdown, run(config, listener, runtime)).await
}

/// Runs to the end, but not longer than `bound` after shutdown: whatever is then still in hand is safe to cut, as all
/// work is done at least once.
///
/// # Errors
/// What `run` fails with.
pub async fn drain_within(
    bound: Duration,
    shutdown: CancellationToken,
    run: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let too_long = async {
        shutdown.cancelled().await;
        tokio::time::sleep(bound).await;
    };
    tokio::select! {
        result = run => result,
        () = too_long => {
            tracing::warn!(seconds = bound.as_secs(), "work still in hand after the drain was cut");
            Ok(())
        }
    }
}

/// Cancels the token at the first SIGTERM or Ctrl-C.
pub fn cancel_on_signal(shutdown: CancellationToken) {
    tokio::spawn(async move {
        terminated().await;
        tracing::info!("asked to stop, draining");
        shutdown.cancel();
    });
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}
