//! A real event, replayed in order through engine and state machine: what would have been posted, and was it right?

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod real_data;

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use raincell_alert::cells::{self, CellNews, CellRules, CellState};
use raincell_alert::length::{LONGEST_POST, weighted_length};
use raincell_alert::machine::{News, Outlook, PlaceState, step};
use raincell_alert::observe::PlaceCells;
use raincell_alert::places::Place;
use raincell_alert::score::Record;
use raincell_alert::{Config, post_key, told, words};
use raincell_api_types::frames::SourceTraits;
use raincell_model::RainField;
use raincell_nowcasts::{DEFAULT_METHOD, Inflow, LeadTimes, method};
use raincell_service_runtime::config::load_with;
use raincell_words::Language;

use real_data::{frames, read};

/// Name, where it is, and the language of its posts.
const PLACES: [(&str, f64, f64, &str); 10] = [
    ("Bern", 46.948, 7.447, "de"),
    ("Zürich", 47.377, 8.541, "de"),
    ("Luzern", 47.050, 8.305, "de"),
    ("Basel", 47.560, 7.588, "en"),
    ("Genève", 46.204, 6.143, "fr"),
    ("St. Gallen", 47.424, 9.376, "de"),
    ("Lausanne", 46.520, 6.633, "fr"),
    ("Sion", 46.233, 7.360, "fr"),
    ("Lugano", 46.004, 8.951, "en"),
    ("Chur", 46.850, 9.532, "de"),
];

/// The watched places as a config has them.
fn places() -> Vec<Place> {
    let table = |(name, lat, lon, language): &(&str, f64, f64, &str)| {
        format!(
            "[[alert.places]]\nname = '{name}'\nlat = {lat}\nlon = {lon}\nlanguage = '{language}'\n\
             time_zone = 'Europe/Zurich'\n"
        )
    };
    let text = PLACES.iter().map(table).collect::<Vec<_>>().concat();
    raincell_alert::places::places(&load_with::<Config>(None, &text).unwrap()).unwrap()
}

/// News of each place, in order; and those of cells of heavy rain.
fn replay(paths: &[PathBuf], places: &[Place]) -> (Vec<Vec<News>>, Vec<CellNews>) {
    let method = method(DEFAULT_METHOD).unwrap();
    let leads = LeadTimes { step_min: 5.0, count: 14 };
    let mut states = vec![PlaceState::default(); PLACES.len()];
    let mut news = vec![Vec::new(); PLACES.len()];
    let heavy = CellRules {
        rate_mm_h: 30.0,
        area_km2: 40.0,
        apart_km: 40.0,
        re_arm: SignedDuration::from_mins(30),
        most_per_hour: 4,
        stale_after: SignedDuration::from_mins(20),
    };
    let (mut cells_state, mut cells_news) = (CellState::default(), Vec::new());
    let mut past: Vec<RainField> = Vec::new();
    for path in paths {
        past.push(read(path));
        if past.len() > 6 {
            past.remove(0);
        }
        let newest = past.last().unwrap();
        let nowcast = method.run(&past, &leads, Inflow::LastObservation).unwrap();
        let now = newest.valid_time + SignedDuration::from_secs(90);
        for (index, place) in places.iter().enumerate() {
            let cells = PlaceCells::of(&newest.grid, &place.area).unwrap().unwrap();
            let steps = nowcast.fields.iter().map(|field| cells.rain(field)).collect();
            let outlook = Outlook { issued: newest.valid_time, steps };
            let (state, told) = step(&states[index], &place.rules, cells.rain(newest), Some(&outlook), now);
            states[index] = state;
            news[index].extend(told);
        }
        let (state, told) = cells::step(&cells_state, &heavy, newest, Some(&nowcast.motion), told::town, now);
        cells_state = state;
        cells_news.extend(told);
    }
    (news, cells_news)
}

#[test]
fn warnings_of_a_real_event_come_true_in_time() {
    let Some(paths) = frames("mch_20150515") else {
        println!("skipped: no data");
        return;
    };
    let places = places();
    let (news, heavy) = replay(&paths, &places);
    let mut record = Record::default();
    for (place, news) in places.iter().zip(&news) {
        for told in news {
            let event = told::of_place(place, told, "Radar: MeteoSwiss", SourceTraits::default());
            let text = words::with_countdown(&event, told.time);
            println!("{} {text}", told.time.strftime("%H:%MZ"));
            assert!(weighted_length(&text) <= LONGEST_POST && event.alt.contains(&place.name), "{text}");
            record.note(&post_key(told.time, &place.id, told.kind), &event);
        }
    }
    for told in &heavy {
        let event = told::of_cell(told, (Language::En, "Europe/Zurich"), "Radar: MeteoSwiss", SourceTraits::default());
        println!("{} {}", told.time.strftime("%H:%MZ"), event.text);
    }
    let skill = record.skill(Timestamp::MIN);
    println!("{skill:#?}");
    assert!(skill.hits > 0 && skill.far.unwrap() <= 0.5, "{skill:?}");
    assert!(skill.start_error_min.unwrap() <= 10.0, "{skill:?}");
}
