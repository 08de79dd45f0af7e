//! All five services in one process. They speak the same HTTP on loopback as five processes would, with a token made
//! for this run; only the ports are picked here.

use std::path::Path;

use anyhow::Context;
use raincell_service_runtime::{Runtime, ServiceConfig, auth, config, http, telemetry};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use toml::{Table, Value};

use crate::cli::UsageError;

/// The configuration of all services.
pub struct House {
    store: raincell_store::Config,
    prepare: raincell_prepare::Config,
    nowcast: raincell_nowcast::Config,
    api: raincell_api::Config,
    alert: raincell_alert::Config,
    listeners: Listeners,
}

struct Listeners {
    store: TcpListener,
    prepare: TcpListener,
    nowcast: TcpListener,
    api: TcpListener,
    alert: TcpListener,
}

impl House {
    /// Loads the configuration of every service and opens their ports: the configured one for `api`, any free one on
    /// loopback for the others. `overrides` (a table a service) go over everything that file and environment say.
    pub async fn open(file: Option<&Path>, mut overrides: Table) -> anyhow::Result<Self> {
        // What this process fills in by itself must not be missed in the first look.
        set(&mut overrides, "store", "token", "first-look-only");
        let api_address = check(file, &overrides.to_string())?;
        let inside = || http::bind("127.0.0.1:0");
        let listeners = Listeners {
            store: inside().await?,
            prepare: inside().await?,
            nowcast: inside().await?,
            alert: inside().await?,
            api: http::bind(&api_address).await?,
        };
        let token = auth::generate_token()?;
        let store_url = format!("http://{}", listeners.store.local_addr()?);
        set(&mut overrides, "store", "token", token.as_str());
        for service in ["prepare", "nowcast", "api", "alert"] {
            set(&mut overrides, service, "store_url", store_url.as_str());
            set(&mut overrides, service, "store_token", token.as_str());
        }
        let overrides = overrides.to_string();
        Ok(Self {
            store: config::load_with(file, &overrides)?,
            prepare: config::load_with(file, &overrides)?,
            nowcast: config::load_with(file, &overrides)?,
            api: config::load_with(file, &overrides)?,
            alert: config::load_with(file, &overrides)?,
            listeners,
        })
    }

    /// Where the public HTTP and the map answer.
    pub fn url(&self) -> anyhow::Result<String> {
        Ok(format!("http://{}", self.listeners.api.local_addr()?))
    }

    /// Runs all services until shutdown, or until one of them fails: then the others drain, and the failure is told. The
    /// store stops last, so that what the others still have in hand is kept.
    pub async fn run(self, runtime: Runtime) -> anyhow::Result<()> {
        telemetry::prometheus();
        let Self { store, prepare, nowcast, api, alert, listeners } = self;
        let stop_store = CancellationToken::new();
        let store_runtime = Runtime { shutdown: stop_store.clone(), ..runtime.clone() };
        let store = tokio::spawn(named("store", raincell_store::run(store, listeners.store, store_runtime)));
        let mut others = JoinSet::new();
        let each = || runtime.clone();
        others.spawn(named("prepare", raincell_prepare::run(prepare, listeners.prepare, each())));
        others.spawn(named("nowcast", raincell_nowcast::run(nowcast, listeners.nowcast, each())));
        others.spawn(named("api", raincell_api::run(api, listeners.api, each())));
        others.spawn(named("alert", raincell_alert::run(alert, listeners.alert, each())));
        let watched = watch(store, runtime.shutdown.clone());
        let drained = async {
            let mut result = Ok(());
            while let Some(ended) = others.join_next().await {
                let ended = ended.context("a service panicked").and_then(|ended| ended);
                result = result.and(ended);
                runtime.shutdown.cancel();
            }
            stop_store.cancel();
            result
        };
        let (store, others) = tokio::join!(watched, drained);
        others.and(store)
    }
}

/// Looks at the configuration of every service, tells all that is wrong at once, and gives the public address.
fn check(file: Option<&Path>, overrides: &str) -> anyhow::Result<String> {
    fn problem<C: ServiceConfig>(file: Option<&Path>, overrides: &str) -> Option<String> {
        config::load_with::<C>(file, overrides).err().map(|error| error.to_string())
    }
    let api = config::load_with::<raincell_api::Config>(file, overrides);
    let mut problems: Vec<String> = [
        problem::<raincell_store::Config>(file, overrides),
        problem::<raincell_prepare::Config>(file, overrides),
        problem::<raincell_nowcast::Config>(file, overrides),
        api.as_ref().err().map(ToString::to_string),
        problem::<raincell_alert::Config>(file, overrides),
    ]
    .into_iter()
    .flatten()
    .collect();
    // A file that cannot be read is the same news five times.
    problems.dedup();
    match api {
        Ok(api) if problems.is_empty() => Ok(api.bind().to_owned()),
        _ => Err(UsageError(problems.join("\n          ")).into()),
    }
}

/// Waits for the store; when it ends by itself the others are to end too.
async fn watch(store: JoinHandle<anyhow::Result<()>>, shutdown: CancellationToken) -> anyhow::Result<()> {
    let ended = store.await.context("the store panicked").and_then(|ended| ended);
    shutdown.cancel();
    ended
}

async fn named(service: &'static str, run: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    run.await.with_context(|| format!("{service} stopped"))
}

/// Sets a key in the table of a service.
pub fn set(overrides: &mut Table, service: &str, key: &str, value: impl Into<Value>) {
    let section = overrides.entry(service).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(section) = section {
        section.insert(key.to_owned(), value.into());
    }
}
