//! `/v1/rain` and `/v1/forecast`.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::scene::{ARRIVES_MIN, BAND_MM_H, ENDS_MIN, Scene, header, minutes_after, newest, place};

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rain_now_tells_rain_dry_unobserved_and_outside_apart() {
    let scene = Scene::new().await;
    for (row, column, status, rate) in
        [(64, 30, "ok", Some(BAND_MM_H)), (64, 60, "ok", Some(0.0)), (0, 60, "no_data", None)]
    {
        let (lat, lon) = place(row, column);
        let answer = scene.json(&format!("/v1/rain?lat={lat}&lon={lon}")).await;
        assert_eq!(answer["status"], status);
        match rate {
            // The codec keeps rates to 2.5 %.
            Some(rate) => assert!((answer["rate_mm_h"].as_f64().unwrap() - f64::from(rate)).abs() <= 0.1),
            None => assert!(answer["rate_mm_h"].is_null()),
        }
        assert_eq!(answer["data_age_s"], 120);
        assert_eq!(answer["stale"], false);
        assert!(answer["quality"].is_null());
    }
    let outside = scene.json("/v1/rain?lat=10&lon=10").await;
    assert_eq!(outside["status"], "outside");
    assert!(outside["rate_mm_h"].is_null() && outside["valid_time"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_comes_in_ascending_order() {
    let scene = Scene::new().await;
    let answer = scene.json(&format!("/v1/rain?{}&past=30", Scene::query())).await;
    let past = answer["past"].as_array().unwrap();
    assert_eq!(past.len(), 7);
    assert_eq!(time(&past[0]["valid_time"]), minutes_after(newest(), -30));
    assert_eq!(time(&past[6]["valid_time"]), newest());
    let without = scene.json(&format!("/v1/rain?{}", Scene::query())).await;
    assert!(without.get("past").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_arrival_is_found_to_the_minute_between_the_steps() {
    let scene = Scene::new().await;
    let answer = scene.json(&format!("/v1/forecast?{}", Scene::query())).await;
    let arrival = &answer["arrival"];
    let starts = time(&arrival["starts_at"]).duration_since(minutes_after(newest(), ARRIVES_MIN)).as_mins();
    let ends = time(&arrival["ends_at"]).duration_since(minutes_after(newest(), ENDS_MIN)).as_mins();
    assert!(starts.abs() <= 1 && ends.abs() <= 1, "{arrival}");
    assert_eq!(arrival["intensity"], "moderate");
    assert!(arrival["probability"].is_null() && arrival["earliest"].is_null() && arrival["latest"].is_null());
    let summary = answer["summary"].as_str().unwrap();
    assert!(summary.starts_with("Rain expected at 14:2") && summary.contains("(in "), "{summary}");
    assert!(summary.contains(", moderate, until about 14:4"), "{summary}");
    assert_eq!(time(&answer["issue_time"]), newest());
    assert_eq!(answer["model_version"], "extrapolation test-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_series_has_seven_observed_steps_and_24_ahead_and_invents_nothing() {
    let scene = Scene::new().await;
    let answer = scene.json(&format!("/v1/forecast?{}", Scene::query())).await;
    let series = answer["series"].as_array().unwrap();
    assert_eq!(series.len(), 31);
    for (index, step) in (0..).zip(series) {
        assert_eq!(time(&step["valid_time"]), minutes_after(newest(), -30 + 5 * index));
        assert_eq!(step["observed"], index <= 6);
        for unknown in ["p10", "p50", "p90", "probability_0_1", "probability_1", "probability_5"] {
            assert!(step[unknown].is_null(), "{unknown}");
        }
    }
    assert_eq!(series[7]["rate_mm_h"], 0.0);
    assert!(series[11]["rate_mm_h"].as_f64().unwrap() > 3.0);
    // After an hour the air comes from beyond the western edge.
    assert!(series[30]["rate_mm_h"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn motion_is_told_from_true_north() {
    let scene = Scene::new().await;
    let answer = scene.json(&format!("/v1/forecast?{}", Scene::query())).await;
    let motion = &answer["motion"];
    assert!((motion["speed_km_h"].as_f64().unwrap() - 60.0).abs() < 0.5, "{motion}");
    assert!((motion["towards_deg"].as_f64().unwrap() - 90.0).abs() < 1.0, "{motion}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_is_never_called_dry() {
    let scene = Scene::new().await;
    let (lat, lon) = place(0, 60);
    let unobserved = scene.json(&format!("/v1/forecast?lat={lat}&lon={lon}")).await;
    assert_eq!((&unobserved["status"], &unobserved["summary"]), (&json!("no_data"), &json!("No radar data here.")));
    let (lat, lon) = place(64, 5);
    let near_edge = scene.json(&format!("/v1/forecast?lat={lat}&lon={lon}")).await;
    let summary = near_edge["summary"].as_str().unwrap();
    assert!(summary.starts_with("Dry until 14:") && summary.ends_with("unknown after that."), "{summary}");
    let outside = scene.json("/v1/forecast?lat=-40&lon=170").await;
    assert_eq!((&outside["status"], &outside["summary"]), (&json!("outside"), &json!("No radar data here.")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_speaks_in_the_zone_that_is_asked_for() {
    let scene = Scene::new().await;
    let answer = scene.json(&format!("/v1/forecast?{}&tz=America/New_York", Scene::query())).await;
    assert!(answer["summary"].as_str().unwrap().starts_with("Rain expected at 08:2"), "{}", answer["summary"]);
    let problem = scene.problem(&format!("/v1/forecast?{}&tz=Mars/Base", Scene::query()), 400).await;
    assert_eq!(problem["parameter"], "tz");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_speaks_the_language_that_is_asked_for_and_else_english() {
    let scene = Scene::new().await;
    let path = format!("/v1/forecast?{}", Scene::query());
    for (code, begins) in [
        ("en", "Rain expected at 14:2"),
        ("nl", "Regen verwacht om 14:2"),
        ("de", "Regen um 14:2"),
        ("fr", "Pluie attendue à 14h2"),
        ("hi", "14:2"),
    ] {
        let by_parameter = scene.get(&format!("{path}&lang={code}")).await;
        assert_eq!(header(&by_parameter, "content-language"), code);
        let by_header = scene.get_with(&path, "accept-language", &format!("tlh, {code}-XX;q=0.9, en;q=0.1")).await;
        assert!(header(&by_header, "vary").contains("accept-language"));
        assert_eq!(header(&by_header, "etag"), header(&by_parameter, "etag"));
        let answer: Value = by_parameter.json().await.unwrap();
        assert!(answer["summary"].as_str().unwrap().starts_with(begins), "{}", answer["summary"]);
        assert_eq!(by_header.json::<Value>().await.unwrap()["summary"], answer["summary"]);
    }
    let unspoken = scene.get_with(&path, "accept-language", "tlh, *;q=0.5").await;
    assert_eq!(header(&unspoken, "content-language"), "en");
    let problem = scene.problem(&format!("{path}&lang=tlh"), 400).await;
    assert_eq!(problem["parameter"], "lang");
    assert!(problem.to_string().contains("en, nl, de, fr, hi"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_points_are_answered_in_their_order_and_more_are_refused() {
    let scene = Scene::new().await;
    let points: Vec<Value> = (0..1000)
        .map(|i| {
            let (lat, lon) = place(1 + i % 127, i / 10);
            json!({ "lat": lat, "lon": lon })
        })
        .collect();
    let response = scene.post("/v1/forecast", &json!({ "points": points })).await;
    assert_eq!(response.status(), 200);
    let answer: Value = response.json().await.unwrap();
    let forecasts = answer["forecasts"].as_array().unwrap();
    assert_eq!(forecasts.len(), 1000);
    assert!(forecasts.iter().zip(&points).all(|(forecast, point)| forecast["lat"] == point["lat"]));
    for (body, parameter) in [
        (json!({ "points": vec![json!({ "lat": 1, "lon": 1 }); 1001] }), "points"),
        (json!({ "points": [] }), "points"),
        (json!({ "points": [{ "lat": 1, "lon": 1 }, { "lat": 91, "lon": 1 }] }), "points[1].lat"),
        (json!({ "places": [] }), "body"),
    ] {
        let response = scene.post("/v1/forecast", &body).await;
        assert_eq!(response.status(), 400);
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["parameter"], parameter);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_parameter_is_named_with_what_it_accepts() {
    let scene = Scene::new().await;
    for (path, parameter, accepted) in [
        ("/v1/rain?lon=5", "lat", "-90 to 90"),
        ("/v1/rain?lat=52&lon=181", "lon", "-180 to 180"),
        ("/v1/rain?lat=NaN&lon=5", "lat", "-90 to 90"),
        ("/v1/rain?lat=52&lon=5&past=9999", "past", "0 to 150"),
        ("/v1/forecast?lat=52&lon=5&source=other", "source", "test"),
        ("/data/raintext?lat=x&lon=5", "lat", "-90 to 90"),
    ] {
        let problem = scene.problem(path, 400).await;
        assert_eq!((&problem["parameter"], &problem["accepted"]), (&json!(parameter), &json!(accepted)), "{path}");
        assert_eq!(problem["status"], 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_answer_already_gets_304() {
    let scene = Scene::new().await;
    for path in [
        format!("/v1/rain?{}", Scene::query()),
        format!("/v1/forecast?{}", Scene::query()),
        format!("/data/raintext?{}", Scene::query()),
        format!("/weatherapi/nowcast/2.0/complete?{}", Scene::query()),
        "/v1/frames".into(),
        "/public/weather-maps.json".into(),
        "/tiles/rate.json".into(),
        "/tiles/rate/8/131/84.png".into(),
    ] {
        let first = scene.get(&path).await;
        assert_eq!(first.status(), 200, "{path}");
        assert_eq!(header(&first, "access-control-allow-origin"), "*", "{path}");
        assert_eq!(header(&first, "raincell-data-age"), "120", "{path}");
        assert_eq!(header(&first, "last-modified"), "Mon, 01 Jun 2026 12:00:00 GMT", "{path}");
        assert!(header(&first, "cache-control").starts_with("public, max-age="), "{path}");
        let again = scene.get_with(&path, "if-none-match", &header(&first, "etag")).await;
        assert_eq!(again.status(), 304, "{path}");
        assert_eq!(header(&again, "etag"), header(&first, "etag"), "{path}");
        let dated = scene.get_with(&path, "if-modified-since", &header(&first, "last-modified")).await;
        assert_eq!(dated.status(), 304, "{path}");
        assert_eq!(scene.get_with(&path, "if-none-match", "\"other\"").await.status(), 200, "{path}");
    }
}
