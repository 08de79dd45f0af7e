//! `raincell verify`: a nowcast against what then fell, with persistence beside it.

use std::fs::File;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use raincell_io::netcdf::{NowcastOutline, NowcastReader};
use raincell_model::RainField;
use raincell_render::{Chart, chart_png};
use raincell_verification::{EnsemblePool, Pool, THRESHOLDS_MM_H};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::VerifyArguments;
use crate::{Outcome, frames_folder, output};

/// A frame this near to a step of the nowcast is what fell then.
const SAME_TIME: SignedDuration = SignedDuration::from_secs(30);

/// Scores by the names of the benchmark: `csi0.1`, `fss1`, `mae_wet`, …
type Scores = Map<String, Value>;

/// One lead time.
#[derive(Serialize)]
struct Step {
    lead_min: f64,
    valid_time: Timestamp,
    nowcast: Scores,
    persistence: Scores,
}

#[derive(Serialize)]
struct Report {
    method: String,
    issue_time: Timestamp,
    leads: Vec<Step>,
}

/// Scores each step that there is a frame for; a step without one is named, and the exit code is 1.
pub fn run(arguments: &VerifyArguments) -> anyhow::Result<Outcome> {
    let name = arguments.nowcast.display().to_string();
    let file = File::open(&arguments.nowcast).with_context(|| name.clone())?;
    let mut nowcast = NowcastReader::new(file, &name)?;
    let NowcastOutline { issue_time, valid_times, method, .. } = nowcast.outline().clone();
    let last = valid_times.iter().copied().max().with_context(|| format!("{name}: no step"))?;
    let span = last.duration_since(issue_time) + SAME_TIME;
    let frames = frames_folder::read(&arguments.frames, Some(last.checked_add(SAME_TIME)?), span)?;
    let at_issue = frame_of(&frames, issue_time).with_context(|| {
        format!("{}: no frame of {issue_time}, the issue time, for persistence", arguments.frames.display())
    })?;
    let mut leads = Vec::new();
    for (step, valid_time) in valid_times.iter().copied().enumerate() {
        match frame_of(&frames, valid_time) {
            Some(observed) => {
                let lead = score(&mut nowcast, step, at_issue, observed);
                leads.push(lead.with_context(|| format!("{name}: step of {valid_time}"))?);
            }
            None => eprintln!("raincell: {}: no frame of {valid_time}", arguments.frames.display()),
        }
    }
    anyhow::ensure!(!leads.is_empty(), "{}: no frame of any step of {name}", arguments.frames.display());
    let whole = leads.len() == valid_times.len();
    let method = if method.is_empty() { "nowcast".to_owned() } else { method };
    let report = Report { method, issue_time, leads };
    if arguments.json {
        output::line(&serde_json::to_string(&report)?)?;
    } else {
        print(&report)?;
    }
    if let Some(file) = &arguments.plot {
        let title = format!("{} of {}", name, report.issue_time.strftime("%Y-%m-%d %H:%M UTC"));
        let png = chart_png(&title, [&report.method, "persistence"], &charts(&report))?;
        std::fs::write(file, png).with_context(|| file.display().to_string())?;
    }
    Ok(if whole { Outcome::AllDone } else { Outcome::SomeFailed })
}

fn frame_of(frames: &[RainField], time: Timestamp) -> Option<&RainField> {
    let distance = |frame: &&RainField| frame.valid_time.duration_since(time).abs();
    frames.iter().min_by_key(distance).filter(|frame| distance(frame) <= SAME_TIME)
}

/// Scores one step, the only one that is in memory with all its members.
fn score(
    nowcast: &mut NowcastReader<File>,
    step: usize,
    at_issue: &RainField,
    observed: &RainField,
) -> anyhow::Result<Step> {
    let field = nowcast.rain_rate(step)?;
    let pooled = |field: &RainField| -> anyhow::Result<Scores> {
        let mut pool = Pool::default();
        pool.add(&field.rate_mm_h, &observed.rate_mm_h)?;
        Ok(named(&pool))
    };
    let mut of_nowcast = pooled(&field)?;
    let members = 0..nowcast.outline().members;
    let members: Vec<_> = members.map(|member| nowcast.member_mm_h(member, step)).collect::<Result<_, _>>()?;
    if !members.is_empty() {
        let mut pool = EnsemblePool::default();
        pool.add(&members, &observed.rate_mm_h)?;
        of_nowcast.insert("crps".into(), pool.crps().into());
        for (threshold, probabilities) in THRESHOLDS_MM_H.iter().zip(pool.probabilities()) {
            of_nowcast.insert(format!("brier{threshold}"), probabilities.brier().into());
        }
    }
    let mut of_persistence = pooled(at_issue)?;
    if !members.is_empty() {
        // Of one member the CRPS is the absolute error, and its probabilities are 0 and 1.
        let mut pool = EnsemblePool::default();
        pool.add(std::slice::from_ref(&at_issue.rate_mm_h), &observed.rate_mm_h)?;
        of_persistence.insert("crps".into(), pool.crps().into());
        for (threshold, probabilities) in THRESHOLDS_MM_H.iter().zip(pool.probabilities()) {
            of_persistence.insert(format!("brier{threshold}"), probabilities.brier().into());
        }
    }
    let lead_min = field.valid_time.duration_since(nowcast.outline().issue_time).as_secs_f64() / 60.0;
    Ok(Step { lead_min, valid_time: field.valid_time, nowcast: of_nowcast, persistence: of_persistence })
}

fn named(pool: &Pool) -> Scores {
    let scores = pool.scores();
    let mut named = Scores::new();
    for (name, of) in [("csi", 0), ("bias", 1), ("fss", 2)] {
        for at in &scores.at {
            let value = [at.csi, at.bias, at.fss][of];
            named.insert(format!("{name}{}", at.threshold_mm_h), value.into());
        }
    }
    named.insert("mae_wet".into(), scores.mae_wet_mm_h.into());
    named.insert("cover".into(), scores.cover.into());
    named
}

/// A table: a row a lead time, nowcast / persistence in each cell.
fn print(report: &Report) -> anyhow::Result<()> {
    let Some(first) = report.leads.first() else { return Ok(()) };
    output::line(&format!("{} of {}, each beside persistence", report.method, report.issue_time))?;
    let names: Vec<&String> = first.nowcast.keys().filter(|name| *name != "cover").collect();
    let header: Vec<String> = names.iter().map(|name| format!("{name:>13}")).collect();
    output::line(&format!("{:>8}{}", "lead", header.concat()))?;
    for lead in &report.leads {
        let cell = |name: &String| {
            let figure = |scores: &Scores| scores.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
            format!("{:>13}", format!("{:.3}/{:.3}", figure(&lead.nowcast), figure(&lead.persistence)))
        };
        let cells: Vec<String> = names.iter().map(|name| cell(name)).collect();
        output::line(&format!("{:>8}{}", format!("+{:.0} min", lead.lead_min), cells.concat()))?;
    }
    Ok(())
}

fn charts(report: &Report) -> Vec<Chart> {
    let titles = [
        ("csi0.1", "CSI at 0.1 mm/h"),
        ("csi1", "CSI at 1 mm/h"),
        ("csi5", "CSI at 5 mm/h"),
        ("fss1", "FSS at 1 mm/h, 11 × 11 cells"),
        ("bias1", "Frequency bias at 1 mm/h"),
        ("mae_wet", "Mean absolute error in rain, mm/h"),
        ("crps", "CRPS, mm/h"),
        ("brier0.1", "Brier score at 0.1 mm/h"),
        ("brier1", "Brier score at 1 mm/h"),
    ];
    let has = |name: &str| report.leads.iter().any(|lead| lead.nowcast.contains_key(name));
    let points = |name: &str, of: fn(&Step) -> &Scores| {
        let point = |lead: &Step| Some((lead.lead_min as f32, of(lead).get(name)?.as_f64()? as f32));
        report.leads.iter().filter_map(point).collect()
    };
    let shown = titles.into_iter().filter(|(name, _)| has(name));
    shown
        .map(|(name, title)| Chart {
            title: title.into(),
            line: points(name, |lead| &lead.nowcast),
            beside: points(name, |lead| &lead.persistence),
        })
        .collect()
}
