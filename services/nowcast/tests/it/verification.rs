//! How runs verify, as it is kept in the store.

use ndarray::Array2;
use raincell_api_types::verification::{PooledSums, ScoredNowcast, Sums};
use raincell_frame::{decode, decode_run_header};
use raincell_verification::{CRPS, CrpsPool, Pool, ProbabilityPool};

use crate::world::{NEVER, World, eventually, time};

async fn verification(world: &World) -> Vec<PooledSums> {
    world.client.verification("klot", time(0), time(120)).await.unwrap()
}

/// (method, lead in minutes, nowcasts), in the order of the store.
async fn counts(world: &World) -> Vec<(String, u16, u64)> {
    verification(world).await.into_iter().map(|p| (p.method, p.lead_min, p.nowcasts)).collect()
}

fn expected(by_lead: &[(u16, u64)]) -> Vec<(String, u16, u64)> {
    let of = |method: &str| by_lead.iter().map(|(lead, n)| (method.to_owned(), *lead, *n)).collect::<Vec<_>>();
    [of("best"), of("persistence")].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_is_scored_once_when_its_time_comes_also_after_a_restart() {
    let world = World::new().await;
    let nowcast = world.nowcast(NEVER).await;
    let mut issued = Vec::new();
    for minute in [0, 5, 10] {
        let hash = world.put("klot", minute).await;
        issued.push(world.until_run_of("klot", &hash).await.0);
    }
    eventually("scored", async || counts(&world).await == expected(&[(5, 2), (10, 1)])).await;
    nowcast.stop().await;

    let nowcast = world.nowcast(NEVER).await;
    let hash = world.put("klot", 15).await;
    world.until_run_of("klot", &hash).await;
    eventually("scored", async || counts(&world).await == expected(&[(5, 3), (10, 2), (15, 1)])).await;
    nowcast.stop().await;

    // The sums are those of the fields that were issued.
    let frames = world.client.latest_frames("klot", "rate", 9).await.unwrap();
    let mut by_hand = Pool::default();
    for (run, frame) in issued.iter().zip(&frames[2..]) {
        let observed = world.client.frame(frame).await.unwrap().field;
        assert_eq!(run.fields[1].valid_time, observed.valid_time);
        by_hand.add(&run.fields[1].rate_mm_h, &observed.rate_mm_h).unwrap();
    }
    let stored = verification(&world).await;
    let at_ten = |method: &str| {
        let pool = stored.iter().find(|pool| pool.method == method && pool.lead_min == 10).unwrap();
        Pool::from_sums(&pool.sums, 2).scores()
    };
    let (best, persistence) = (at_ten("best"), at_ten("persistence"));
    for (found, expected) in best.at.iter().zip(by_hand.scores().at) {
        assert!((found.csi - expected.csi).abs() < 1e-9 && (found.fss - expected.fss).abs() < 1e-9, "{found:?}");
    }
    assert!(best.at[0].csi > 2.0 * persistence.at[0].csi, "{} {}", best.at[0].csi, persistence.at[0].csi);
    assert!((best.mae_wet_mm_h - by_hand.scores().mae_wet_mm_h).abs() < 1e-9);
    let crps = |method: &str| {
        let pool = stored.iter().find(|pool| pool.method == method && pool.lead_min == 10).unwrap();
        CrpsPool::from_sums(&pool.sums[CRPS]).crps_mm_h().unwrap()
    };
    assert!(0.0 < crps("best") && crps("best") < crps("persistence"), "{} {}", crps("best"), crps("persistence"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_source_has_scores_of_the_hours_before_and_one_run() {
    let world = World::new().await;
    for minute in [0, 5, 10, 15] {
        world.put("klot", minute).await;
    }
    let nowcast = world.nowcast(NEVER).await;
    eventually("scored", async || counts(&world).await == expected(&[(5, 3), (10, 2), (15, 1)])).await;
    assert_eq!(world.runs("klot").await.len(), 1);
    eventually("it is told", async || {
        let metrics = nowcast.get("/metrics").await.text().await.unwrap();
        let told = |score: &str| {
            let parts = ["raincell_nowcast_skill{", score, "lead=\"5\"", "best"];
            metrics.lines().any(|line| parts.iter().all(|part| line.contains(part)))
        };
        told("csi0.1") && told("\"crps\"")
    })
    .await;
    nowcast.stop().await;
}

/// The first product of a name in the newest run.
async fn first_product(world: &World, name: &str) -> Array2<f32> {
    let newest = world.runs("klot").await.into_iter().max_by_key(|run| run.issue_time).unwrap();
    let bytes = world.client.run_bytes(&newest).await.unwrap();
    let header = decode_run_header(&bytes).unwrap();
    let product = header.products_named(name).next().unwrap();
    decode(product.frame_bytes(&bytes)).unwrap().field.rate_mm_h
}

#[tokio::test(flavor = "multi_thread")]
async fn probabilities_are_put_right_by_how_they_verified_and_the_raw_ones_kept_beside() {
    let world = World::new().await;
    // Whatever the probability, rain came every tenth time.
    let mut pool = ProbabilityPool::default();
    for class in 0..10 {
        (0..30_000).for_each(|cell| pool.add_cell(class as f32 / 10.0 + 0.05, cell % 10 == 0));
    }
    let sums = Sums::from([("probability-raw-0.1".to_owned(), pool.to_sums())]);
    let scored = ScoredNowcast { method: "best".into(), issue_time: time(-60), lead_min: 5, sums };
    assert_eq!(world.client.add_verification("klot", &[scored]).await.unwrap(), 1);

    let nowcast = world.nowcast(NEVER).await;
    let mut put_right = false;
    // What has verified is known from the first scores on: a run or two after the start.
    for minute in (0..60).step_by(5) {
        let hash = world.put("klot", minute).await;
        world.until_run_of("klot", &hash).await;
        let raw = first_product(&world, "probability-raw-0.1").await;
        let told = first_product(&world, "probability-0.1").await;
        let likely: Vec<f32> =
            raw.iter().zip(&told).filter(|(raw, _)| (0.3..0.9).contains(*raw)).map(|(_, told)| *told).collect();
        assert!(!likely.is_empty());
        put_right = likely.iter().all(|told| (0.05..0.2).contains(told));
        if put_right {
            break;
        }
    }
    assert!(put_right);
    nowcast.stop().await;
}
