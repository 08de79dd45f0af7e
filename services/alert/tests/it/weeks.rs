//! Weeks of weather with known truth, through the machine alone.
//!
//! The weather is that of the simulator: cells that grow and decay, bands, all adrift. The nowcast is the frozen weather
//! of the moment, moved on with the known flow and an error of its own in speed and direction, as a real one is.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use raincell_alert::machine::{News, Outlook, PlaceRain, PlaceState, Rules, step};
use raincell_alert::score::Record;
use raincell_api_types::alerts::{RainEvent, RainEventKind};
use raincell_simulator::{DEMO_PLACES, DEMO_SITE, Preset, Scene, Weather};

const DAYS: i64 = 14;
const PLACES: usize = 6;

/// The rate that two of thirteen points within 2 km reach: a tenth of the area and a bit.
fn rate(scene: &Scene<'_>, x_km: f64, y_km: f64) -> f32 {
    let ring = |radius: f64, count: u32| {
        (0..count)
            .map(move |k| (f64::from(k) * std::f64::consts::TAU / f64::from(count)).sin_cos())
            .map(move |(s, c)| (radius * c, radius * s))
    };
    let points = std::iter::once((0.0, 0.0)).chain(ring(1.0, 4)).chain(ring(1.9, 8));
    let mut rates: Vec<f32> = points.map(|(dx, dy)| scene.rain(x_km + dx, y_km + dy).rate_mm_h).collect();
    rates.sort_unstable_by(|a, b| b.total_cmp(a));
    rates[1]
}

/// A number in −1..1 that looks random.
fn noise(a: i64, b: i64) -> f64 {
    let hash = (a.wrapping_mul(6_364_136_223_846_793_005) ^ b.wrapping_mul(1_442_695_040_888_963_407))
        .wrapping_mul(2_862_933_555_777_941_757);
    (hash >> 11) as f64 / (1_i64 << 52) as f64
}

fn outlook(weather: &Weather, scene: &Scene<'_>, issued: Timestamp, (x_km, y_km): (f64, f64)) -> Outlook {
    let (u, v) = weather.flow_at(x_km, y_km);
    let (speed, turn) = (1.0 + 0.08 * noise(issued.as_second(), 1), 0.08 * noise(issued.as_second(), 2));
    let (u, v) = (speed * (u - turn * v), speed * (v + turn * u));
    let ahead = |k: i64| {
        let km = |m_s: f64| m_s * 0.3 * k as f64;
        let rate_mm_h = Some(rate(scene, x_km - km(u), y_km - km(v)));
        PlaceRain { time: issued + SignedDuration::from_mins(5 * k), rate_mm_h, probability: None }
    };
    Outlook { issued, steps: (1..=24).map(ahead).collect() }
}

#[test]
fn weeks_of_weather_bring_no_warning_twice_and_starts_within_minutes() {
    let began = std::time::Instant::now();
    let weather = Weather::new(11, &DEMO_SITE, Preset::Mixed);
    let start: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    let places = &DEMO_PLACES[..PLACES];
    let at: Vec<_> = places.iter().map(|p| weather.position_km(p.lat_deg, p.lon_deg).unwrap()).collect();
    let rules = Rules::default();
    let mut states = vec![PlaceState::default(); PLACES];
    let (mut record, mut keys, mut posts) = (Record::default(), BTreeSet::new(), [0_u32; 6]);
    let mut last: Vec<Option<News>> = vec![None; PLACES];
    for frame in 0..DAYS * 288 {
        let time = start + SignedDuration::from_mins(5 * frame);
        let scene = weather.scene(time);
        for (place, &(x_km, y_km)) in at.iter().enumerate() {
            let seen = PlaceRain { time, rate_mm_h: Some(rate(&scene, x_km, y_km)), probability: None };
            let outlook = outlook(&weather, &scene, time, (x_km, y_km));
            let (state, news) = step(&states[place], &rules, seen, Some(&outlook), time + SignedDuration::from_mins(2));
            states[place] = state;
            let Some(news) = news else { continue };
            let key = |time: Timestamp, kind| raincell_alert::post_key(time, places[place].name, kind);
            assert!(keys.insert(key(news.time, news.kind)), "the same post twice");
            if let (RainEventKind::Coming, Some(before)) = (news.kind, last[place]) {
                let over = matches!(before.kind, RainEventKind::Ended | RainEventKind::FalseAlarm);
                assert!(over, "{}: a warning at {} after {:?}", places[place].name, news.time, before.kind);
                assert!(news.time.duration_since(before.time) >= rules.re_arm, "flapping");
            }
            let event = RainEvent {
                place_id: places[place].name.into(),
                kind: news.kind,
                time: news.time,
                about: news.about,
                thread: news.follows.map(|first| key(first.time, first.kind)),
                ..RainEvent::default()
            };
            record.note(&key(news.time, news.kind), &event);
            if let Some(count) = posts.get_mut(news.kind as usize) {
                *count += 1;
            }
            last[place] = Some(news);
        }
    }
    let skill = record.skill(start);
    let [coming, begun, stronger, ending, ended, false_alarm] = posts;
    println!(
        "{DAYS} days at {PLACES} places in {:.0?}: coming {coming}, begun {begun}, intensifying {stronger}, ending {ending}, \
         ended {ended}, all-clear {false_alarm}",
        began.elapsed()
    );
    println!("{skill:#?}");
    assert!(skill.hits > 30, "too little weather to judge by");
    assert!(skill.start_error_min.unwrap() <= 5.0, "{skill:?}");
    assert!(skill.start_bias_min.unwrap().abs() <= 5.0, "{skill:?}");
    assert!(skill.pod.unwrap() >= 0.6 && skill.far.unwrap() <= 0.3, "{skill:?}");
}
