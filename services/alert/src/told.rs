//! News as events that are stored and posted: with their texts, in the language of those who read them.

use jiff::Timestamp;
use raincell_api_types::alerts::{EventFacts, EventMotion, RainEvent, RainEventKind};
use raincell_api_types::frames::SourceTraits;
use raincell_words::{Language, Limit, alt_text, event_text};

use crate::cells::CellNews;
use crate::machine::News;
use crate::outbox::post_key;
use crate::places::Place;

/// A town farther from a cell than this does not give it its name, km.
const FARTHEST_TOWN_KM: f64 = 60.0;

/// The town that a cell is named after.
pub fn town(lat_deg: f64, lon_deg: f64) -> Option<String> {
    let (place, km) = raincell_render::world().nearest_place(lat_deg, lon_deg)?;
    (km <= FARTHEST_TOWN_KM).then(|| place.name.clone())
}

/// News of a watched place; `traits` are those of the source that they come from.
pub fn of_place(place: &Place, news: &News, credit: &str, traits: SourceTraits) -> RainEvent {
    let (earliest, latest) = news.window.unzip();
    with_text(RainEvent {
        place: place.name.clone(),
        kind: news.kind,
        time: news.time,
        about: news.about,
        rate_mm_h: news.rate_mm_h,
        language: place.language.code().into(),
        place_id: place.id.clone(),
        thread: news.follows.map(|first| post_key(first.time, &place.id, first.kind)),
        facts: Some(Box::new(EventFacts {
            time_zone: place.zone_name.clone(),
            credit: credit.to_owned(),
            earliest,
            latest,
            until: news.until,
            probability: news.probability,
            hail: traits.is_hail(news.rate_mm_h),
            motion: None,
        })),
        ..RainEvent::default()
    })
}

/// Key of the news of a cell: it is named after its town.
pub fn cell_key(time: Timestamp, town: &str, kind: RainEventKind) -> String {
    post_key(time, &format!("near-{}", slug::slugify(town)), kind)
}

/// News of a cell of heavy rain, in a language and a time zone.
pub fn of_cell(
    news: &CellNews,
    (language, zone_name): (Language, &str),
    credit: &str,
    traits: SourceTraits,
) -> RainEvent {
    let kind = if news.over { RainEventKind::HeavyRainOver } else { RainEventKind::HeavyRain };
    with_text(RainEvent {
        place: news.town.clone(),
        kind,
        time: news.time,
        about: news.about,
        rate_mm_h: news.rate_mm_h,
        language: language.code().into(),
        centre: Some([news.lat_deg, news.lon_deg]),
        thread: news.over.then(|| cell_key(news.first, &news.town, RainEventKind::HeavyRain)),
        facts: Some(Box::new(EventFacts {
            time_zone: zone_name.to_owned(),
            credit: credit.to_owned(),
            hail: traits.is_hail(news.rate_mm_h),
            motion: news
                .motion
                .filter(|(speed, _)| *speed >= 5.0)
                .map(|(speed_km_h, towards_deg)| EventMotion { towards_deg, speed_km_h }),
            ..EventFacts::default()
        })),
        ..RainEvent::default()
    })
}

fn with_text(mut event: RainEvent) -> RainEvent {
    event.text = event_text(&event, None, Limit::X);
    event.alt = alt_text(&event);
    event
}

/// A post of a schedule, whose text is whole already.
pub fn of_schedule(kind: RainEventKind, due: Timestamp, language: Language, text: String) -> RainEvent {
    RainEvent { kind, time: due, about: due, language: language.code().into(), text, ..RainEvent::default() }
}
