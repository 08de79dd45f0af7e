//! Rain whose future is known: every method on moving, turning, shearing, growing and decaying fields, beside clutter at
//! rest and at the edge of what was observed.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_model::{Grid, RainField};
use raincell_nowcasts::{Inflow, LeadTimes, METHODS, NowcastError, method};
use raincell_verification::Pool;

const SIDE: usize = 192;
const HALF: f32 = SIDE as f32 / 2.0;
const PAST_MIN: [f32; 5] = [-20.0, -15.0, -10.0, -5.0, 0.0];
const LEADS: LeadTimes = LeadTimes { step_min: 5.0, count: 6 };

/// All methods that move rain along.
fn moving() -> impl Iterator<Item = &'static str> {
    METHODS.into_iter().filter(|name| *name != "persistence")
}

fn at(minutes: f32) -> Timestamp {
    Timestamp::from_second(1_500_000_000).unwrap() + SignedDuration::from_millis((f64::from(minutes) * 60_000.0) as i64)
}

/// Showers at `minutes`: `origin` says where the air at (x, y), cells from the centre, was at time 0; they get stronger
/// by `growth_db` decibels a minute.
fn field(minutes: f32, growth_db: f32, origin: impl Fn(f32, f32, f32) -> (f32, f32)) -> RainField {
    let grid = Arc::new(Grid::around_radar(50.0, 5.0, SIDE as f64 / 2.0, 1.0));
    let rate_mm_h = Array2::from_shape_fn((SIDE, SIDE), |(r, c)| {
        let (x, y) = origin(c as f32 - HALF, r as f32 - HALF, minutes);
        let wave = (x * 0.11 + 0.7).sin() * (y * 0.09).cos() + 0.4 * (x * 0.27 + y * 0.21).sin();
        let db = 15.0 * wave - 4.0 + growth_db * minutes;
        if db > -8.0 { 10.0_f32.powf(db / 10.0).min(80.0) } else { 0.0 }
    });
    RainField { grid, valid_time: at(minutes), rate_mm_h }
}

type Origin = fn(f32, f32, f32) -> (f32, f32);

fn translation(x: f32, y: f32, minutes: f32) -> (f32, f32) {
    (x - 0.6 * minutes, y + 0.35 * minutes)
}

fn rotation(x: f32, y: f32, minutes: f32) -> (f32, f32) {
    let (sin, cos) = (0.008 * minutes).sin_cos();
    (cos * x + sin * y, cos * y - sin * x)
}

fn shear(x: f32, y: f32, minutes: f32) -> (f32, f32) {
    (x - (0.5 + 0.006 * y) * minutes, y)
}

fn past(growth_db: f32, origin: Origin) -> Vec<RainField> {
    PAST_MIN.map(|m| field(m, growth_db, origin)).into()
}

fn run(name: &str, past: &[RainField]) -> Vec<RainField> {
    method(name).unwrap().run(past, &LEADS, Inflow::LastObservation).unwrap().fields
}

/// CSI at 1 mm/h over all leads, away from the edges, where `wanted` accepts.
fn csi(nowcast: &[RainField], growth_db: f32, origin: Origin, wanted: impl Fn(usize, usize) -> bool) -> f64 {
    let mut pool = Pool::default();
    for (k, field_of) in nowcast.iter().enumerate() {
        let mut truth = field(5.0 * (k + 1) as f32, growth_db, origin).rate_mm_h;
        let inside = 32..SIDE - 32;
        for ((r, c), rate) in truth.indexed_iter_mut() {
            if !inside.contains(&r) || !inside.contains(&c) || !wanted(r, c) {
                *rate = f32::NAN;
            }
        }
        pool.add(&field_of.rate_mm_h, &truth).unwrap();
    }
    pool.scores().at[1].csi
}

fn everywhere(_: usize, _: usize) -> bool {
    true
}

fn mean(field: &RainField) -> f32 {
    let inside = 32..SIDE - 32;
    let cells = field.rate_mm_h.indexed_iter().filter(|((r, c), _)| inside.contains(r) && inside.contains(c));
    let (sum, count) = cells.fold((0.0_f32, 0.0_f32), |(sum, count), (_, rate)| (sum + rate, count + 1.0));
    sum / count
}

#[test]
fn moving_turning_and_shearing_rain_is_followed() {
    for (what, origin) in [("translation", translation as Origin), ("rotation", rotation), ("shear", shear)] {
        let past = past(0.0, origin);
        let persistence = csi(&run("persistence", &past), 0.0, origin, everywhere);
        for name in moving() {
            let score = csi(&run(name, &past), 0.0, origin, everywhere);
            println!("{what} {name}: CSI {score:.3}, persistence {persistence:.3}");
            assert!(score > 0.75 && score > persistence + 0.2, "{name} of {what}: {score}, persistence {persistence}");
        }
    }
}

#[test]
fn a_fast_shower_behind_a_slow_one_is_not_slowed_down() {
    // The fast one comes to where the slow one was, and takes its own motion there: along a stationary field of motion `best`
    // has it 18.8 cells further.
    let (fast, slow) = (1.2, 0.3);
    let showers = |minutes: f32| {
        let mut made = field(minutes, 0.0, |_, _, _| (0.0, 0.0));
        for ((r, c), rate) in made.rate_mm_h.indexed_iter_mut() {
            let (x, y) = (c as f32 - HALF, r as f32 - HALF);
            let near = |centre: f32| (-((x - centre).powi(2) + y * y) / 150.0).exp();
            let texture = 1.0 + 0.5 * ((x - fast * minutes) * 0.5).sin() * (y * 0.4).cos();
            *rate = 8.0 * texture * (near(-45.0 + fast * minutes) + near(5.0 + slow * minutes));
            *rate = if *rate < 0.1 { 0.0 } else { *rate };
        }
        made
    };
    let centre = |field: &RainField| {
        let behind = field.rate_mm_h.indexed_iter().filter(|((_, c), _)| (*c as f32) < HALF - 2.0);
        let (sum, total) = behind.fold((0.0_f32, 0.0_f32), |(s, t), ((_, c), rate)| (s + rate * c as f32, t + rate));
        sum / total
    };
    let past = PAST_MIN.map(showers);
    let truth = centre(&showers(25.0)) - centre(&past[4]);
    let moved = |name: &str| centre(&run(name, &past)[4]) - centre(&past[4]);
    let [best, extrapolation] = ["best", "extrapolation"].map(moved);
    println!("the fast shower: {truth} cells, best {best}, extrapolation {extrapolation}");
    assert!(best > 0.85 * truth && best > extrapolation, "{best} and {extrapolation} of {truth} cells");
}

#[test]
fn rain_that_grows_or_decays_is_followed_and_never_runs_away() {
    for growth_db in [0.12, -0.12] {
        let past = past(growth_db, translation);
        let truth = field(30.0, growth_db, translation);
        let persistence = csi(&run("persistence", &past), growth_db, translation, everywhere);
        for name in moving() {
            let nowcast = run(name, &past);
            let score = csi(&nowcast, growth_db, translation, everywhere);
            let (now, then, real) = (mean(&past[4]), mean(nowcast.last().unwrap()), mean(&truth));
            println!(
                "{growth_db} dB/min {name}: CSI {score:.3} ({persistence:.3}), mean {now:.2} → {then:.2} ({real:.2})"
            );
            assert!(score > 0.6 && score > persistence + 0.1, "{name}: {score}, persistence {persistence}");
            // At most as far from what is as what is coming, and half as much again beyond.
            let range = if growth_db > 0.0 { 0.7 * now..1.5 * real } else { 0.5 * real..1.3 * now };
            assert!(range.contains(&then), "{name}: a mean of {then} mm/h from {now}, in truth {real}");
        }
    }
}

#[test]
fn clutter_at_rest_neither_stops_nor_moves_the_rain_around_it() {
    let far = |r: usize, c: usize| (r as f32 - 70.0).hypot(c as f32 - 110.0) > 40.0;
    let mut past = past(0.0, translation);
    for (i, field) in past.iter_mut().enumerate() {
        for ((r, c), rate) in field.rate_mm_h.indexed_iter_mut() {
            if (r as f32 - 70.0).hypot(c as f32 - 110.0) < 9.0 {
                *rate = 20.0 * (1.0 + 0.1 * ((r * 7 + c * 13 + i * 5) % 5) as f32);
            }
        }
    }
    let persistence = csi(&run("persistence", &past), 0.0, translation, far);
    for name in moving() {
        let score = csi(&run(name, &past), 0.0, translation, far);
        println!("clutter {name}: CSI {score:.3}, persistence {persistence:.3}");
        assert!(score > 0.7 && score > persistence + 0.2, "{name}: {score}, persistence {persistence}");
    }
}

#[test]
fn inflow_is_unknown_or_guessed_and_never_taken_for_dry() {
    let fields = past(0.0, |x, y, minutes| (x - 1.2 * minutes, y));
    for name in moving() {
        let of = |inflow| method(name).unwrap().run(&fields, &LEADS, inflow).unwrap().fields;
        let (unknown, guessed) = (of(Inflow::Unknown), of(Inflow::LastObservation));
        for (k, (unknown, guessed)) in unknown.iter().zip(&guessed).enumerate() {
            let crossed = 1.2 * 5.0 * (k + 1) as f32;
            for ((r, c), rate) in unknown.rate_mm_h.indexed_iter().filter(|((r, _), _)| (40..150).contains(r)) {
                let depth = c as f32 + 0.5;
                assert!(depth > crossed - 3.0 || rate.is_nan(), "{name} +{}: {rate} at {r}, {c}", k + 1);
                assert!(depth < crossed + 4.0 || rate.is_finite(), "{name} +{}: unknown at {r}, {c}", k + 1);
            }
            assert!(guessed.rate_mm_h.iter().all(|r| r.is_finite()), "{name} +{}", k + 1);
            let entered = guessed.rate_mm_h.indexed_iter().any(|((_, c), r)| (c as f32) < crossed && *r > 1.0);
            assert!(entered, "{name} +{}: the last hour had showers at this edge", k + 1);
        }
    }
}

#[test]
fn a_constant_shift_keeps_the_rain_that_there_is() {
    let blob = |minutes: f32| {
        let mut field = field(minutes, 0.0, translation);
        for ((r, c), rate) in field.rate_mm_h.indexed_iter_mut() {
            let (x, y) = translation(c as f32 - HALF, r as f32 - HALF, minutes);
            let square = (x * x + y * y) / 200.0;
            *rate = if square < 8.0 { 20.0 * (-square).exp() } else { 0.0 };
        }
        field
    };
    let past: Vec<RainField> = PAST_MIN.map(blob).into();
    let before: f32 = past[4].rate_mm_h.sum();
    for name in METHODS {
        let share = run(name, &past).last().unwrap().rate_mm_h.sum() / before;
        println!("mass {name}: {share:.4}");
        // Those that deal the rates out by rank over an expected area let the area differ a little.
        let allowed = if ["persistence", "extrapolation"].contains(&name) { 0.001 } else { 0.1 };
        assert!((share - 1.0).abs() < allowed, "{name} keeps {share} of the rain");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_nowcast_to_the_last_bit() {
    let past = past(0.05, translation);
    for name in METHODS {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let fields = pool.install(|| run(name, &past));
            fields.iter().flat_map(|f| f.rate_mm_h.iter().map(|r| r.to_bits()).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        let once = on(1);
        assert!(once == on(2) && once == on(3) && once == on(1), "{name}");
    }
}

#[test]
fn gaps_late_twins_and_a_frame_long_ago_leave_the_nowcast_sane() {
    for minutes in [vec![-30.0, -25.0, 0.0], vec![-28.0, 0.0], vec![-600.0, 0.0], vec![-10.0, -10.0, 0.0, 0.0, -5.0]] {
        let past: Vec<RainField> = minutes.iter().map(|m| field(*m, 0.0, translation)).collect();
        let persistence = csi(&run("persistence", &past), 0.0, translation, everywhere);
        for name in moving() {
            let nowcast = run(name, &past);
            assert!(nowcast.iter().all(|f| f.rate_mm_h.iter().all(|r| (0.0..120.0).contains(r))), "{name} {minutes:?}");
            let score = csi(&nowcast, 0.0, translation, everywhere);
            println!("{minutes:?} {name}: CSI {score:.3}, persistence {persistence:.3}");
            assert!(score >= persistence - 0.02, "{name} {minutes:?}: {score}, persistence {persistence}");
        }
    }
}

#[test]
fn after_a_gap_rain_goes_on_as_it_came() {
    let whole = past(0.0, translation);
    for minutes in [vec![-30.0, -25.0, 0.0], vec![-28.0, 0.0], vec![-45.0, -40.0, 0.0]] {
        let gap: Vec<RainField> = minutes.iter().map(|m| field(*m, 0.0, translation)).collect();
        for name in moving() {
            let [score, without] = [&gap, &whole].map(|past| csi(&run(name, past), 0.0, translation, everywhere));
            println!("{minutes:?} {name}: CSI {score:.3}, without a gap {without:.3}");
            assert!(score >= 0.9 * without, "{name} {minutes:?}: {score}, without a gap {without}");
        }
    }
}

#[test]
fn rain_on_cells_of_two_kilometres_is_followed_as_on_those_of_one() {
    let wide = Arc::new(Grid::around_radar(50.0, 5.0, SIDE as f64, 2.0));
    let fields: Vec<RainField> =
        past(0.0, translation).into_iter().map(|field| RainField { grid: wide.clone(), ..field }).collect();
    for name in moving() {
        let [score, on_one] =
            [&fields, &past(0.0, translation)].map(|past| csi(&run(name, past), 0.0, translation, everywhere));
        println!("{name}: CSI {score:.3} on cells of 2 km, {on_one:.3} on those of 1 km");
        assert!(score >= 0.97 * on_one, "{name}: {score} on cells of 2 km, {on_one} on those of 1 km");
    }
}

#[test]
fn a_single_frame_is_the_best_guess_of_what_stays() {
    let one = [field(0.0, 0.0, |x, y, _| (x, y))];
    let [best, persistence] = ["best", "persistence"].map(|name| csi(&run(name, &one), 0.0, translation, everywhere));
    assert!(best > persistence, "{best}, persistence {persistence}");
    let dry = [RainField { rate_mm_h: Array2::zeros((SIDE, SIDE)), ..one[0].clone() }];
    assert!(run("best", &dry).iter().all(|field| field.rate_mm_h.iter().all(|rate| *rate == 0.0)));
}

#[test]
fn small_grids_are_nowcast_and_fields_of_two_grids_are_refused_by_name() {
    for name in METHODS {
        for (height, width) in [(1, 1), (2, 3), (1, 40), (17, 5)] {
            let grid = Arc::new(Grid { height, width, ..Grid::around_radar(50.0, 5.0, 1.0, 1.0) });
            let of = |m: f32| RainField {
                grid: grid.clone(),
                valid_time: at(m),
                rate_mm_h: Array2::from_shape_fn((height, width), |(r, c)| (r + c) as f32),
            };
            let past: Vec<RainField> = PAST_MIN.map(of).into();
            let nowcast = run(name, &past);
            let sane = nowcast.iter().all(|f| f.rate_mm_h.iter().all(|r| (0.0..200.0).contains(r)));
            assert!(sane && nowcast.len() == LEADS.count, "{name} on {height} × {width}");
        }
        if name != "persistence" {
            let mut fields = past(0.0, translation);
            fields[2].grid = Arc::new(Grid::around_radar(51.0, 5.0, SIDE as f64 / 2.0, 1.0));
            let refused = method(name).unwrap().run(&fields, &LEADS, Inflow::LastObservation);
            assert!(matches!(refused, Err(NowcastError::Motion(_))), "{name}");
        }
    }
}
