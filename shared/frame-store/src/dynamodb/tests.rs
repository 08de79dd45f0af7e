//! The suite on each DynamoDB-compatible server that `./test` has started, and what is DynamoDB's own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Once};
use std::time::Duration;

use raincell_aws::AwsSettings;
use raincell_fault_proxy::{Fault, FaultProxy, Faults};

use super::commit::new_stamp;
use super::{DynamoSettings, DynamoStore};
use crate::FrameStore;

static SKIPPED: Once = Once::new();

/// A new table on the server whose address is in an environment variable.
fn settings_at(variable: &str) -> Option<DynamoSettings> {
    let Ok(endpoint) = std::env::var(variable) else {
        SKIPPED.call_once(|| println!("skipped: no {variable}"));
        return None;
    };
    let aws = AwsSettings { endpoint, ..AwsSettings::default() };
    let table = format!("raincell-{}", new_stamp().unwrap());
    Some(DynamoSettings { aws, table, ..DynamoSettings::default() })
}

async fn fresh_at(variable: &str) -> Option<((), Arc<dyn FrameStore>)> {
    let settings = settings_at(variable)?;
    DynamoStore::init(&settings).await.unwrap();
    Some(((), Arc::new(DynamoStore::open(&settings).await.unwrap())))
}

mod on_dynoxide {
    crate::frame_store_conformance!(super::fresh_at("RAINCELL_TEST_DYNOXIDE"));
}

mod on_ministack {
    crate::frame_store_conformance!(super::fresh_at("RAINCELL_TEST_MINISTACK"));
}

/// Each seventh request fares ill, in all the ways there are.
async fn fresh_through_faults() -> Option<(FaultProxy, Arc<dyn FrameStore>)> {
    let mut settings = settings_at("RAINCELL_TEST_DYNOXIDE")?;
    DynamoStore::init(&settings).await.unwrap();
    settings.try_time_out = Duration::from_millis(1500);
    let kinds = vec![
        Fault::Throttled,
        Fault::Unprocessed,
        Fault::LostAnswer,
        Fault::ServerError,
        Fault::Reset,
        Fault::Unprocessed,
        Fault::Slow(Duration::from_millis(100)),
        Fault::Silence(Duration::from_secs(2)),
    ];
    let proxy = FaultProxy::start(&settings.aws.endpoint, Faults { every: 7, kinds }).await.unwrap();
    settings.aws.endpoint.clone_from(&proxy.url);
    let store = DynamoStore::open(&settings).await.unwrap();
    Some((proxy, Arc::new(store)))
}

mod through_faults {
    crate::frame_store_conformance!(super::fresh_through_faults());
}

#[tokio::test]
async fn a_table_is_made_once_and_must_be_there() {
    let Some(settings) = settings_at("RAINCELL_TEST_DYNOXIDE") else { return };
    let error = DynamoStore::open(&settings).await.unwrap_err();
    assert!(error.to_string().contains("raincell store init"), "{error}");
    assert!(DynamoStore::init(&settings).await.unwrap().made);
    assert!(!DynamoStore::init(&settings).await.unwrap().made);
    assert_eq!(DynamoStore::open(&settings).await.unwrap().last_sequence().await.unwrap(), 0);
}
