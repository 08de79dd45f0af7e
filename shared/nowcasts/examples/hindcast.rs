//! One hindcast on flat files (see `flat`): `hindcast --frames FOLDER --at YYYYMMDDHHMM --steps N --method NAME --out FILE`.
//!
//! FILE gets N fields of little-endian f32, mm/h, one after the other; the seconds go to the terminal.

mod flat;

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use raincell_nowcasts::{DEFAULT_METHOD, Inflow, LeadTimes, method};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let given: HashMap<&str, &str> = args.chunks_exact(2).map(|p| (p[0].as_str(), p[1].as_str())).collect();
    let get = |name: &str| given.get(name).copied().with_context(|| format!("{name} is missing"));
    let at = DateTime::strptime("%Y%m%d%H%M", get("--at")?)?.to_zoned(TimeZone::UTC)?.timestamp();
    let name = given.get("--method").copied().unwrap_or(DEFAULT_METHOD);
    let nowcasting = method(name).with_context(|| format!("no method `{name}`"))?;

    let mut past = flat::load(Path::new(get("--frames")?))?;
    past.retain(|f| f.valid_time <= at);
    let leads = LeadTimes { step_min: flat::step_min(&past), count: get("--steps")?.parse()? };
    let nowcast = nowcasting.run(&past, &leads, Inflow::LastObservation)?;

    let mut out = std::io::BufWriter::new(std::fs::File::create(get("--out")?)?);
    for field in &nowcast.fields {
        for value in &field.rate_mm_h {
            out.write_all(&value.to_le_bytes())?;
        }
    }
    println!("motion_s={:.4} nowcast_s={:.4}", nowcast.timings.motion_s, nowcast.timings.nowcast_s);
    Ok(())
}
