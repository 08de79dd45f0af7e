//! Examples to fit the weights of the ensemble's odds on: `fit_ensemble_rows FOLDER OUT`, an event as flat files (see `flat`).
//!
//! OUT gets rows of little-endian f32: start field, lead (minutes), observed (mm/h), then by rate the features.

mod flat;

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use raincell_nowcasts::odds_fitting::place_examples;

/// Lead times, steps.
const LEADS: [usize; 8] = [1, 2, 3, 4, 6, 8, 10, 12];
/// Places per start field and lead time.
const PLACES: u64 = 3000;
/// The first start field, and the distance to the next.
const FIRST: usize = 5;
const STEP: usize = 3;
/// Fields that each start knows before it.
const PAST: usize = 8;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let (folder, out) = (args.get(1).context("FOLDER")?, args.get(2).context("OUT")?);
    let fields = flat::load(Path::new(folder))?;
    let mut out = std::io::BufWriter::new(std::fs::File::create(out)?);
    let observed = fields.first().map_or(1, |f| f.rate_mm_h.iter().filter(|r| r.is_finite()).count()) as u64;
    let mut state = 1_u64;
    for start in (FIRST..fields.len().saturating_sub(12)).step_by(STEP) {
        let past = &fields[start.saturating_sub(PAST)..=start];
        let later: Vec<_> = LEADS.iter().filter_map(|l| fields.get(start + l).cloned()).collect();
        let pick = || {
            // SplitMix64: small, and the same everywhere.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % observed < PLACES
        };
        for example in place_examples(past, &later, pick)? {
            // Far from any rain there is nothing to learn; the last feature is 1 everywhere.
            let near = example.features.iter().any(|f| f[..f.len() - 1].iter().any(|v| *v >= 1e-3));
            if !near && example.observed_mm_h < 0.1 {
                continue;
            }
            let head = [start as f32, example.lead_min, example.observed_mm_h];
            for value in head.iter().chain(example.features.iter().flatten()) {
                out.write_all(&value.to_le_bytes())?;
            }
        }
    }
    Ok(())
}
