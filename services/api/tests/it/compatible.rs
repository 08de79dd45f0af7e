//! Formats that other clients read: RainViewer v2, raintext, MET Norway nowcast 2.0.

use serde_json::{Value, json};

use crate::scene::{Scene, header, newest, place};

#[tokio::test(flavor = "multi_thread")]
async fn raintext_has_25_lines_that_the_readers_formula_understands() {
    let scene = Scene::new().await;
    let response = scene.get(&format!("/data/raintext?{}", Scene::query())).await;
    assert!(header(&response, "content-type").starts_with("text/plain"));
    let text = response.text().await.unwrap();
    assert!(text.ends_with("\r\n"));
    let lines: Vec<&str> = text.strip_suffix("\r\n").unwrap().split("\r\n").collect();
    assert_eq!(lines.len(), 25);
    // 12:02 UTC is 14:02 in Amsterdam in June: the current slot began at 14:00.
    assert_eq!(lines[0], "000|14:00");
    assert_eq!(lines[24].split_once('|').unwrap().1, "16:00");
    let (code, time) = lines[5].split_once('|').unwrap();
    assert_eq!((code.len(), time), (3, "14:25"));
    let rate = 10_f64.powf((code.parse::<f64>().unwrap() - 109.0) / 32.0);
    assert!((rate / 4.0 - 1.0).abs() < 0.07, "{rate}");
    // What is not known is not told as dry.
    assert_eq!(lines[24], "|16:00");
}

#[tokio::test(flavor = "multi_thread")]
async fn raintext_in_the_configured_zone_and_404_where_nothing_is_known() {
    let scene = Scene::with_overrides("time_zone = 'UTC'").await;
    let text = scene.get(&format!("/data/raintext?{}", Scene::query())).await.text().await.unwrap();
    assert!(text.starts_with("000|12:00\r\n"), "{text}");
    scene.problem("/data/raintext?lat=10&lon=10", 404).await;
    let (lat, lon) = place(0, 60);
    scene.problem(&format!("/data/raintext?lat={lat}&lon={lon}"), 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn met_nowcast_is_a_feature_with_five_minute_steps_and_the_next_hour() {
    let scene = Scene::new().await;
    let (lat, lon) = place(64, 60);
    let answer = scene.json(&format!("/weatherapi/nowcast/2.0/complete?lat={lat}&lon={lon}&altitude=12")).await;
    assert_eq!(answer["type"], "Feature");
    assert_eq!(answer["geometry"], json!({ "type": "Point", "coordinates": [lon, lat, 12] }));
    let meta = &answer["properties"]["meta"];
    assert_eq!(meta["radar_coverage"], "ok");
    assert_eq!(meta["updated_at"], "2026-06-01T12:00:00Z");
    assert_eq!(meta["units"], json!({ "precipitation_rate": "mm/h", "precipitation_amount": "mm" }));
    let series = answer["properties"]["timeseries"].as_array().unwrap();
    assert_eq!(series[0]["time"], "2026-06-01T12:00:00Z");
    assert_eq!(series[1]["time"], "2026-06-01T12:05:00Z");
    assert_eq!(series[0]["data"]["instant"]["details"]["precipitation_rate"], 0.0);
    let hour = &series[0]["data"]["next_1_hours"];
    // 20 minutes of 4 mm/h.
    assert!((hour["details"]["precipitation_amount"].as_f64().unwrap() - 1.3).abs() < 0.15, "{hour}");
    assert_eq!(hour["summary"]["symbol_code"], "heavyrain");
    assert!(series[1]["data"].get("next_1_hours").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn met_nowcast_refuses_five_decimals_and_tells_of_missing_coverage_with_200() {
    let scene = Scene::new().await;
    let problem = scene.problem("/weatherapi/nowcast/2.0/complete?lat=52.12345&lon=5", 403).await;
    assert_eq!(problem["parameter"], "lat");
    let coverage = |answer: &Value| answer["properties"]["meta"]["radar_coverage"].clone();
    let outside = scene.json("/weatherapi/nowcast/2.0/complete?lat=10&lon=10").await;
    assert_eq!(coverage(&outside), "no coverage");
    assert_eq!(outside["properties"]["timeseries"], json!([]));
    let (lat, lon) = place(0, 60);
    let unobserved = scene.json(&format!("/weatherapi/nowcast/2.0/complete?lat={lat}&lon={lon}")).await;
    assert_eq!(coverage(&unobserved), "temporarily unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn weather_maps_have_all_keys_and_paths_that_lead_to_tiles() {
    let scene = Scene::with_overrides("public_host = 'https://rain.example.org/'").await;
    let maps = scene.json("/public/weather-maps.json").await;
    assert_eq!((&maps["version"], &maps["host"]), (&json!("2.0"), &json!("https://rain.example.org")));
    assert_eq!(maps["generated"], newest().as_second() + 120);
    assert_eq!(maps["satellite"], json!({ "infrared": [] }));
    let past = maps["radar"]["past"].as_array().unwrap();
    let nowcast = maps["radar"]["nowcast"].as_array().unwrap();
    let times = |list: &[Value]| list.iter().map(|f| f["time"].as_i64().unwrap()).collect::<Vec<_>>();
    // An hour is stored: seven frames, ten minutes apart, up to the newest.
    assert_eq!(times(past), (-6..=0).map(|i| newest().as_second() + 600 * i).collect::<Vec<_>>());
    assert_eq!(times(nowcast), (1..=12).map(|i| newest().as_second() + 600 * i).collect::<Vec<_>>());
    for frame in [&past[6], &nowcast[0]] {
        let path = frame["path"].as_str().unwrap();
        assert!(path.starts_with("/v2/radar/"), "{path}");
        for (rest, content_type) in [
            ("/256/8/131/84/2/1_1.png", "image/png"),
            ("/512/8/131/84/255/0_0.png", "image/png"),
            ("/256/8/131/84/4/0_1.webp", "image/webp"),
            ("/512/7/52.0/5.0/2/1_0.png", "image/png"),
        ] {
            let response = scene.get(&format!("{path}{rest}")).await;
            assert_eq!(response.status(), 200, "{rest}");
            assert_eq!(header(&response, "content-type"), content_type);
            assert_eq!(header(&response, "cache-control"), "public, max-age=31536000, immutable");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thirteen_past_frames_ten_minutes_apart_once_there_are_two_hours() {
    let scene = Scene::empty("").await;
    for step in (0..=24).rev() {
        scene.client.put_frame(&crate::scene::frame(-step * 5)).await.unwrap();
    }
    scene.wait_for(25).await;
    let maps = scene.json("/public/weather-maps.json").await;
    assert_eq!(maps["radar"]["past"].as_array().unwrap().len(), 13);
    assert_eq!(maps["radar"]["nowcast"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_frame_the_maps_are_empty_but_whole() {
    let scene = Scene::empty("").await;
    let maps = scene.json("/public/weather-maps.json").await;
    assert_eq!(maps["radar"], json!({ "past": [], "nowcast": [] }));
    assert_eq!(maps["host"], scene.api.url);
    let met = scene.json("/weatherapi/nowcast/2.0/complete?lat=52&lon=5").await;
    assert_eq!(met["properties"]["meta"]["radar_coverage"], "temporarily unavailable");
    scene.problem("/v1/frames", 503).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn coverage_tiles_come_by_both_paths() {
    let scene = Scene::new().await;
    let long = scene.get("/v2/coverage/0/256/8/131/84/0/0_0.png").await;
    let short = scene.get("/v2/coverage/0/256/8/131/84.png").await;
    assert_eq!((long.status().as_u16(), short.status().as_u16()), (200, 200));
    let newest = long.bytes().await.unwrap();
    assert_eq!(newest, short.bytes().await.unwrap());
    // A nowcast knows less than the newest frame, and its own coverage says so.
    let list = scene.json("/v1/frames").await;
    let last = list["frames"][36]["id"].as_str().unwrap();
    let ahead = scene.get(&format!("/v2/coverage/0/256/8/131/84.png?id={last}")).await;
    assert!(header(&ahead, "cache-control").contains("immutable"));
    assert_ne!(newest, ahead.bytes().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_tile_path_is_told_what_is_wrong() {
    let scene = Scene::new().await;
    let maps = scene.json("/public/weather-maps.json").await;
    let path = maps["radar"]["past"][0]["path"].as_str().unwrap();
    for (rest, parameter) in [
        ("/300/8/131/84/2/1_1.png", "size"),
        ("/256/13/0/0/2/1_1.png", "z"),
        ("/256/3/8/0/2/1_1.png", "x"),
        ("/256/8/52.0/5/2/1_1.png", "lon"),
        ("/256/8/131/84/9/1_1.png", "color"),
        ("/256/8/131/84/2/2_0.png", "options"),
        ("/256/8/131/84/2/1_1.gif", "format"),
    ] {
        let problem = scene.problem(&format!("{path}{rest}"), 400).await;
        assert_eq!(problem["parameter"], parameter, "{rest}");
        assert!(problem["accepted"].is_string());
    }
    scene.problem("/v2/radar/0123456789abcdef/256/8/131/84/2/1_1.png", 404).await;
}
