//! OGC API – Environmental Data Retrieval.

use std::process::Command;

use serde_json::{Value, json};

use crate::scene::{BAND_MM_H, COLUMN, ROW, SOURCE, Scene, header, minutes_after, newest, place};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/edr.py");

fn path(rest: &str) -> String {
    format!("/edr/collections/{SOURCE}{rest}")
}

/// The rate of the band, as exactly as a frame keeps it.
fn is_band(rate: &Value) -> bool {
    rate.as_f64().is_some_and(|rate| (rate / f64::from(BAND_MM_H) - 1.0).abs() < 0.025)
}

fn point(row: usize, column: usize) -> String {
    let (lat, lon) = place(row, column);
    format!("POINT({lon} {lat})")
}

/// The public models of EDR and `CoverageJSON` take it (`tests/python/requirements.txt` of the simulator).
fn check_with_public_models(kind: &str, answer: &Value) {
    let Ok(python) = std::env::var("RAINCELL_TEST_PYTHON") else {
        println!("skipped: no Python (RAINCELL_TEST_PYTHON)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("answer.json");
    std::fs::write(&file, answer.to_string()).unwrap();
    let output = Command::new(python).arg(SCRIPT).arg(kind).arg(&file).output().expect("python starts");
    assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_find_their_way_from_the_landing_page_to_the_data() {
    let scene = Scene::new().await;
    let landing = scene.json("/edr").await;
    let links = landing["links"].as_array().unwrap();
    let link = |rel: &str| links.iter().find(|link| link["rel"] == rel).unwrap()["href"].as_str().unwrap();
    assert_eq!(link("data"), format!("{}/edr/collections", scene.api.url));
    assert!(link("conformance").ends_with("/edr/conformance"));
    let classes = scene.json("/edr/conformance").await["conformsTo"].clone();
    assert!(classes.as_array().unwrap().contains(&json!("http://www.opengis.net/spec/ogcapi-edr-1/1.1/conf/core")));
    let collections = scene.json("/edr/collections").await;
    check_with_public_models("collections", &collections);
    let collection = scene.json(&path("")).await;
    assert_eq!(collections["collections"], json!([collection]));
    check_with_public_models("collection", &collection);
    assert_eq!(collection["extent"]["temporal"]["interval"][0][1], minutes_after(newest(), 120).to_string());
    assert_eq!(collection["parameter_names"].as_object().unwrap().len(), 1, "a run without an ensemble has rates only");
    let position = collection["data_queries"]["position"]["link"]["href"].as_str().unwrap();
    assert_eq!(position, format!("{}{}", scene.api.url, path("/position")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_is_a_series_of_what_fell_and_what_will() {
    let scene = Scene::new().await;
    let response = scene.get(&path(&format!("/position?coords={}", point(ROW, COLUMN)))).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "application/prs.coverage+json");
    assert!(!header(&response, "etag").is_empty() && !header(&response, "raincell-data-age").is_empty());
    let series: Value = response.json().await.unwrap();
    check_with_public_models("coverage", &series);
    let times = series["domain"]["axes"]["t"]["values"].as_array().unwrap();
    assert_eq!(times.len(), 37, "an hour of frames and two of steps");
    let rates = series["ranges"]["rain-rate"]["values"].as_array().unwrap();
    // The front is at column 39 at the newest frame and moves a cell a minute: it is here after 25 min and before 45.
    let wet: Vec<&Value> = times.iter().zip(rates).filter(|(_, rate)| is_band(rate)).map(|(time, _)| time).collect();
    let expected = [25, 30, 35, 40].map(|minutes| json!(minutes_after(newest(), minutes).to_string()));
    assert_eq!(wet, expected.iter().collect::<Vec<_>>());
    let one = path(&format!("/position?coords={}&datetime=2026-06-01T12:31Z", point(ROW, COLUMN)));
    let one = scene.json(&one).await;
    let rates = one["ranges"]["rain-rate"]["values"].as_array().unwrap();
    assert!(rates.len() == 1 && is_band(&rates[0]), "{rates:?}");
    assert_eq!(one["domain"]["axes"]["t"]["values"], json!(["2026-06-01T12:30:00Z"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_positions_are_a_collection_in_which_the_unknown_is_null() {
    let scene = Scene::new().await;
    let ((lat_a, lon_a), (lat_b, lon_b)) = (place(ROW, 30), place(0, 30));
    let query =
        format!("/position?coords=MULTIPOINT(({lon_a} {lat_a}),({lon_b} {lat_b}),(30 10))&datetime={}", newest());
    let answer = scene.json(&path(&query)).await;
    check_with_public_models("coverages", &answer);
    let values = |index: usize| &answer["coverages"][index]["ranges"]["rain-rate"]["values"];
    assert!(is_band(&values(0)[0]), "{answer}");
    assert_eq!((values(1), values(2)), (&json!([null]), &json!([null])));
}

#[tokio::test(flavor = "multi_thread")]
async fn areas_cubes_and_circles_are_grids_that_agree_with_the_frames() {
    let scene = Scene::new().await;
    let ((north, west), (south, east)) = (place(40, 10), place(80, 50));
    let at = format!("datetime={}/{}", newest(), minutes_after(newest(), 5));
    let cube = scene.json(&path(&format!("/cube?bbox={west},{south},{east},{north}&{at}"))).await;
    check_with_public_models("coverage", &cube);
    let shape = &cube["ranges"]["rain-rate"]["shape"];
    assert_eq!(shape[0], 2);
    let count = |index: usize| shape[index].as_u64().unwrap();
    assert!((39..=42).contains(&count(1)) && (39..=42).contains(&count(2)), "{shape}");
    let wet = |answer: &Value| {
        let values = answer["ranges"]["rain-rate"]["values"].as_array().unwrap();
        values.iter().filter(|value| is_band(value)).count() as f64 / values.len() as f64
    };
    // Columns 20 to 39 of 10 to 50, then 25 to 44.
    assert!((wet(&cube) - 0.5).abs() < 0.03, "{}", wet(&cube));
    let ring = format!("{west} {north},{east} {north},{east} {south},{west} {south},{west} {north}");
    let area = scene.json(&path(&format!("/area?coords=POLYGON(({ring}))&{at}"))).await;
    check_with_public_models("coverage", &area);
    assert_eq!(area["ranges"], cube["ranges"], "the polygon is the box");
    let circle = format!("/radius?coords={}&within=20&within-units=km&datetime={}", point(60, 30), newest());
    let circle = scene.json(&path(&circle)).await;
    check_with_public_models("coverage", &circle);
    let values = circle["ranges"]["rain-rate"]["values"].as_array().unwrap();
    let known = values.iter().filter(|value| !value.is_null()).count();
    // π · 20² cells of one km².
    assert!((1200..1320).contains(&known), "{known}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_named() {
    let scene = Scene::new().await;
    let here = point(ROW, COLUMN);
    for (rest, status, parameter) in [
        ("/position".into(), 400, "coords"),
        ("/position?coords=POINT(5)".into(), 400, "coords"),
        (format!("/position?coords={here}&parameter-name=snow"), 400, "parameter-name"),
        (format!("/position?coords={here}&datetime=noon"), 400, "datetime"),
        (format!("/position?coords={here}&datetime=2020-01-01T00:00Z"), 404, "datetime"),
        (format!("/position?coords={here}&f=GRIB"), 400, "f"),
        (format!("/position?coords={here}&crs=EPSG:28992"), 400, "crs"),
        (format!("/position?coords={here}&z=500"), 400, "z"),
        ("/position?coords=POINT(30 10)".into(), 404, "coords"),
        ("/area?coords=POLYGON((30 10,31 10,31 11,30 10))".into(), 404, "coords"),
        ("/cube?bbox=1,2".into(), 400, "bbox"),
        ("/radius?coords=POINT(5 52)&within-units=km".into(), 400, "within"),
        ("/radius?coords=POINT(5 52)&within=5".into(), 400, "within-units"),
    ] {
        let problem = scene.problem(&path(&rest), status).await;
        assert_eq!(problem["parameter"], parameter, "{rest}");
        assert!(problem["accepted"].is_string(), "{rest}");
    }
    let nowhere = scene.problem("/edr/collections/nowhere/position?coords=POINT(5 52)", 404).await;
    assert_eq!((&nowhere["parameter"], &nowhere["accepted"]), (&json!("collection"), &json!(SOURCE)));
}
