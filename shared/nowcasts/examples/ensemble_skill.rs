//! Skill of the ensemble over events: `ensemble_skill FOLDER_OF_EVENTS MEMBERS[:WEIGHTS_FOLDER] [EVENT…]`, events as flat
//! files (see `flat`). Hindcasts of 12 steps from the start fields 11 and 23 of each event (or those that `STARTS` lists),
//! pooled. With a folder of weights as `fit/fit_ensemble.py` writes them, each event has those that were fitted without it.
//! `RECALIBRATE=no` leaves the odds as they were fitted.

mod flat;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use raincell_nowcasts::{EnsembleModel, EnsembleSettings, Inflow, LeadTimes};
use raincell_verification::{CrpsPool, EnsemblePool, THRESHOLDS_MM_H, ToldEnsemble};

const STARTS: &str = "11,23";
const LEADS: [usize; 3] = [3, 6, 12];

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().context("usage: ensemble_skill FOLDER_OF_EVENTS MEMBERS [EVENT…]")?);
    let members = args.next().context("how many members?")?;
    let (members, weights) = members.split_once(':').map_or((&*members, None), |(m, folder)| (m, Some(folder)));
    let members: usize = members.parse()?;
    let starts = std::env::var("STARTS").unwrap_or_else(|_| STARTS.to_owned());
    let starts: Vec<usize> = starts.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let recalibrates = std::env::var("RECALIBRATE").map_or(true, |answer| answer != "no");
    let mut events: Vec<String> = args.collect();
    if events.is_empty() {
        for entry in std::fs::read_dir(&folder)? {
            events.push(entry?.file_name().to_string_lossy().into_owned());
        }
        events.sort();
    }
    for event in events {
        let fields = flat::load(&folder.join(&event))?;
        let mut pools = LEADS.map(|_| (EnsemblePool::default(), CrpsPool::default()));
        let mut seconds = Vec::new();
        let model = match weights {
            None => EnsembleModel::default(),
            Some(folder) => {
                let bytes = std::fs::read(PathBuf::from(folder).join(format!("{event}.f32")))?;
                let numbers: Vec<f32> =
                    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
                EnsembleModel::with_weights(&numbers).context("other weights than expected")?
            }
        };
        let model = model.recalibrating(recalibrates);
        for &start in &starts {
            let past = &fields[..=start];
            let leads = LeadTimes { step_min: flat::step_min(past), count: 12 };
            let mut started = Instant::now();
            let (nowcast, motion_s) =
                model.run(past, &leads, Inflow::LastObservation, EnsembleSettings { members, seed: 42 })?;
            let mut spent = -motion_s;
            for (lead, step) in nowcast.enumerate() {
                let step = step?;
                spent += started.elapsed().as_secs_f64();
                if let Some((pool, told)) = LEADS.iter().position(|l| *l == lead + 1).map(|i| &mut pools[i]) {
                    let drawn: Vec<_> =
                        (0..members).filter_map(|m| step.member_mm_h(m)).map(|m| m.to_owned()).collect();
                    let observed = &fields[start + lead + 1].rate_mm_h;
                    pool.add(&drawn, observed)?;
                    let (probabilities, percentiles) =
                        (step.probabilities().map(|p| p.to_owned()), step.percentiles_mm_h().map(|p| p.to_owned()));
                    let products = ToldEnsemble {
                        probabilities: probabilities.each_ref(),
                        percentiles_mm_h: percentiles.each_ref(),
                    };
                    told.add_told(&products, observed)?;
                }
                started = Instant::now();
            }
            seconds.push(spent);
        }
        println!("{event} ensemble motion_s=0 nowcast_s={:.3}", seconds.iter().copied().fold(f64::INFINITY, f64::min));
        for ((pool, told), lead) in pools.iter().zip(LEADS) {
            print!("+{lead:<2} crps={:.4}", pool.crps().unwrap_or_default());
            print!(" crps_of_products={:.4}", told.crps_mm_h().unwrap_or_default());
            for (p, threshold) in pool.probabilities().iter().zip(THRESHOLDS_MM_H) {
                print!(" brier{threshold}={:.4}", p.brier().unwrap_or_default());
            }
            let (spread, error) = pool.spread_and_error().unwrap_or_default();
            print!(" spread={spread:.3} error={error:.3}");
            for (p, threshold) in pool.probabilities().iter().zip(THRESHOLDS_MM_H) {
                print!(" reliability{threshold}=");
                for class in p.reliability().iter().filter(|c| c.cells > 300.0) {
                    print!("{:.2}:{:.2},", class.forecast, class.observed);
                }
            }
            println!();
        }
    }
    Ok(())
}
