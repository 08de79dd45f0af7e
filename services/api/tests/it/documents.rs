//! The page, the description of the paths, and what they say of themselves.

use serde_json::Value;

use crate::scene::{Scene, header};

#[tokio::test(flavor = "multi_thread")]
async fn the_openapi_document_describes_every_path() {
    let scene = Scene::empty("").await;
    let mut document = scene.json("/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    document["info"]["version"] = "[version]".into();
    insta::assert_json_snapshot!("openapi", document);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_all_that_it_loads_come_from_here() {
    let scene = Scene::empty("").await;
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/assets/main.js", "text/javascript"),
        ("/assets/main.css", "text/css"),
        ("/assets/worker.js", "text/javascript"),
        ("/map/land.json", "application/geo+json"),
        ("/map/borders.json", "application/geo+json"),
        ("/map/places.json", "application/geo+json"),
    ] {
        let response = scene.get(path).await;
        assert_eq!(
            (response.status().as_u16(), header(&response, "content-type")),
            (200, content_type.into()),
            "{path}"
        );
        assert!(header(&response, "content-encoding").is_empty());
        let tag = header(&response, "etag");
        assert_eq!(scene.get_with(path, "if-none-match", &tag).await.status(), 304, "{path}");
    }
    let page = scene.get("/").await.text().await.unwrap();
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"), "the page loads from elsewhere");
    let packed = scene.get_with("/map/land.json", "accept-encoding", "gzip").await;
    assert_eq!(header(&packed, "content-encoding"), "gzip");
    let land: Value = scene.json("/map/land.json").await;
    assert_eq!(land["geometry"]["type"], "MultiPolygon");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_a_problem_too() {
    let scene = Scene::empty("").await;
    scene.problem("/v1/nothing", 404).await;
    let response = scene.post("/v1/rain", &Value::Null).await;
    assert_eq!(response.status(), 405);
    assert_eq!(header(&response, "content-type"), "application/problem+json");
}
