//! From frames to runs.

use jiff::{SignedDuration, Timestamp};
use raincell_model::RainField;

use crate::world::{NEVER, World, eventually, frame, time};

/// Column that the middle of the rain lies in.
fn middle_column(field: &RainField) -> f64 {
    let rain = || field.rate_mm_h.indexed_iter().filter(|(_, rate)| rate.is_finite());
    let sum: f64 = rain().map(|(_, rate)| f64::from(*rate)).sum();
    rain().map(|((_, column), rate)| column as f64 * f64::from(*rate)).sum::<f64>() / sum
}

#[tokio::test(flavor = "multi_thread")]
async fn each_new_frame_leads_to_a_run_that_moves_the_rain_on() {
    let world = World::new().await;
    let nowcast = world.nowcast(NEVER).await;
    for minute in [0, 5, 10] {
        let hash = world.put("klot", minute).await;
        let (run, _) = world.until_run_of("klot", &hash).await;
        assert_eq!(run.issue_time, time(minute));
        assert_eq!(
            run.fields.iter().map(|f| f.valid_time).collect::<Vec<_>>(),
            [5, 10, 15, 20, 25, 30].map(|m| time(minute + m))
        );
    }
    assert_eq!(world.runs("klot").await.len(), 3);
    let (run, hash) = world.newest("klot").await.unwrap();
    let moved = middle_column(&run.fields[1]) - middle_column(&frame("klot", 10, 4.0).field);
    assert!((moved - 20.0).abs() < 3.0, "{moved} columns in 10 minutes, 20 is the truth");
    // The same run is answered from memory.
    let answer = nowcast.get("/v1/nowcast?source=klot").await;
    assert_eq!(answer.headers()["etag"], format!("\"{hash}\"").as_str());
    assert_eq!(raincell_frame::decode_run(&answer.bytes().await.unwrap()).unwrap().issue_time, time(10));
    assert_eq!(nowcast.get("/v1/nowcast?source=kbgm").await.status(), 404);
    nowcast.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_says_when_rain_begins_and_ends_unless_no_members_are_drawn() {
    let world = World::new().await;
    let products = async |filled: bool, members: u16| {
        let nowcast = world.nowcast(&format!("{NEVER}\nfill_inflow = {filled}\nmembers = {members}")).await;
        // Another way to do it makes another run of the same frame.
        eventually("the run", async || {
            world
                .newest("klot")
                .await
                .is_some_and(|(run, _)| run.issue_time == time(10) && run.model_version.contains("filled") == filled)
        })
        .await;
        nowcast.stop().await;
        let newest = world.runs("klot").await.into_iter().max_by_key(|run| run.issue_time).unwrap();
        let bytes = world.client.run_bytes(&newest).await.unwrap();
        let header = raincell_frame::decode_run_header(&bytes).unwrap();
        move |name: &str| {
            let product = header.products_named(name).next()?;
            assert_eq!(product.valid_time, time(10));
            Some(raincell_frame::decode(product.frame_bytes(&bytes)).unwrap().field.rate_mm_h)
        }
    };
    for minute in [0, 5, 10] {
        world.put("klot", minute).await;
    }
    let product = products(true, 24).await;
    let field = |name: &str| product(name).unwrap();
    // The rain is around column 40 and moves by ten columns in five minutes: it rains, it will rain, it never will.
    let [now, ahead, never] = [(64, 40), (64, 80), (20, 20)];
    let probability = field("probability-arrival");
    assert!(probability[now] == 1.0 && probability[ahead] > 0.5 && probability[never] < 0.2, "{}", probability[ahead]);
    let [begins, ends] = ["arrival", "end"].map(|what| ["p10", "p50", "p90"].map(|p| field(&format!("{what}-{p}"))));
    assert!(begins.each_ref().map(|b| b[now]) == [0.0; 3] && ends[1][now] > 0.0);
    let [early, middle, late] = begins.map(|b| b[ahead]);
    assert!(
        early > 0.0 && early <= middle && middle <= late && (5.0..25.0).contains(&middle),
        "{early} {middle} {late}"
    );
    assert!(ends[0][ahead] > early);
    assert!(products(false, 0).await("probability-arrival").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_from_beyond_the_view_is_unknown_unless_it_is_to_be_filled() {
    let world = World::new().await;
    for minute in [0, 5, 10] {
        world.put("klot", minute).await;
    }
    let unknown = |run: &raincell_model::NowcastRun| {
        run.fields.last().unwrap().rate_mm_h.iter().filter(|rate| rate.is_nan()).count()
    };
    let nowcast = world.nowcast(NEVER).await;
    eventually("a run", async || world.newest("klot").await.is_some()).await;
    nowcast.stop().await;
    let (run, _) = world.newest("klot").await.unwrap();
    let never_observed = run.fields[0].rate_mm_h.ncols();
    assert!(unknown(&run) > never_observed, "{} unknown cells", unknown(&run));
    assert!(!run.model_version.contains("filled"));

    // Another way to do it makes another run of the same frame.
    let nowcast = world.nowcast(&format!("{NEVER}\nfill_inflow = true")).await;
    eventually("the filled run", async || world.newest("klot").await.unwrap().0.model_version.contains("filled")).await;
    assert!(unknown(&world.newest("klot").await.unwrap().0) < unknown(&run));
    nowcast.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sources_get_runs_of_their_own_and_only_the_wanted_ones() {
    let world = World::new().await;
    let nowcast = world.nowcast(&format!("{NEVER}\nsources = ['kbgm', 'klot']")).await;
    world.put("other", 0).await;
    let (one, two) = (world.put("klot", 0).await, world.put("kbgm", 5).await);
    assert_eq!(world.until_run_of("klot", &one).await.0.issue_time, time(0));
    assert_eq!(world.until_run_of("kbgm", &two).await.0.issue_time, time(5));
    for source in ["klot", "kbgm"] {
        eventually("it is answered", async || {
            nowcast.get(&format!("/v1/nowcast?source={source}")).await.status() == 200
        })
        .await;
    }
    assert!(world.runs("other").await.is_empty());
    nowcast.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_is_replaced_replaces_the_run() {
    let world = World::new().await;
    let nowcast = world.nowcast(NEVER).await;
    let first = world.put("klot", 0).await;
    let (before, _) = world.until_run_of("klot", &first).await;
    let better = world.client.replace_frame(&frame("klot", 0, 8.0), &first).await.unwrap().info().hash.clone();
    let (after, hash) = world.until_run_of("klot", &better).await;
    assert_eq!((before.issue_time, after.issue_time), (time(0), time(0)));
    let runs = world.runs("klot").await;
    assert_eq!(runs.iter().map(|run| run.hash.as_str()).collect::<Vec<_>>(), [hash.as_str()]);
    nowcast.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn products_lie_on_fixed_times_whatever_the_time_of_the_scan() {
    let world = World::new().await;
    let nowcast = world.nowcast(NEVER).await;
    for minute in [0, 4, 13] {
        world.put("klot", minute).await;
    }
    eventually("the run", async || world.newest("klot").await.is_some_and(|(run, _)| run.issue_time == time(13))).await;
    let (run, _) = world.newest("klot").await.unwrap();
    let times = run.fields.iter().map(|f| f.valid_time).collect::<Vec<_>>();
    assert_eq!(times, [15, 20, 25, 30, 35, 40].map(time));
    let moved = middle_column(&run.fields[1]) - middle_column(&frame("klot", 13, 4.0).field);
    assert!((moved - 14.0).abs() < 3.0, "{moved} columns in 7 minutes, 14 is the truth");
    nowcast.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_too_long_gives_way_to_extrapolation_and_says_so() {
    let world = World::new().await;
    let nowcast = world.nowcast(&format!("{NEVER}\nbudget_seconds = 0")).await;
    for minute in [0, 5] {
        let hash = world.put("klot", minute).await;
        let (run, _) = world.until_run_of("klot", &hash).await;
        assert_eq!(run.method, "extrapolation");
        assert!(run.model_version.contains("best"), "{}", run.model_version);
    }
    eventually("it is answered", async || nowcast.get("/v1/nowcast").await.status() == 200).await;
    let answer = nowcast.get("/v1/nowcast").await;
    assert_eq!(answer.headers()["raincell-method"], "extrapolation");
    assert!(answer.headers()["raincell-fallback"].to_str().unwrap().starts_with("best was not done within"));
    let (condition, detail) = nowcast.health_of("method").await;
    assert!(condition == "degraded" && detail.contains("best"), "{condition} {detail}");
    nowcast.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_scans_are_late_the_nowcast_still_reaches_as_far_ahead() {
    let world = World::new().await;
    let mut late = frame("klot", 0, 4.0);
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    late.field.valid_time = now - SignedDuration::from_mins(22);
    world.client.put_frame(&late).await.unwrap();
    let nowcast = world.nowcast(NEVER).await;
    eventually("the run", async || world.newest("klot").await.is_some()).await;
    let (run, _) = world.newest("klot").await.unwrap();
    let ahead = run.fields.last().unwrap().valid_time.duration_since(Timestamp::now()).as_mins();
    assert!((24..=30).contains(&ahead), "{ahead} minutes");
    nowcast.stop().await;
}
