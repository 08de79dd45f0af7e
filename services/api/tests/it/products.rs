//! Probabilities and percentiles of a run, where it has them.

use std::sync::Arc;

use jiff::SignedDuration;
use ndarray::Array2;
use raincell_frame::{Frame, encode_run_with};
use raincell_model::{Grid, RainField};
use serde_json::Value;

use crate::scene::{BAND_MM_H, SOURCE, Scene, field, grid, newest, run_of};

/// What a product is where the rain rate is so much.
type OfRate = fn(f32) -> f32;

/// The scene with a run that has products: in the band rain is nearly sure.
async fn scene_with_products() -> Scene {
    let scene = Scene::new().await;
    let grid = grid();
    let mut further = Vec::new();
    for step in 1..=24 {
        let rates = field(&grid, step * 5);
        let products: [(&str, OfRate); 6] = [
            ("probability-0.1", |rate| if rate > 0.0 { 0.9 } else { 0.06 }),
            ("probability-1", |rate| if rate > 0.0 { 0.8 } else { 0.0 }),
            ("probability-5", |rate| if rate > 0.0 { 0.2 } else { 0.0 }),
            ("p10", |rate| rate * 0.5),
            ("p50", |rate| rate),
            ("p90", |rate| rate * 2.0),
        ];
        for (name, value) in products {
            let rate_mm_h = rates.rate_mm_h.mapv(|rate| if rate.is_nan() { rate } else { value(rate) });
            let field = RainField { rate_mm_h, ..rates.clone() };
            further.push(Frame { source: SOURCE.into(), product: name.into(), field });
        }
    }
    further.extend(arrivals(&grid));
    let (_, stored) = scene.client.latest_run(SOURCE).await.unwrap().unwrap();
    let bytes = encode_run_with(&run_of(&grid), &further).unwrap();
    scene.client.put_run_bytes(SOURCE, newest(), bytes.into(), Some(&stored)).await.unwrap();
    for _ in 0..500 {
        if scene.json("/v1/frames").await["layers"].as_array().unwrap().len() == 4 {
            return scene;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the products never came");
}

/// As the members would have it: rain everywhere that begins 5 to 80 minutes after the issue time.
fn arrivals(grid: &Arc<Grid>) -> Vec<Frame> {
    let minutes = [("probability-arrival", 0.95), ("arrival-p10", 5.0), ("arrival-p90", 80.0), ("end-p10", 90.0)];
    let none = [("end-p90", 0.0)];
    let product = |(name, value): (&str, f32)| {
        let rate_mm_h = Array2::from_elem(grid.shape(), value);
        let field = RainField { grid: Arc::clone(grid), valid_time: newest(), rate_mm_h };
        Frame { source: SOURCE.into(), product: name.into(), field }
    };
    minutes.into_iter().chain(none).map(product).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forecast_has_percentiles_probabilities_and_the_range_of_the_arrival() {
    let scene = scene_with_products().await;
    let answer = scene.json(&format!("/v1/forecast?{}", Scene::query())).await;
    let series = answer["series"].as_array().unwrap();
    assert!(series[6]["p50"].is_null(), "an observation has no percentiles");
    let near = |value: &Value, expected: f32| {
        (value.as_f64().unwrap() - f64::from(expected)).abs() < 0.03 * f64::from(expected)
    };
    let wet = &series[6 + 6];
    assert!(near(&wet["p10"], 0.5 * BAND_MM_H) && near(&wet["p50"], BAND_MM_H) && near(&wet["p90"], 2.0 * BAND_MM_H));
    assert!(near(&wet["probability_0_1"], 0.9) && near(&wet["probability_1"], 0.8) && near(&wet["probability_5"], 0.2));
    assert!(series[30]["probability_1"].is_null(), "what is unknown stays unknown");
    let arrival = &answer["arrival"];
    // What the members say goes before what single lead times say.
    assert!(near(&arrival["probability"], 0.95), "{arrival}");
    let [earliest, starts, latest] = ["earliest", "starts_at", "latest"].map(|key| arrival[key].as_str().unwrap());
    assert!(earliest <= starts && starts <= latest, "{arrival}");
    let after_issue = |minutes: i64| (newest() + SignedDuration::from_mins(minutes)).to_string();
    assert_eq!((earliest, latest), (after_issue(5).as_str(), after_issue(80).as_str()));
    assert!(arrival["ends_earliest"].is_string() && arrival["ends_latest"].is_null(), "{arrival}");
    let summary = answer["summary"].as_str().unwrap();
    assert!(summary.ends_with(", chance 95%."), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn probability_layers_have_tiles_and_a_legend_of_their_own() {
    let scene = scene_with_products().await;
    let layer = scene.json("/tiles/probability-1.json").await;
    assert_eq!(layer["name"], "Probability of at least 1 mm/h");
    assert!(layer["legend"][0]["from_probability"].as_f64().is_some());
    let by_time = scene.get("/tiles/probability-1/8/131/84.png?time=2026-06-01T12:30:00Z").await;
    assert_eq!((by_time.status().as_u16(), by_time.headers()["content-type"].to_str().unwrap()), (200, "image/png"));
    let by_time = by_time.bytes().await.unwrap();
    let list = scene.json("/v1/frames").await;
    let step = list["frames"].as_array().unwrap().iter().find(|frame| frame["valid_time"] == "2026-06-01T12:30:00Z");
    let id = step.unwrap()["id"].as_str().unwrap();
    let by_id = scene.get(&format!("/tiles/probability-1/8/131/84.png?id={id}")).await.bytes().await.unwrap();
    assert_eq!(by_time, by_id);
    let rate = scene.get(&format!("/tiles/rate/8/131/84.png?id={id}")).await.bytes().await.unwrap();
    assert_ne!(by_time, rate);
    scene.problem("/tiles/probability-1/8/131/84.png?time=2026-06-01T18:00:00Z", 404).await;
    scene.problem("/tiles/probability-2/8/131/84.png", 404).await;
}
