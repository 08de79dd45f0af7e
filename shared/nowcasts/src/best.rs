//! The default method: where rain will reach which rate, by odds fitted on the traits of places.

use std::sync::Mutex;
use std::time::Instant;

use jiff::SignedDuration;
use ndarray::Array2;
use raincell_extrapolation::{Carried, Inflow};
use raincell_model::{MotionField, RainField};
use raincell_simd::widest;
use rayon::prelude::*;

use crate::drift::Drift;
use crate::evolution::Evolution;
use crate::exceedance::{Around, RATES, RATES_MM_H, Surroundings, Table, weights_at};
use crate::method::newest;
use crate::odds::{Lead, Odds};
use crate::placing::{Terms, placed};
use crate::states::{Arrived, age_min};
use crate::traits::{Rate, SCALES, STANDING, State, TRAITS, decibels, halvings};
use crate::trend::Trend;
use crate::voices::Voices;
use crate::weights::TABLES;
use crate::{LeadTimes, Nowcast, NowcastError, NowcastMethod, Timings};

/// How far back fields are of use, minutes: for the growth of areas (an hour, or what lies near it), and for motion and
/// traits.
const HISTORY_MIN: i64 = 72;
const RECENT_MIN: f32 = 31.0;
/// Ages of the two earlier fields that tell of growth and decay, minutes.
const EARLIER_MIN: [f32; 2] = [5.0, 15.0];
/// What of the fine structure is kept however badly it lasts, per rate: log-odds over the range of strengths.
const TEXTURE: [f32; RATES] = [0.0, 1.6, 3.2];

/// The odds that rain reaches 0.1, 1 and 5 mm/h at a cell are a weighted sum (logistic regression) of traits of the air
/// that arrives there: how much rain of that rate it holds at scales of 2 to 32 km, held 5 and 15 minutes before, holds
/// around the cell itself. The likeliest cells then make up the area at each rate, balanced between neighbourhoods and
/// grown on where areas grew throughout the last hour; which of about equally likely ones, S-PROG and ANVIL have a say in,
/// which are run on coarse cells beside. Within each area a cell gets about the median that the odds speak
/// for; in that of heavy rain the rates that extrapolation brings are dealt out by rank, drawn to its lower end as the
/// lead grows, so that the field has fewer peaks than the rain will have: for them there are the percentiles of the
/// ensemble.
///
/// The weights were fitted beforehand on several radars' events, with lead time, and hold for any grid; traits are taken
/// in kilometres, minutes and relative to the rate.
pub struct Best {
    tables: [Table; RATES],
}

impl Default for Best {
    fn default() -> Self {
        Self { tables: TABLES }
    }
}

impl Best {
    /// With weights of one's own: for each rate and trait the three coefficients of a parabola in ln(lead / 30 min), in
    /// the order in which they were fitted; `None` when there are too few or too many numbers.
    pub fn with_weights(weights: &[f32]) -> Option<Self> {
        if weights.len() != RATES * TRAITS * 3 {
            return None;
        }
        let at = |k: usize, trait_: usize, power: usize| weights[(k * TRAITS + trait_) * 3 + power];
        let tables = std::array::from_fn(|k| std::array::from_fn(|t| std::array::from_fn(|p| at(k, t, p))));
        Some(Self { tables })
    }
}

impl Best {
    /// The tables with [`TEXTURE`] moved from the surroundings to the cell itself.
    fn textured(&self) -> [Table; RATES] {
        let mut tables = self.tables;
        for (table, texture) in tables.iter_mut().zip(TEXTURE) {
            table[4 * SCALES + STANDING][0] += texture;
            table[4][0] -= texture;
        }
        tables
    }
}

impl NowcastMethod for Best {
    fn name(&self) -> &'static str {
        "best"
    }

    fn history(&self) -> SignedDuration {
        SignedDuration::from_mins(HISTORY_MIN)
    }

    fn run(&self, past: &[RainField], leads: &LeadTimes, inflow: Inflow) -> Result<Nowcast, NowcastError> {
        let started = Instant::now();
        let last = newest(past)?;
        let valid_times = leads.valid_times(last.valid_time)?;
        let drift = Drift::estimate(past)?;
        let motion_s = started.elapsed().as_secs_f64();

        let cell_km = last.grid.cell_km() as f32;
        let halvings = halvings(cell_km);
        let tables = self.textured();
        let most_min = (leads.step_min * leads.count as f64) as f32;
        let (earlier, steps) = (Recent::wanted(past, last), Evolution::wanted(past, last));
        let wanted: Vec<&RainField> =
            earlier.into_iter().flatten().chain(steps.iter().flat_map(|(_, fields)| fields.iter().copied())).collect();
        let arrived = Arrived::new(&wanted, last, &drift.fresh)?;
        // All at once, so that no processor waits for the last of one of them.
        let (evolution, (surroundings, (along, trend, voices))) = rayon::join(
            || match &steps {
                Some((step_min, wanted)) => Evolution::of((*step_min, wanted), last, &arrived, halvings, most_min),
                None => Ok(None),
            },
            || {
                rayon::join(
                    || Recent::from(earlier, last, &arrived).surroundings(cell_km, &tables),
                    || {
                        let (trend, voices) = rayon::join(|| Trend::of(past, last), || Voices::of(&last.rate_mm_h));
                        (drift.step_by_step(leads.step_min as f32, leads.count), trend, voices)
                    },
                )
            },
        );
        let (evolution, along) = (evolution?, along?);
        drop(arrived);
        let last_mm_h = &last.rate_mm_h.as_standard_layout().into_owned();
        let carried = Carried::new(last_mm_h);
        // Memory is handed on from lead to lead: fresh pages cost as much as the sums that fill them.
        let spare: Mutex<Vec<Buffers>> = Mutex::default();
        let fields = along
            .par_iter()
            .zip(valid_times)
            .map(|(trajectories, valid_time)| {
                let minutes = trajectories.minutes();
                let Buffers { mut around, mut odds } =
                    spare.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default();
                surroundings.at(minutes, &mut around);
                if let Some(evolution) = &evolution {
                    evolution.at(minutes, &voices, &mut around);
                }
                let weights = &tables.each_ref().map(|t| weights_at(t, minutes));
                let lead = Lead { around: &around, halvings, weights, own: voices.own, trajectories };
                let mut filled = Array2::zeros(last_mm_h.dim());
                odds.fill(&lead, last_mm_h, &carried, &mut filled)?;
                let mut rate_mm_h = placed(
                    &odds,
                    filled,
                    &Terms { lead_min: minutes, growth: trend.growth(minutes), local: voices.local },
                );
                if inflow == Inflow::Unknown {
                    odds.clear_unknown(&mut rate_mm_h);
                }
                if let Ok(mut spare) = spare.lock() {
                    spare.push(Buffers { around, odds });
                }
                Ok(RainField { grid: last.grid.clone(), valid_time, rate_mm_h })
            })
            .collect::<Result<Vec<_>, NowcastError>>()?;
        let timings = Timings { motion_s, nowcast_s: started.elapsed().as_secs_f64() - motion_s };
        Ok(Nowcast { motion: drift.lasting, fields, timings })
    }
}

/// What one lead needs room for.
#[derive(Default)]
struct Buffers {
    around: Around,
    odds: Odds,
}

/// The newest field and two earlier ones carried to its time, in rain decibels.
pub(crate) struct Recent {
    now_db: Array2<f32>,
    earlier_db: [Array2<f32>; 2],
}

impl Recent {
    pub fn of(past: &[RainField], last: &RainField, motion: &MotionField) -> Result<Self, NowcastError> {
        let earlier = Self::wanted(past, last);
        let arrived = Arrived::new(&earlier.into_iter().flatten().collect::<Vec<_>>(), last, motion)?;
        Ok(Self::from(earlier, last, &arrived))
    }

    /// The two earlier fields; `None` where none is recent, as after a gap.
    fn wanted<'a>(past: &'a [RainField], last: &RainField) -> [Option<&'a RainField>; 2] {
        EARLIER_MIN.map(|minutes| {
            past.iter()
                .filter(|f| age_min(f, last) > 0.0 && age_min(f, last) <= RECENT_MIN)
                .min_by(|a, b| (age_min(a, last) - minutes).abs().total_cmp(&(age_min(b, last) - minutes).abs()))
        })
    }

    /// What is not there is taken for what there is now: no growth and no decay.
    fn from(earlier: [Option<&RainField>; 2], last: &RainField, arrived: &Arrived) -> Self {
        let or_now = |field: Option<&RainField>| field.and_then(|f| arrived.of(f)).unwrap_or(&last.rate_mm_h);
        Self { now_db: in_decibels(&last.rate_mm_h), earlier_db: earlier.map(|field| in_decibels(or_now(field))) }
    }

    /// What all places weigh by.
    pub fn surroundings(&self, cell_km: f32, tables: &[Table; RATES]) -> Surroundings {
        let state = self.state(cell_km);
        let known = state.known();
        let levels: Vec<_> = RATES_MM_H.into_par_iter().map(|r| state.levels(Rate::of(r), &known)).collect();
        Surroundings::new(&levels, tables)
    }

    pub fn state(&self, cell_km: f32) -> State<'_> {
        State { now: &self.now_db, earlier: [&self.earlier_db[0], &self.earlier_db[1]], cell_km }
    }
}

/// Rain decibels of a field of mm/h.
pub(crate) fn in_decibels(rate_mm_h: &Array2<f32>) -> Array2<f32> {
    let mut rate_db = rate_mm_h.as_standard_layout().into_owned();
    if let Some(cells) = rate_db.as_slice_mut() {
        cells.par_chunks_mut(1 << 14).for_each(|cells| {
            widest(
                #[inline(always)]
                || {
                    for cell in cells {
                        *cell = decibels(*cell);
                    }
                },
            );
        });
    }
    rate_db
}
