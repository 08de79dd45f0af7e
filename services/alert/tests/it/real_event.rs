//! A real event through the service: every target gets the same life of one rain, as one thread.

use raincell_alert::machine::PlaceState;
use raincell_api_types::alerts::{PostStatus, RainEventKind, event_and_target};
use raincell_frame::Frame;
use raincell_model::NowcastRun;
use raincell_nowcasts::{DEFAULT_METHOD, Inflow, LeadTimes, Nowcast, method};

use crate::real_data::{frames, read};
use crate::targets::mastodon::{self, Mastodon};
use crate::targets::webhook::{self, Webhook};
use crate::targets::{StandIn, x};
use crate::world::{World, eventually};

const SOURCE: &str = "meteoswiss";
const PLACE: &str = "[[alert.places]]\nname = 'Bern'\nlat = 46.948\nlon = 7.447\nlanguage = 'de'\n\
                     time_zone = 'Europe/Zurich'\n";
/// From the first frame until the rain at the place has ended; and how many of them have a nowcast, until it has begun.
const FRAMES: usize = 23;
const NOWCASTS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn a_real_event_is_told_alike_to_x_mastodon_a_webhook_and_the_folder() {
    let Some(paths) = frames("mch_20150515") else {
        println!("skipped: no data");
        return;
    };
    let x = x::start().await;
    let mastodon = StandIn::start(Mastodon::default()).await;
    let webhook = StandIn::start(Webhook::default()).await;
    let targets =
        [x::toml(&x.url, "daily_budget_usd = 9.0"), mastodon::toml(&mastodon.url), webhook::toml(&webhook.url)];
    let first = read(&paths[0]);
    let world = World::new(first.valid_time).await;
    let service = world.start(&format!("credit = 'Radar: MeteoSwiss'\n{}{PLACE}", targets.concat())).await;
    let nowcast = method(DEFAULT_METHOD).unwrap();
    let leads = LeadTimes { step_min: 5.0, count: 14 };
    let mut past = Vec::new();
    for path in &paths[..FRAMES] {
        past.push(read(path));
        let field = past.last().unwrap().clone();
        let time = field.valid_time;
        world.clock.set(time + jiff::SignedDuration::from_secs(90));
        world.client.put_frame(&Frame { source: SOURCE.into(), product: "rate".into(), field }).await.unwrap();
        let has_nowcast = past.len() <= NOWCASTS;
        if has_nowcast {
            let Nowcast { motion, fields, .. } = nowcast.run(&past, &leads, Inflow::LastObservation).unwrap();
            let run = NowcastRun {
                source: SOURCE.into(),
                issue_time: time,
                method: DEFAULT_METHOD.into(),
                model_version: "test".into(),
                based_on: String::new(),
                motion,
                fields,
            };
            world.client.put_run(&run).await.unwrap();
        }
        eventually("the frame is seen", async || {
            let stored = world.client.alert_state("bern").await.unwrap().state;
            let state: Option<PlaceState> = serde_json::from_value(stored).ok();
            let seen =
                |state: PlaceState| state.observed_at == Some(time) && (!has_nowcast || state.issued_at == Some(time));
            state.is_some_and(seen)
        })
        .await;
        world.settled_outbox().await;
    }
    let posts = world.outbox().await;
    service.stop().await;
    assert!(posts.iter().all(|post| post.status == PostStatus::Sent), "{posts:#?}");
    let told: Vec<_> = posts.iter().filter(|post| event_and_target(&post.key).1 == "dry-run").collect();
    let kinds: Vec<_> = told.iter().map(|post| post.event.kind).collect();
    for text in x.texts() {
        println!("{text}");
    }
    assert_eq!(kinds, [RainEventKind::Coming, RainEventKind::Begun, RainEventKind::Ended]);
    assert_eq!(x.texts().len(), told.len());
    assert_eq!((x.texts(), x.texts()), (mastodon.texts(), webhook.texts()));
    let written = |post: &&raincell_api_types::alerts::OutboxPost| {
        let name = format!("{}.txt", event_and_target(&post.key).0);
        String::from_utf8(world.read(&name)).unwrap().trim_end().to_owned()
    };
    assert_eq!(told.iter().map(written).collect::<Vec<_>>(), x.texts());
    let tweets = x.platform().tweets();
    let statuses = mastodon.platform().statuses();
    for later in 1..told.len() {
        assert_eq!(tweets[later].reply_to.as_ref(), Some(&tweets[0].id), "one thread");
        assert_eq!(statuses[later].in_reply_to.as_ref(), Some(&statuses[0].id));
    }
    assert!(tweets.iter().all(|tweet| tweet.picture.is_some()));
}
