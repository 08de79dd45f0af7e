//! Examples to fit the weights of `best` on: `fit_rows FOLDER OUT`, an event as flat files (see `flat`).
//!
//! OUT gets rows of little-endian f32: group (0 onset, 1 moderate, 2 heavy), start field, lead (minutes), reached (0 or 1),
//! then the traits.

mod flat;

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use raincell_nowcasts::fitting::{examples, quantiles};

/// Start fields per event.
const STARTS: usize = 20;
/// Places per start field and lead time.
const PLACES: u64 = 900;
/// Lead times, steps.
const LEADS: [usize; 11] = [1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24];
/// Rates between drizzle and heavy rain, mm/h.
const MODERATE_MM_H: [f32; 3] = [0.5, 1.0, 2.0];
/// Heavy is what these shares of the rain reach, and no less than the least rate.
const HEAVY_SHARES: [f32; 3] = [0.2, 0.08, 0.03];
const HEAVY_LEAST_MM_H: f32 = 1.0;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let (folder, out) = (args.get(1).context("FOLDER")?, args.get(2).context("OUT")?);
    let fields = flat::load(Path::new(folder))?;
    let mut out = std::io::BufWriter::new(std::fs::File::create(out)?);
    let places = fields[0].rate_mm_h.len() as u64;
    let mut state = 1_u64;
    let (first, last) = (6, fields.len() - 13);
    for i in 0..STARTS {
        let start = first + i * (last - first) / (STARTS - 1);
        let past = &fields[start.saturating_sub(8)..=start];
        let later: Vec<_> = LEADS.iter().filter_map(|l| fields.get(start + l).cloned()).collect();
        let heavy: Vec<f32> =
            quantiles(&fields[start].rate_mm_h, &HEAVY_SHARES).into_iter().filter(|r| *r >= HEAVY_LEAST_MM_H).collect();
        let rates: Vec<f32> = [0.1].iter().chain(&MODERATE_MM_H).chain(&heavy).copied().collect();
        let pick = || {
            // SplitMix64: small, and the same everywhere.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % places < PLACES
        };
        for (n, e) in examples(past, &later, &rates, pick)?.iter().enumerate() {
            let group = match n % rates.len() {
                0 => 0.0,
                1..=3 => 1.0,
                _ => 2.0_f32,
            };
            // Far from any rain there is nothing to learn.
            if e.traits[..e.traits.len() - 4].iter().all(|t| *t < 1e-3) && !e.reached {
                continue;
            }
            for value in [group, start as f32, e.lead_min, f32::from(u8::from(e.reached))].iter().chain(&e.traits) {
                out.write_all(&value.to_le_bytes())?;
            }
        }
    }
    Ok(())
}
