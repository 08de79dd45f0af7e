//! What the store learns of how rain rates are made.

use raincell_api_types::frames::SourceTraits;

use crate::scans::{RADAR, whole};
use crate::world::{World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn the_store_learns_at_which_rate_a_source_sees_hail_and_hears_of_it_when_that_changes() {
    let world = World::new().await;
    let told = async || {
        let kept = world.client.checkpoint(&SourceTraits::checkpoint(RADAR)).await.unwrap();
        kept.map_or_else(SourceTraits::default, |kept| SourceTraits::of_json(&kept.value))
    };
    assert_eq!(told().await.hail_cap_mm_h, None);
    // 53 dBZ by Marshall and Palmer, and 50 dBZ by the relation of the WSR-88D.
    let recipes = ["radius_km = 40.0", "radius_km = 40.0, z_r = 'wsr-88d', cap_dbz = 50.0"];
    for (number, (recipe, cap_mm_h)) in recipes.into_iter().zip([74.9, 63.4]).enumerate() {
        let prepare = world.prepare(&format!("recipe = {{ {recipe} }}")).await;
        let (name, bytes) = whole(number as i64);
        world.drop_file(&name, &bytes);
        eventually("it is stored", async || world.frames().await.len() == number + 1).await;
        let found = told().await;
        assert!(found.hail_cap_mm_h.is_some_and(|cap| (cap - cap_mm_h).abs() < 0.1), "{recipe}: {found:?}");
        assert!(found.is_hail(cap_mm_h) && !found.is_hail(0.9 * cap_mm_h));
        prepare.stop().await;
    }
}
