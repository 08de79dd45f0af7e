//! Where it is all kept: in a SQLite file, or in a DynamoDB table.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use jiff::SignedDuration;
use raincell_aws::AwsSettings;
use raincell_frame_store::{DynamoSettings, DynamoStore, FrameStore, Initialised, SqliteStore};
use serde::Deserialize;

use crate::Config;

/// DynamoDB may delete by itself what should be gone for so long, hours: the retention job has had its time by then.
const MARGIN_HOURS: u32 = 48;

/// What keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// One file on this machine.
    Sqlite,
    /// A table that many machines share.
    Dynamodb,
}

/// The table that the configuration names.
pub fn dynamo_settings(config: &Config) -> DynamoSettings {
    let aws = AwsSettings { region: config.region.clone(), endpoint: config.endpoint.clone(), anonymous: false };
    let hours = config.retention_hours + config.tombstone_hours + MARGIN_HOURS;
    DynamoSettings {
        aws,
        table: config.table.clone(),
        keep: SignedDuration::from_hours(hours.into()),
        collector_deletes_bodies: !is_amazons(config),
        ..DynamoSettings::default()
    }
}

/// Opens what the configuration names. A table is made where it is missing, but not at Amazon's: there it costs money,
/// and whoever may make one is not who runs the service.
///
/// # Errors
/// When it cannot be opened.
pub async fn open(config: &Config) -> anyhow::Result<Arc<dyn FrameStore>> {
    match config.backend {
        Backend::Sqlite => {
            make_folder_of(&config.database)?;
            let place = || format!("database {}", config.database.display());
            Ok(Arc::new(SqliteStore::open(&config.database).await.with_context(place)?))
        }
        Backend::Dynamodb => {
            let settings = dynamo_settings(config);
            if !is_amazons(config) {
                init(config).await?;
            }
            Ok(Arc::new(DynamoStore::open(&settings).await.with_context(|| place(config))?))
        }
    }
}

/// Makes the table where it is missing, and sets what it should have.
///
/// # Errors
/// When DynamoDB does not answer, or refuses.
pub async fn init(config: &Config) -> anyhow::Result<Initialised> {
    DynamoStore::init(&dynamo_settings(config)).await.with_context(|| place(config))
}

/// For people: which table, and where.
pub fn place(config: &Config) -> String {
    let Config { table, region, endpoint, .. } = config;
    let at = if endpoint.is_empty() { region } else { endpoint };
    format!("DynamoDB table {table} at {at}")
}

fn is_amazons(config: &Config) -> bool {
    config.endpoint.is_empty() || config.endpoint.trim_end_matches('/').ends_with(".amazonaws.com")
}

fn make_folder_of(database: &Path) -> anyhow::Result<()> {
    match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
        }
        _ => Ok(()),
    }
}
