//! `/v1/skill/alerts`.

use raincell_api_types::alerts::{AlertSkill, AlertTransition};
use serde_json::json;

use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn the_score_of_the_warnings_is_that_of_the_alert_service() {
    let scene = Scene::new().await;
    let state =
        json!({ "skill": { "hits": 3, "misses": 1, "false_alarms": 1, "pod": 0.75, "far": 0.25 }, "record": {} });
    let change = AlertTransition { expected_revision: 0, state, posts: Vec::new() };
    scene.client.transition("_score", &change).await.unwrap();
    let skill: AlertSkill = serde_json::from_value(scene.json("/v1/skill/alerts").await).unwrap();
    assert_eq!((skill.hits, skill.pod, skill.csi), (3, Some(0.75), None));
    // Without the store, the last answer.
    scene.store.stop();
    assert_eq!(scene.json("/v1/skill/alerts").await["hits"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_warning_there_is_no_score_but_an_answer() {
    let scene = Scene::new().await;
    let skill = scene.json("/v1/skill/alerts").await;
    assert_eq!(skill["hits"], 0);
    assert!(skill["pod"].is_null());
}
