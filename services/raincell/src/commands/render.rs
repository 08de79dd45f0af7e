//! `raincell render`: frames or a nowcast as a picture.

use std::fs::File;

use anyhow::Context;
use jiff::SignedDuration;
use raincell_io::netcdf::NowcastReader;
use raincell_model::RainField;
use raincell_render::{AnimationRequest, animate, still_png, whole_domain};

use crate::cli::{RenderArguments, UsageError};
use crate::{Outcome, frames_folder, output};

/// Frames of a folder that go into one picture at most: a day of five-minute frames would be no animation any more.
const LONGEST: SignedDuration = SignedDuration::from_hours(6);

/// Draws, looking at the ending of the output file for the kind of picture.
pub fn run(arguments: &RenderArguments) -> anyhow::Result<Outcome> {
    let (past, forecast) = fields(arguments)?;
    let newest = past.iter().chain(&forecast).max_by_key(|f| f.valid_time).context("nothing to draw")?;
    let mut request = AnimationRequest::new(&past, &forecast, whole_domain(&newest.grid)?);
    request.title = if forecast.is_empty() { "Rain radar" } else { "Rain nowcast" };
    let ending = arguments.out.extension().map(|e| e.to_string_lossy().to_lowercase());
    let bytes = match ending.as_deref() {
        Some("gif") => animate(&request)?,
        Some("png") => still_png(&request, newest.valid_time)?,
        _ => {
            let reason = format!("--out {}: expected a name that ends in .gif or .png", arguments.out.display());
            return Err(UsageError(reason).into());
        }
    };
    std::fs::write(&arguments.out, &bytes).with_context(|| arguments.out.display().to_string())?;
    let times = past.len() + forecast.len();
    output::line(&format!("{}  {times} times  {} KB", arguments.out.display(), bytes.len() / 1000))?;
    Ok(Outcome::AllDone)
}

/// (observed, forecast) fields, each ascending in time.
fn fields(arguments: &RenderArguments) -> anyhow::Result<(Vec<RainField>, Vec<RainField>)> {
    if let Some(file) = &arguments.nowcast {
        let name = file.display().to_string();
        let mut nowcast = NowcastReader::new(File::open(file).with_context(|| name.clone())?, &name)?;
        let steps = 0..nowcast.outline().valid_times.len();
        return Ok((Vec::new(), steps.map(|step| nowcast.rain_rate(step)).collect::<Result<_, _>>()?));
    }
    let folder = arguments.frames.as_ref().context("neither --frames nor --nowcast")?;
    Ok((frames_folder::read(folder, None, LONGEST)?, Vec::new()))
}
