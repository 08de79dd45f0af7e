//! `raincell alerts`: the posts of the outbox, by hand.

use std::path::Path;

use anyhow::{Context, bail};
use jiff::Timestamp;
use raincell_alert::trial::send_trial;
use raincell_api_types::alerts::{OutboxPost, PostStatus, event_and_target};
use raincell_api_types::dead_letters::DeadLetterState;
use raincell_frame_store::StoreError;
use raincell_service_runtime::{Runtime, auth, config, http, service};
use raincell_store_client::StoreClient;
use tokio_util::sync::CancellationToken;

use super::store::{LONGEST_LIST, open_any, store_config};
use crate::cli::{AlertsArguments, AlertsCommand};
use crate::{Outcome, output};

/// Lists, shows, replays or tests.
pub fn run(arguments: &AlertsArguments) -> anyhow::Result<Outcome> {
    let file = arguments.config.as_deref();
    service::block_on(async {
        match &arguments.command {
            AlertsCommand::List { limit, json } => list(file, *limit, *json).await,
            AlertsCommand::Show { key } => show(file, key).await,
            AlertsCommand::Replay { keys } => replay(file, keys).await,
            AlertsCommand::Test { place } => test(file, place).await,
        }
    })
}

async fn list(file: Option<&Path>, limit: usize, json: bool) -> anyhow::Result<Outcome> {
    let store = open_any(&store_config(file)?).await?;
    for post in store.newest_posts(limit).await? {
        output::line(&if json { serde_json::to_string(&post)? } else { text_line(&post) })?;
    }
    Ok(Outcome::AllDone)
}

async fn show(file: Option<&Path>, key: &str) -> anyhow::Result<Outcome> {
    let store = open_any(&store_config(file)?).await?;
    output::line(&serde_json::to_string_pretty(&store.outbox_post(key).await?)?)?;
    Ok(Outcome::AllDone)
}

/// Marks their dead letters; the service that sends looks for these.
async fn replay(file: Option<&Path>, keys: &[String]) -> anyhow::Result<Outcome> {
    let store = open_any(&store_config(file)?).await?;
    let letters = store.dead_letters(None, LONGEST_LIST).await?;
    let mut outcome = Outcome::AllDone;
    for key in keys {
        let letter = letters.iter().find(|letter| letter.letter.key == format!("alert/{key}"));
        let said = match (store.outbox_post(key).await, letter) {
            (Err(StoreError::NotFound { .. }), _) => Err("there is no such post".to_owned()),
            (Err(error), _) => return Err(error.into()),
            (Ok(post), _) if post.status == PostStatus::Sent => Err("it is sent already".into()),
            (Ok(post), _) if post.status == PostStatus::Pending => Err("it is still waiting to be sent".into()),
            (Ok(_), None) => Err("it was given up without a dead letter".into()),
            (Ok(_), Some(letter)) => {
                let now = Timestamp::now();
                store.set_dead_letter_state(letter.id, DeadLetterState::ReplayRequested, now).await?;
                Ok("asked for; the alert service sends it at its next look")
            }
        };
        match said {
            Ok(said) => output::line(&format!("{key}: {said}"))?,
            Err(reason) => {
                eprintln!("{key}: {reason}");
                outcome = Outcome::SomeFailed;
            }
        }
    }
    Ok(outcome)
}

/// Sends one post to every target. The picture comes from the database, through a store of its own on loopback.
async fn test(file: Option<&Path>, place: &str) -> anyhow::Result<Outcome> {
    let alert: raincell_alert::Config = config::load_with(file, "")?;
    let listener = http::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let token = auth::generate_token()?;
    let store: raincell_store::Config = config::load_with(file, &format!("[store]\ntoken = '{token}'\n"))?;
    drop(open_any(&store).await?);
    let shutdown = CancellationToken::new();
    let runtime = Runtime { shutdown: shutdown.clone(), ..Runtime::system() };
    let serving = tokio::spawn(raincell_store::run(store, listener, runtime));
    let client = StoreClient::new(&url, &token)?;
    let outcomes = send_trial(&alert, &client, place, Timestamp::now()).await;
    shutdown.cancel();
    serving.await.context("the store was cut off")??;
    let outcomes = outcomes?;
    if outcomes.is_empty() {
        bail!("no target is switched on");
    }
    let mut failed = false;
    for outcome in outcomes {
        let picture = outcome.picture.map_or_else(|| "without a picture".into(), |kind| format!("with {kind}"));
        match outcome.sent {
            Ok(reference) => output::line(&format!("{}: sent {picture}: {reference}", outcome.target))?,
            Err(error) => {
                failed = true;
                eprintln!("{}: not sent: {error}", outcome.target);
            }
        }
    }
    Ok(if failed { Outcome::SomeFailed } else { Outcome::AllDone })
}

fn text_line(post: &OutboxPost) -> String {
    let (_, target) = event_and_target(&post.key);
    let status = match post.status {
        PostStatus::Pending => "pending",
        PostStatus::Sent => "sent",
        PostStatus::Failed => "failed",
    };
    let detail = post.detail.as_deref().map(|detail| format!("  [{detail}]")).unwrap_or_default();
    let (tries, text) = (post.attempts, &post.event.text);
    format!("{}  {}  {target}  {status}  tried {tries}×  {text}{detail}", post.created_at, post.key)
}
