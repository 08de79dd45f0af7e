//! `/v1/skill`.

use raincell_api_types::verification::{ScoredNowcast, Skill};
use raincell_verification::{CRPS, CrpsPool, Pool};

use crate::scene::{SOURCE, Scene, field, grid, header, minutes_after, newest};

/// Nowcasts that are some minutes off, and persistence, both scored on the scene's own band.
async fn score(scene: &Scene) {
    let grid = grid();
    let mut scored = Vec::new();
    for back in [60, 65, 24 * 60 * 3] {
        for lead_min in [5_u16, 30] {
            let observed = field(&grid, i64::from(lead_min)).rate_mm_h;
            for (method, error_min) in [("best", 2), ("persistence", i64::from(lead_min))] {
                let mut pool = Pool::default();
                pool.add(&field(&grid, i64::from(lead_min) - error_min).rate_mm_h, &observed).unwrap();
                let mut sums = pool.to_sums();
                if method == "persistence" {
                    let mut crps = CrpsPool::default();
                    crps.add_single(&field(&grid, 0).rate_mm_h, &observed).unwrap();
                    sums.insert(CRPS.into(), crps.to_sums());
                }
                let issue_time = minutes_after(newest(), -back);
                scored.push(ScoredNowcast { method: method.into(), issue_time, lead_min, sums });
            }
        }
    }
    scene.client.add_verification(SOURCE, &scored).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn skill_sets_the_nowcasts_beside_persistence_over_a_day_and_a_month() {
    let scene = Scene::new().await;
    score(&scene).await;
    let response = scene.get("/v1/skill").await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    let skill: Skill = response.json().await.unwrap();
    assert_eq!((skill.source.as_str(), skill.method.as_deref(), skill.stale), (SOURCE, Some("best"), false));
    // 18 of 22 columns are hits.
    assert!(skill.summary.starts_with("Last 24 h: CSI at +30 min 0.82, persistence 0.00"), "{}", skill.summary);
    let counts = |window: usize| skill.windows[window].leads.iter().map(|lead| lead.nowcasts).collect::<Vec<_>>();
    assert_eq!((skill.windows[0].hours, counts(0)), (24, vec![2; 4]));
    assert_eq!((skill.windows[1].hours, counts(1)), (720, vec![3; 4]));
    let lead = &skill.windows[0].leads[0];
    assert_eq!((lead.method.as_str(), lead.lead_min, lead.crps_mm_h), ("best", 5, None));
    assert!(lead.thresholds[2].csi.is_none(), "there is no rain of 5 mm/h");
    let leads = skill.windows[0].leads.iter();
    let persistence: Vec<f64> = leads.filter(|lead| lead.method == "persistence").filter_map(|l| l.crps_mm_h).collect();
    assert!(persistence.len() == 2 && persistence[0] > 0.0 && persistence[1] > persistence[0], "{persistence:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_any_score_there_is_a_sentence_and_without_the_store_the_last_answer() {
    let scene = Scene::new().await;
    let before = scene.json("/v1/skill").await;
    assert_eq!(before["summary"], "No nowcast has been scored yet.");
    assert!(before["method"].is_null());
    scene.store.stop();
    let after = scene.json("/v1/skill").await;
    assert_eq!(after["summary"], before["summary"]);
    scene.problem("/v1/skill?source=other", 400).await;
}
