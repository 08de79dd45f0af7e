//! Skill of a method over events: `skill FOLDER_OF_EVENTS METHOD [--starts 7,15,23] [EVENT…]`, events as flat files (see
//! `flat`).
//!
//! `best:FOLDER` is `best` with the weights FOLDER/<event>.f32 (see `fit/fit.py`: fitted on all events but this one).
//! Hindcasts of every third of 12 steps from the start fields 11, 19 and 27 of each event or those given,
//! pooled.

mod flat;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use raincell_nowcasts::{Best, Inflow, LeadTimes, NowcastMethod, method};
use raincell_verification::Pool;

const STARTS: [usize; 3] = [11, 19, 27];
const LEADS: [usize; 3] = [3, 6, 12];

fn named(name: &str) -> Result<Box<dyn NowcastMethod>> {
    let name = name.split(':').next().unwrap_or(name);
    method(name).with_context(|| format!("no method `{name}`"))
}

/// `best` with weights fitted elsewhere: little-endian f32.
fn with_weights(file: &Path) -> Result<Box<dyn NowcastMethod>> {
    let bytes = std::fs::read(file).with_context(|| format!("{}", file.display()))?;
    let weights: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Ok(Box::new(
        Best::with_weights(&weights).with_context(|| format!("{}: another number of weights", file.display()))?,
    ))
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().context("usage: skill FOLDER_OF_EVENTS METHOD [EVENT…]")?);
    let name = args.next().context("which method?")?;
    let mut nowcasting = named(&name)?;
    let mut events: Vec<String> = args.collect();
    let mut starts = STARTS.to_vec();
    if let Some(at) = events.iter().position(|a| a == "--starts") {
        ensure!(at + 1 < events.len(), "--starts wants numbers of fields with commas between");
        starts = events[at + 1].split(',').map(str::parse).collect::<Result<_, _>>().context("--starts")?;
        events.drain(at..at + 2);
    }
    if events.is_empty() {
        for entry in std::fs::read_dir(&folder)? {
            events.push(entry?.file_name().to_string_lossy().into_owned());
        }
        events.sort();
    }
    for event in events {
        let fields = flat::load(&folder.join(&event))?;
        if let Some(weights) = name.strip_prefix("best:") {
            nowcasting = with_weights(&Path::new(weights).join(format!("{event}.f32")))?;
        }
        let mut pools = LEADS.map(|_| Pool::default());
        let (mut motion_s, mut nowcast_s) = (Vec::new(), Vec::new());
        for &start in &starts {
            let past = &fields[..=start];
            let leads = LeadTimes { step_min: 3.0 * flat::step_min(past), count: 4 };
            let nowcast = nowcasting.run(past, &leads, Inflow::LastObservation)?;
            motion_s.push(nowcast.timings.motion_s);
            nowcast_s.push(nowcast.timings.nowcast_s);
            for (pool, lead) in pools.iter_mut().zip(LEADS) {
                pool.add(&nowcast.fields[lead / 3 - 1].rate_mm_h, &fields[start + lead].rate_mm_h)?;
            }
        }
        motion_s.sort_by(f64::total_cmp);
        nowcast_s.sort_by(f64::total_cmp);
        println!(
            "{event} {name} motion_s={:.3} nowcast_s={:.3}",
            motion_s[motion_s.len() / 2],
            nowcast_s[nowcast_s.len() / 2]
        );
        for (pool, lead) in pools.iter().zip(LEADS) {
            let s = pool.scores();
            print!("+{lead:<2}");
            s.at.iter().for_each(|t| print!(" csi{}={:.4}", t.threshold_mm_h, t.csi));
            s.at.iter().for_each(|t| print!(" fss{}={:.4}", t.threshold_mm_h, t.fss));
            print!(" mae_wet={:.4} cover={:.4}", s.mae_wet_mm_h, s.cover);
            s.at.iter().for_each(|t| print!(" bias{}={:.4}", t.threshold_mm_h, t.bias));
            println!();
        }
    }
    Ok(())
}
