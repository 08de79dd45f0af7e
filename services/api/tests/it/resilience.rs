//! What happens when something is away, old, or too much.

use std::time::Duration;

use serde_json::{Value, json};

use crate::scene::{Scene, frame, grid, header, minutes_after, newest, run_of};

#[tokio::test(flavor = "multi_thread")]
async fn old_data_are_served_as_stale_never_as_fresh() {
    let scene = Scene::new().await;
    scene.clock.set(minutes_after(newest(), 16));
    let rain = scene.get(&format!("/v1/rain?{}", Scene::query())).await;
    assert_eq!((header(&rain, "raincell-stale"), header(&rain, "raincell-data-age")), ("true".into(), "960".into()));
    let rain: Value = rain.json().await.unwrap();
    assert_eq!((&rain["stale"], &rain["data_age_s"]), (&json!(true), &json!(960)));
    let forecast = scene.json(&format!("/v1/forecast?{}", Scene::query())).await;
    assert_eq!(forecast["stale"], true);
    assert!(forecast["summary"].as_str().unwrap().ends_with("The data are 16 min old."), "{}", forecast["summary"]);
    let met = scene.json(&format!("/weatherapi/nowcast/2.0/complete?{}", Scene::query())).await;
    assert_eq!(met["properties"]["meta"]["radar_coverage"], "temporarily unavailable");
    assert_eq!(scene.json("/v1/frames").await["stale"], true);

    // Far beyond the run nothing is known any more.
    scene.clock.set(minutes_after(newest(), 300));
    let forecast = scene.json(&format!("/v1/forecast?{}", Scene::query())).await;
    assert!(forecast["arrival"].is_null());
    assert!(forecast["summary"].as_str().unwrap().starts_with("No current forecast here."), "{forecast}");
    scene.problem(&format!("/data/raintext?{}", Scene::query()), 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_the_memory_goes_on_answering() {
    let scene = Scene::with_overrides("poll_seconds = 1").await;
    let ready = scene.json("/ready").await;
    assert_eq!(ready["dependencies"]["store"]["condition"], "ok");
    scene.store.stop();
    let mut condition = Value::Null;
    for _ in 0..1500 {
        condition = scene.json("/ready").await["dependencies"]["store"]["condition"].clone();
        if condition == "degraded" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(condition, "degraded");
    let forecast = scene.json(&format!("/v1/forecast?{}", Scene::query())).await;
    assert_eq!((&forecast["status"], &forecast["stale"]), (&json!("ok"), &json!(false)));
    assert_eq!(scene.get("/tiles/rate/8/131/84.png").await.status(), 200);

    // Once the circuit is open, nobody here would know of a frame that is due by now.
    scene.clock.set(minutes_after(newest(), 6));
    let mut circuit = Value::Null;
    for _ in 0..1500 {
        circuit = scene.json("/ready").await["dependencies"]["store_circuit"].clone();
        if circuit["condition"] == "degraded" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let detail = circuit["detail"].as_str().unwrap();
    assert!(detail.contains("open"), "{circuit}");
    let rain = scene.json(&format!("/v1/rain?{}", Scene::query())).await;
    assert_eq!((&rain["status"], &rain["stale"], &rain["data_age_s"]), (&json!("ok"), &json!(true), &json!(360)));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_of_what_is_served_already() {
    let scene = Scene::empty("").await;
    let mut events = scene.get("/v1/events").await;
    assert_eq!(header(&events, "content-type"), "text/event-stream");
    scene.client.put_frame(&frame(0)).await.unwrap();
    let text = next_event(&mut events).await;
    assert!(text.contains("event: frame\n") && text.contains("id: "), "{text}");
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let event: Value = serde_json::from_str(data).unwrap();
    let hash = event["body"]["hash"].as_str().unwrap();
    assert_eq!(scene.get(&format!("/v1/frames/{hash}")).await.status(), 200);

    scene.client.put_run(&run_of(&grid())).await.unwrap();
    let text = next_event(&mut events).await;
    assert!(text.contains("event: nowcast\n"), "{text}");
    scene.wait_for(25).await;
}

/// The next message of an event stream.
async fn next_event(events: &mut reqwest::Response) -> String {
    let mut text = String::new();
    while !text.contains("\n\n") {
        let chunk = tokio::time::timeout(Duration::from_secs(30), events.chunk()).await;
        text += std::str::from_utf8(&chunk.expect("an event in time").unwrap().unwrap()).unwrap();
        if text.starts_with(':') {
            text.clear();
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_get_429_and_when_to_come_back() {
    let scene = Scene::empty("[api.rate_limit]\nrequests_per_minute = 60\nburst = 3").await;
    let mut limited = None;
    for _ in 0..5 {
        let response = scene.get("/public/weather-maps.json").await;
        if response.status() == 429 {
            limited = Some(response);
        }
    }
    let limited = limited.expect("five at once are more than three");
    assert!(header(&limited, "retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(header(&limited, "content-type"), "application/problem+json");
    assert_eq!(header(&limited, "access-control-allow-origin"), "*");
    for _ in 0..5 {
        assert_eq!(scene.get("/health").await.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_switched_off_is_not_there() {
    let overrides = "[api.features]\nmap = false\ntiles = false\nrainviewer = false\nraintext = false\nmet_nowcast = false\ndocs = false";
    let scene = Scene::with_overrides(overrides).await;
    for path in [
        "/",
        "/tiles/rate.json",
        "/public/weather-maps.json",
        "/data/raintext?lat=52&lon=5",
        "/weatherapi/nowcast/2.0/complete?lat=52&lon=5",
        "/docs",
    ] {
        scene.problem(path, 404).await;
    }
    assert_eq!(scene.get(&format!("/v1/rain?{}", Scene::query())).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_each_way_that_frames_come_in() {
    raincell_service_runtime::telemetry::prometheus();
    let scene = Scene::new().await;
    let text = scene.get("/metrics").await.text().await.unwrap();
    assert!(text.contains("raincell_api_received_total"), "{text}");
    assert!(text.contains(r#"path="event""#) || text.contains(r#"path="poll""#));
}
