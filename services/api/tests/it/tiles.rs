//! Own tiles and frames.

use serde_json::Value;

use crate::scene::{SOURCE, Scene, frame, header, place};

/// Width and height of a PNG, from its header.
fn png_size(bytes: &[u8]) -> (u32, u32) {
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[tokio::test(flavor = "multi_thread")]
async fn tile_json_describes_the_layer_and_its_area() {
    let scene = Scene::new().await;
    let layer = scene.json("/tiles/rate.json").await;
    assert_eq!(layer["tilejson"], "3.0.0");
    assert_eq!((&layer["minzoom"], &layer["maxzoom"]), (&0.into(), &12.into()));
    let bounds: Vec<f64> = layer["bounds"].as_array().unwrap().iter().map(|b| b.as_f64().unwrap()).collect();
    assert!(bounds[0] < 4.2 && bounds[1] < 51.5 && bounds[2] > 5.8 && bounds[3] > 52.5, "{bounds:?}");
    assert!(!layer["legend"].as_array().unwrap().is_empty());
    let template = layer["tiles"][0].as_str().unwrap();
    let url = template.replace("{z}", "8").replace("{x}", "131").replace("{y}", "84");
    let tile = scene.get(url.strip_prefix(&scene.api.url).unwrap()).await;
    assert_eq!(tile.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_have_the_size_that_is_asked_for_and_rain_where_it_is() {
    let scene = Scene::new().await;
    for (path, size) in [
        ("/tiles/rate/8/131/84.png", 256),
        ("/tiles/rate/8/131/84@2x.png", 512),
        ("/tiles/rate/8/131/84.png?size=512", 512),
        ("/tiles/rate/0/0/0.png", 256),
        ("/tiles/rate/12/2105/1350.png", 256),
    ] {
        let response = scene.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let bytes = response.bytes().await.unwrap();
        assert_eq!(png_size(&bytes), (size, size), "{path}");
    }
    let rainy = scene.get("/tiles/rate/8/131/84.png").await.bytes().await.unwrap();
    let empty = scene.get("/tiles/rate/8/10/10.png").await.bytes().await.unwrap();
    assert!(rainy.len() > 2 * empty.len(), "{} and {} bytes", rainy.len(), empty.len());
    let webp = scene.get("/tiles/rate/8/131/84.webp").await;
    assert_eq!(header(&webp, "content-type"), "image/webp");
    assert_eq!(&webp.bytes().await.unwrap()[..4], b"RIFF");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tile_can_be_had_by_id_and_by_time_past_or_future() {
    let scene = Scene::new().await;
    let list = scene.json("/v1/frames").await;
    let frames = list["frames"].as_array().unwrap();
    for index in [0, 12, 13, 36] {
        let (id, time) = (frames[index]["id"].as_str().unwrap(), frames[index]["valid_time"].as_str().unwrap());
        let by_id = scene.get(&format!("/tiles/rate/8/131/84.png?id={id}")).await;
        assert!(header(&by_id, "cache-control").contains("immutable"));
        let by_time = scene.get(&format!("/tiles/rate/8/131/84.png?time={time}")).await;
        assert!(!header(&by_time, "cache-control").contains("immutable"));
        assert_eq!(by_id.bytes().await.unwrap(), by_time.bytes().await.unwrap());
    }
    let problem = scene.problem("/tiles/rate/8/131/84.png?time=2026-06-01T20:00:00Z", 404).await;
    assert_eq!(problem["accepted"], "2026-06-01T11:00:00Z to 2026-06-01T14:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_without_data_say_what_they_wait_for() {
    let scene = Scene::new().await;
    for layer in ["quality", "probability-0.1", "probability-1", "probability-5"] {
        for path in [format!("/tiles/{layer}/8/131/84.png"), format!("/tiles/{layer}.json")] {
            let problem = scene.problem(&path, 404).await;
            assert!(problem["detail"].as_str().unwrap().contains("not available until"), "{problem}");
        }
    }
    let problem = scene.problem("/tiles/clouds/8/131/84.png", 404).await;
    assert_eq!(problem["accepted"], "rate, probability-0.1, probability-1, probability-5, quality");
}

#[tokio::test(flavor = "multi_thread")]
async fn quality_comes_with_the_rain_and_as_a_layer() {
    let scene = Scene::new().await;
    let rate = frame(0);
    let value = |column: usize| 1.0 - column as f32 / 256.0;
    let rate_mm_h = ndarray::Array2::from_shape_fn(rate.field.grid.shape(), |(_, column)| value(column));
    let field = raincell_model::RainField { rate_mm_h, ..rate.field };
    let quality = raincell_frame::Frame { source: rate.source, product: "quality".into(), field };
    scene.client.put_frame(&quality).await.unwrap();
    let (lat, lon) = place(64, 60);
    let asked = format!("/v1/rain?lat={lat}&lon={lon}");
    let mut answer = scene.json(&asked).await;
    for _ in 0..500 {
        if !answer["quality"].is_null() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        answer = scene.json(&asked).await;
    }
    assert!((answer["quality"].as_f64().unwrap() - f64::from(value(60))).abs() < 0.005, "{answer}");
    assert!(answer["rate_mm_h"].is_number(), "the rain is still there");
    let (lat, lon) = place(0, 60);
    let unknown = scene.json(&format!("/v1/rain?lat={lat}&lon={lon}")).await;
    assert!(unknown["quality"].is_null(), "what was not observed is worth nothing and has no number");
    let list = scene.json("/v1/frames").await;
    assert_eq!(list["layers"], serde_json::json!(["rate", "quality"]));
    assert!(list["frames"].as_array().unwrap().iter().all(|frame| frame["id"] != "quality"));
    let described = scene.json("/tiles/quality.json").await;
    assert_eq!((&described["tilejson"], &described["legend"][0]["from_quality"]), (&"3.0.0".into(), &0.01_f32.into()));
    let answer = scene.get("/tiles/quality/8/131/84.png").await;
    assert_eq!((answer.status().as_u16(), header(&answer, "content-type").as_str()), (200, "image/png"));
    let drawn = answer.bytes().await.unwrap();
    assert!(drawn.starts_with(b"\x89PNG") && drawn.len() > 150, "{} bytes", drawn.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_goes_from_the_past_into_the_future() {
    let scene = Scene::new().await;
    let list = scene.json("/v1/frames").await;
    assert_eq!((&list["source"], &list["sources"][0]), (&Value::from(SOURCE), &Value::from(SOURCE)));
    let frames = list["frames"].as_array().unwrap();
    let kinds: Vec<&str> = frames.iter().map(|frame| frame["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "observed").count(), 13);
    assert!(kinds.is_sorted_by_key(|kind| *kind == "nowcast"));
    assert!(frames.is_sorted_by_key(|frame| frame["valid_time"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_comes_as_a_sparse_frame_or_as_a_picture() {
    let scene = Scene::new().await;
    let list = scene.json("/v1/frames").await;
    let id = |index: usize| list["frames"][index]["id"].as_str().unwrap().to_owned();
    let observed = scene.get(&format!("/v1/frames/{}", id(12))).await;
    assert_eq!(header(&observed, "content-type"), raincell_frame::MEDIA_TYPE);
    assert!(header(&observed, "cache-control").contains("immutable"));
    let body = observed.bytes().await.unwrap();
    assert_eq!(raincell_frame::content_hash(&body), id(12));
    assert_eq!(body, raincell_frame::encode(&frame(0)).unwrap());

    let ahead = scene.get(&format!("/v1/frames/{}", id(13))).await.bytes().await.unwrap();
    let ahead = raincell_frame::decode(&ahead).unwrap();
    assert_eq!(ahead.field.valid_time.to_string(), "2026-06-01T12:05:00Z");

    for index in [12, 13] {
        let picture = scene.get_with(&format!("/v1/frames/{}", id(index)), "accept", "image/png").await;
        assert_eq!(header(&picture, "content-type"), "image/png");
        assert_eq!(header(&picture, "vary"), "accept");
        assert!(png_size(&picture.bytes().await.unwrap()).0 > 100);
    }
    let refused = scene.get_with(&format!("/v1/frames/{}", id(12)), "accept", "text/html").await;
    assert_eq!(refused.status(), 406);
    scene.problem("/v1/frames/0123", 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_comes_as_a_geotiff() {
    let scene = Scene::new().await;
    let list = scene.json("/v1/frames").await;
    let path = format!("/v1/frames/{}", list["frames"][12]["id"].as_str().unwrap());
    let answer = scene.get_with(&path, "accept", "image/tiff").await;
    assert_eq!(header(&answer, "content-type"), "image/tiff; application=geotiff");
    assert!(header(&answer, "cache-control").contains("immutable"));
    // TIFF, little-endian; what is in it is read by GDAL in the tests of `io`.
    assert!(answer.bytes().await.unwrap().starts_with(b"II*\0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_comes_as_an_odim_composite_that_says_the_same() {
    let scene = Scene::new().await;
    let list = scene.json("/v1/frames").await;
    for (index, minutes) in [(12, 0), (13, 5)] {
        let path = format!("/v1/frames/{}", list["frames"][index]["id"].as_str().unwrap());
        let answer = scene.get_with(&path, "accept", "application/x-hdf5").await;
        assert_eq!((answer.status().as_u16(), header(&answer, "content-type").as_str()), (200, "application/x-hdf5"));
        assert_eq!(header(&answer, "vary"), "accept");
        let tag = header(&answer, "etag");
        let bytes = answer.bytes().await.unwrap();
        let read = raincell_io::read(&bytes, "frame.h5", &raincell_io::ReadOptions::default()).unwrap();
        let raincell_io::RawScan::Grid(grid) = read else { panic!("not a composite") };
        let expected = frame(minutes).field;
        assert_eq!(grid.valid_time, expected.valid_time);
        for (found, expected) in grid.data.iter().zip(&expected.rate_mm_h) {
            // Unknown stays unknown and dry stays dry; the sparse frame rounds by 2.5 %.
            match found.as_value() {
                None if found.is_nodata() => assert!(expected.is_nan()),
                None => assert_eq!(*expected, 0.0),
                Some(rate) => assert!((rate - expected).abs() <= 0.03 * expected, "{rate} for {expected}"),
            }
        }
        let again = scene.get_with(&path, "if-none-match", &tag).await;
        assert_eq!(again.status(), 200, "the tag is that of the file, not of the sparse frame");
    }
}
