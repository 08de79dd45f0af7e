//! Real files with one moment each: clutter only, so that the right answer is dry.

use std::path::{Path, PathBuf};

use raincell_prepare::{Recipe, intake, pipeline};

use crate::world::{World, eventually};

fn files() -> Option<Vec<PathBuf>> {
    let data = std::env::var_os("RAINCELL_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let Ok(entries) = std::fs::read_dir(data.join("raw/odim-pvol/behel-20200207")) else {
        eprintln!("skipped: no data");
        return None;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    // Spectrum width and velocity before reflectivity, for the order that is hardest.
    paths.sort_by_key(|path| std::cmp::Reverse(path.file_name().unwrap().to_owned()));
    Some(paths)
}

#[tokio::test(flavor = "multi_thread")]
async fn clutter_of_a_radar_with_one_moment_a_file_is_one_dry_frame_a_time() {
    let Some(files) = files() else { return };
    let world = World::new().await;
    let prepare = world.prepare("recipe = { radius_km = 240.0 }").await;
    for path in &files {
        world.drop_file(&path.file_name().unwrap().to_string_lossy(), &std::fs::read(path).unwrap());
    }
    eventually("all files are noted", async || world.ledger("folder").await.len() == files.len()).await;
    let frames = world.frames().await;
    assert_eq!(frames.len(), 8, "one frame a time: {frames:?}");
    for info in frames {
        let field = world.client.frame(&info).await.unwrap().field;
        let wet_percent = field.wet_share(0.1) * 100.0;
        println!("{} {} {wet_percent:.3} % wet", info.source, info.valid_time);
        assert_eq!(info.source, "behel");
        let observed = field.rate_mm_h.iter().filter(|rate| rate.is_finite()).count();
        assert!(observed * 2 > field.rate_mm_h.len(), "dry is not unknown");
        assert!(wet_percent <= 0.2, "{}: {wet_percent} %", info.valid_time);
    }
    prepare.stop().await;
}

#[test]
fn correlation_is_merged_with_reflectivity_and_takes_clutter() {
    let Some(files) = files() else { return };
    let first: Vec<PathBuf> =
        files.into_iter().filter(|path| path.to_string_lossy().contains("20200207130000")).collect();
    let parts = intake::units(first).iter().map(|unit| unit.read().unwrap()).collect();
    let prepared = pipeline::to_rain(&intake::merge(parts).unwrap(), &Recipe::default()).unwrap();
    let correlation = prepared.filters.iter().find(|filter| filter.name == "correlation").unwrap();
    println!("correlation took {} of {} gates", correlation.gates_taken, prepared.rejected_gates());
    assert!(correlation.gates_taken > 1000);
}
