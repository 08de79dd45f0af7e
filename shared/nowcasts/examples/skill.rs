//! Skill of a method over events: `skill FOLDER_OF_EVENTS METHOD [EVENT…]`, events as flat files (see `flat`).
//!
//! Hindcasts of 12 steps from the start fields 11, 19 and 27 of each event, pooled.

mod flat;

use std::path::PathBuf;

use anyhow::{Context, Result};
use raincell_nowcasts::{Inflow, LeadTimes, method};
use raincell_verification::Pool;

const STARTS: [usize; 3] = [11, 19, 27];
const LEADS: [usize; 3] = [3, 6, 12];

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().context("usage: skill FOLDER_OF_EVENTS METHOD [EVENT…]")?);
    let name = args.next().context("which method?")?;
    let nowcasting = method(&name).with_context(|| format!("no method `{name}`"))?;
    let mut events: Vec<String> = args.collect();
    if events.is_empty() {
        for entry in std::fs::read_dir(&folder)? {
            events.push(entry?.file_name().to_string_lossy().into_owned());
        }
        events.sort();
    }
    for event in events {
        let fields = flat::load(&folder.join(&event))?;
        let mut pools = LEADS.map(|_| Pool::default());
        let (mut motion_s, mut nowcast_s) = (Vec::new(), Vec::new());
        for start in STARTS {
            let past = &fields[..=start];
            let leads = LeadTimes { step_min: flat::step_min(past), count: 12 };
            let nowcast = nowcasting.run(past, &leads, Inflow::LastObservation)?;
            motion_s.push(nowcast.timings.motion_s);
            nowcast_s.push(nowcast.timings.nowcast_s);
            for (pool, lead) in pools.iter_mut().zip(LEADS) {
                pool.add(&nowcast.fields[lead - 1].rate_mm_h, &fields[start + lead].rate_mm_h)?;
            }
        }
        motion_s.sort_by(f64::total_cmp);
        nowcast_s.sort_by(f64::total_cmp);
        println!("{event} {name} motion_s={:.3} nowcast_s={:.3}", motion_s[1], nowcast_s[1]);
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
