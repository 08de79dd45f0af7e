//! Settings, the client, and the one table: its making and the look at it at the start.

use std::time::Duration;

use jiff::SignedDuration;
use raincell_aws::AwsSettings;
use raincell_aws::dynamodb::Client;
use raincell_aws::dynamodb::config::Builder;
use raincell_aws::dynamodb::config::retry::RetryConfig;
use raincell_aws::dynamodb::config::timeout::TimeoutConfig;
use raincell_aws::dynamodb::error::ProvideErrorMetadata;
use raincell_aws::dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, PointInTimeRecoverySpecification, ScalarAttributeType,
    TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};

use super::item::TIME_TO_LIVE;
use super::request::{Table, fault, unbuilt};
use crate::StoreError;

/// Tries of one request: a throttled one goes well a moment later.
const TRIES: u32 = 8;
const CONNECT: Duration = Duration::from_secs(3);
/// How long a new table may take to become active.
const MAKING: Duration = Duration::from_secs(120);

/// Which table, and how.
#[derive(Clone, Debug)]
pub struct DynamoSettings {
    /// Region, endpoint, credentials.
    pub aws: AwsSettings,
    /// Name of the table.
    pub table: String,
    /// How long after its storing DynamoDB itself may delete something: longer than it is kept and hidden.
    pub keep: SignedDuration,
    /// Whether [`crate::FrameStore::collect`] deletes bodies, too. Amazon's DynamoDB does that for nothing when their
    /// time to live ends, a few days later; a deletion costs as much as a write. Other servers do not.
    pub collector_deletes_bodies: bool,
    /// How long one try of a request may take.
    pub try_time_out: Duration,
}

impl Default for DynamoSettings {
    fn default() -> Self {
        Self {
            aws: AwsSettings::default(),
            table: "raincell".into(),
            keep: SignedDuration::from_hours(24 * 7),
            collector_deletes_bodies: true,
            try_time_out: Duration::from_secs(10),
        }
    }
}

/// What [`crate::DynamoStore::init`] found or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initialised {
    /// The table was made now.
    pub made: bool,
    /// Why there is no point-in-time recovery, if there is none: not every server has it.
    pub no_recovery: Option<String>,
}

impl Table {
    pub(super) async fn of(settings: &DynamoSettings) -> Self {
        let time_outs = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(settings.try_time_out)
            .operation_timeout(settings.try_time_out.saturating_mul(3))
            .build();
        // DynamoDB's own measure of a wait is milliseconds.
        let retries = RetryConfig::standard()
            .with_max_attempts(TRIES)
            .with_initial_backoff(Duration::from_millis(25))
            .with_max_backoff(Duration::from_secs(2));
        let config =
            Builder::from(&Box::pin(settings.aws.load()).await).timeout_config(time_outs).retry_config(retries).build();
        Self { client: Client::from_conf(config), name: settings.table.clone() }
    }

    async fn describe(&self) -> Result<Option<TableDescription>, StoreError> {
        match Box::pin(self.client.describe_table().table_name(&self.name).send()).await {
            Ok(output) => Ok(output.table),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(fault("look at the table", error)),
        }
    }

    /// The table must be there, and ours.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        let table = self.describe().await?.ok_or_else(|| StoreError::NotFound {
            what: format!("the table {} (`raincell store init` makes it)", self.name),
        })?;
        expect_keys(&self.name, &table)
    }

    pub(super) async fn init(&self) -> Result<Initialised, StoreError> {
        let made = self.describe().await?.is_none();
        if made {
            self.make().await?;
        }
        self.wait_until_active().await?;
        self.check().await?;
        self.set_time_to_live().await?;
        Ok(Initialised { made, no_recovery: self.set_recovery().await.err().map(|error| reason(&error)) })
    }

    async fn make(&self) -> Result<(), StoreError> {
        let doing = "make the table";
        let mut call = self.client.create_table().table_name(&self.name).billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
            let key = KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
            let text =
                AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
            call = call
                .key_schema(key.map_err(|e| unbuilt(doing, e))?)
                .attribute_definitions(text.map_err(|e| unbuilt(doing, e))?);
        }
        match Box::pin(call.send()).await {
            Ok(_) => Ok(()),
            // Somebody else made it in the meantime.
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(fault(doing, error)),
        }
    }

    async fn wait_until_active(&self) -> Result<(), StoreError> {
        let began = std::time::Instant::now();
        while began.elapsed() < MAKING {
            let table = self.describe().await?;
            if table.and_then(|table| table.table_status) == Some(TableStatus::Active) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err(StoreError::Busy { doing: "make the table" })
    }

    async fn set_time_to_live(&self) -> Result<(), StoreError> {
        let doing = "set the time to live";
        let found = Box::pin(self.client.describe_time_to_live().table_name(&self.name).send()).await;
        let found = found.map_err(|error| fault(doing, error))?;
        let status = found.time_to_live_description.and_then(|description| description.time_to_live_status);
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            return Ok(());
        }
        let specification = TimeToLiveSpecification::builder().enabled(true).attribute_name(TIME_TO_LIVE).build();
        let call = self.client.update_time_to_live().table_name(&self.name);
        let call = call.time_to_live_specification(specification.map_err(|e| unbuilt(doing, e))?);
        Box::pin(call.send()).await.map(drop).map_err(|error| fault(doing, error))
    }

    async fn set_recovery(&self) -> Result<(), StoreError> {
        let doing = "set the point-in-time recovery";
        let wanted = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true).build();
        let call = self.client.update_continuous_backups().table_name(&self.name);
        let call = call.point_in_time_recovery_specification(wanted.map_err(|e| unbuilt(doing, e))?);
        Box::pin(call.send()).await.map(drop).map_err(|error| fault(doing, error))
    }
}

fn reason(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

fn expect_keys(name: &str, table: &TableDescription) -> Result<(), StoreError> {
    let found: Vec<_> = table.key_schema().iter().map(|k| (k.attribute_name(), k.key_type().as_str())).collect();
    if found == [("pk", "HASH"), ("sk", "RANGE")] {
        return Ok(());
    }
    let (expected, found) = ("the keys pk (HASH) and sk (RANGE)".into(), format!("{found:?}"));
    Err(StoreError::Corrupt { what: format!("the table {name}"), expected, found })
}
