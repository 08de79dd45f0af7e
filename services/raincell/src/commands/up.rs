//! `raincell up`: all five services in one process on real sources.

use raincell_service_runtime::{Runtime, service, telemetry};

use crate::cli::UpArguments;
use crate::house::House;
use crate::{Outcome, output};

/// Runs until SIGTERM or Ctrl-C.
pub fn run(arguments: &UpArguments) -> anyhow::Result<Outcome> {
    telemetry::init_tracing("info");
    service::block_on(async {
        let house = House::open(arguments.config.as_deref(), toml::Table::new()).await?;
        output::notice(&format!("listening on {}", house.url()?));
        let runtime = Runtime::system();
        service::cancel_on_signal(runtime.shutdown.clone());
        let shutdown = runtime.shutdown.clone();
        service::drain_within(service::DRAIN, shutdown, house.run(runtime)).await
    })?;
    Ok(Outcome::AllDone)
}
