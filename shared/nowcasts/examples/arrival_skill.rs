//! How times of arrival and end come out: `arrival_skill FOLDER_OF_EVENTS MEMBERS [EVENT…]`, events as flat files (see
//! `flat`). Hindcasts of 12 steps from the start fields 11, 17 and 23 of each event (or those that `STARTS` lists), pooled,
//! beside what the probabilities of single leads say, of which the highest so far is taken for the probability of rain by
//! then (as if a member that is wetter than others at one lead were so at all).
//!
//! Of cells that are dry at first: the probability of any rain within the leads (mean told and observed, Brier score), and
//! of those in which rain came and was told with 0.1 or more, how often it came before each percentile of its time
//! (wanted: 0.10, 0.50, 0.90), how far the median was off, and how wide the range is. Of cells that are wet at first: how
//! often the rain ended before each percentile of its end, where that is within the leads.

mod flat;

use std::path::PathBuf;

use anyhow::{Context, Result};
use ndarray::Array2;
use raincell_model::RainField;
use raincell_nowcasts::{ARRIVAL_PERCENTILES, Arrivals, EnsembleModel, EnsembleSettings, Inflow, LeadTimes};

const STARTS: &str = "11,17,23";
const STEPS: usize = 12;
const WET_MM_H: f32 = 0.1;
/// Cells that neither tell nor have any rain are left out, and every so many of the others looked at.
const LIKELY: f32 = 0.02;
const STRIDE: usize = 3;
/// A gap shorter than this does not end the rain.
const GAP_MIN: f64 = 10.0;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().context("usage: arrival_skill FOLDER_OF_EVENTS MEMBERS [EVENT…]")?);
    let members: usize = args.next().context("how many members?")?.parse()?;
    let starts = std::env::var("STARTS").unwrap_or_else(|_| STARTS.to_owned());
    let starts: Vec<usize> = starts.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let mut events: Vec<String> = args.collect();
    if events.is_empty() {
        for entry in std::fs::read_dir(&folder)? {
            events.push(entry?.file_name().to_string_lossy().into_owned());
        }
        events.sort();
    }
    for event in events {
        let fields = flat::load(&folder.join(&event))?;
        let leads = LeadTimes { step_min: flat::step_min(&fields), count: STEPS };
        let mut scores = [Score::default(), Score::default()];
        for &start in starts.iter().filter(|start| *start + STEPS < fields.len()) {
            let settings = EnsembleSettings { members, seed: 42 };
            let (nowcast, _) =
                EnsembleModel::default().run(&fields[..=start], &leads, Inflow::LastObservation, settings)?;
            let mut nowcast = nowcast.following_arrivals().giving_no_members();
            let mut chances = Vec::new();
            for step in nowcast.by_ref() {
                chances.push(step?.probabilities()[0].to_owned());
            }
            let arrivals = nowcast.arrivals().context("no members")?;
            add(&fields[start..=start + STEPS], leads.step_min, &arrivals, &chances, &mut scores);
        }
        println!("{event}");
        for (score, name) in scores.iter().zip(["members     ", "single leads"]) {
            println!("  {name} {}", score.told());
        }
    }
    Ok(())
}

/// What one says of one cell: the probability of any rain, and three percentiles in minutes.
struct Told {
    probability: f32,
    minutes: [f32; 3],
}

fn add(seen: &[RainField], step_min: f64, arrivals: &Arrivals, chances: &[Array2<f32>], scores: &mut [Score; 2]) {
    for (number, at) in ndarray::indices(arrivals.probability.dim()).into_iter().enumerate() {
        let rates: Vec<f32> = seen.iter().map(|field| field.rate_mm_h[at]).collect();
        if number % STRIDE > 0 || rates.iter().any(|rate| rate.is_nan()) {
            continue;
        }
        let wet_now = rates[0] >= WET_MM_H;
        let at_leads: Vec<f32> = chances.iter().map(|field| field[at]).collect();
        let chances: Vec<f32> = at_leads.iter().map(|p| if wet_now { 1.0 - p } else { *p }).collect();
        let single = of_single_leads(&chances, step_min, wet_now);
        let minutes = if wet_now { &arrivals.ends_min } else { &arrivals.begins_min };
        let minutes = minutes.each_ref().map(|field| field[at]);
        let by_members = Told { probability: arrivals.probability[at], minutes };
        let observed = if wet_now { end_of(&rates, step_min) } else { first(&rates) };
        if !wet_now && observed.is_none() && single.probability < LIKELY {
            continue;
        }
        for (score, told) in scores.iter_mut().zip([by_members, single]) {
            if wet_now { score.add_end(&told, observed, step_min) } else { score.add(&told, observed, step_min) }
        }
    }
}

/// The first wet lead, counted from 1.
fn first(rates: &[f32]) -> Option<usize> {
    rates.iter().position(|rate| *rate >= WET_MM_H)
}

/// The lead, counted from 1, at which the rain that falls has ended; `None` when it lasts.
fn end_of(rates: &[f32], step_min: f64) -> Option<usize> {
    let mut last = 0;
    for (lead, rate) in rates.iter().enumerate() {
        if *rate >= WET_MM_H && (lead - last).saturating_sub(1) as f64 * step_min < GAP_MIN {
            last = lead;
        }
    }
    (last + 1 < rates.len()).then_some(last + 1)
}

fn of_single_leads(chances: &[f32], step_min: f64, of_all: bool) -> Told {
    let highest = chances.iter().copied().fold(0.0, f32::max);
    let minutes = ARRIVAL_PERCENTILES.map(|percentile| {
        let wanted = percentile / 100.0 * if of_all { 1.0 } else { highest };
        let mut before = 0.0;
        for (lead, chance) in chances.iter().enumerate() {
            if *chance >= wanted && *chance > before {
                return ((lead as f32) + (wanted - before) / (chance - before)) * step_min as f32;
            }
            before = chance.max(before);
        }
        f32::NAN
    });
    Told { probability: highest, minutes }
}

#[derive(Default)]
struct Score {
    cells: f64,
    told: f64,
    came: f64,
    squares: f64,
    arrivals: f64,
    arrived_before: [f64; 3],
    bias_min: f64,
    width_min: f64,
    ends: [f64; 3],
    ended_before: [f64; 3],
}

impl Score {
    fn add(&mut self, told: &Told, observed: Option<usize>, step_min: f64) {
        let (p, came) = (f64::from(told.probability), f64::from(u8::from(observed.is_some())));
        self.cells += 1.0;
        self.told += p;
        self.came += came;
        self.squares += (p - came).powi(2);
        let Some(lead) = observed.filter(|_| p >= 0.1 && told.minutes[1].is_finite()) else { return };
        self.arrivals += 1.0;
        for (sum, minutes) in self.arrived_before.iter_mut().zip(told.minutes) {
            *sum += before(f64::from(minutes), lead, step_min);
        }
        self.bias_min += f64::from(told.minutes[1]) - (lead as f64 - 0.5) * step_min;
        self.width_min += f64::from(told.minutes[2] - told.minutes[0]);
    }

    fn add_end(&mut self, told: &Told, observed: Option<usize>, step_min: f64) {
        for (k, minutes) in told.minutes.into_iter().enumerate().filter(|(_, minutes)| minutes.is_finite()) {
            self.ends[k] += 1.0;
            self.ended_before[k] += observed.map_or(0.0, |lead| before(f64::from(minutes), lead, step_min));
        }
    }

    fn told(&self) -> String {
        let of = |sums: [f64; 3], counts: [f64; 3]| {
            let shares: Vec<String> =
                sums.iter().zip(counts).map(|(sum, count)| format!("{:.2}", sum / count)).collect();
            shares.join("/")
        };
        format!(
            "any rain: told {:.3}, came {:.3}, Brier {:.4}; came before {}, median off by {:+.1} min, range {:.0} min; \
             ended before {}",
            self.told / self.cells,
            self.came / self.cells,
            self.squares / self.cells,
            of(self.arrived_before, [self.arrivals; 3]),
            self.bias_min / self.arrivals,
            self.width_min / self.arrivals,
            of(self.ended_before, self.ends),
        )
    }
}

/// The share of the step that leads to a lead, within which something happened, that was over after so many minutes.
fn before(minutes: f64, lead: usize, step_min: f64) -> f64 {
    (minutes / step_min - (lead as f64 - 1.0)).clamp(0.0, 1.0)
}
