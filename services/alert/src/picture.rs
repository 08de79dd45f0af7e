//! The animation of a post: the past hour into the next one around the place.

use std::time::Instant;

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::frames::FrameInfo;
use raincell_model::RainField;
use raincell_render::{AnimationRequest, Marker, PictureArea, animate};
use raincell_store_client::{FrameQuery, StoreClient};

use crate::observe::PlaceCells;
use crate::places::Place;
use crate::sources::{PRODUCT, current_sources};

/// How far back and ahead of the event the animation reaches.
const REACH: SignedDuration = SignedDuration::from_mins(60);
/// The most frames of the past, and of the future.
const MOST_FRAMES: usize = 13;
/// Distance from the place to the nearer edge of the map: rain that is an hour away is on it.
const RADIUS_KM: f64 = 75.0;
/// A picture above this size is made again, smaller.
const MOST_BYTES: usize = 3_000_000;
/// Sides of the picture that are tried, pixels.
const SIDES: [u32; 3] = [720, 600, 480];
/// Frames that are fetched at a time.
const FETCHES: usize = 4;

/// What a picture is made of.
pub(crate) struct PictureOrder {
    pub past: Vec<RainField>,
    pub forecast: Vec<RainField>,
    pub title: String,
    pub credit: String,
    pub place: Place,
}

/// Fetches the frames and draws the picture of an event that was known at `time`.
///
/// # Errors
/// When the store has no frame of the place, does not answer, or the picture cannot be drawn.
pub(crate) async fn picture(
    client: &StoreClient,
    wanted_source: Option<&str>,
    place: &Place,
    time: Timestamp,
    credit: Option<&str>,
) -> anyhow::Result<Vec<u8>> {
    for source in current_sources(client, wanted_source).await? {
        let past = past_fields(client, &source, time).await?;
        if !past.last().is_some_and(|field| shows(field, place)) {
            continue;
        }
        let forecast = forecast_fields(client, &source, time).await?;
        let order = PictureOrder {
            past,
            forecast,
            title: format!("Rain around {}", place.name),
            credit: credit.map_or_else(|| format!("Radar: {source}"), str::to_owned),
            place: place.clone(),
        };
        return tokio::task::spawn_blocking(move || draw(&order)).await.context("drawing was cut off")?;
    }
    bail!("the store has no frame of the hour before {time} that shows {}", place.id)
}

async fn past_fields(client: &StoreClient, source: &str, time: Timestamp) -> anyhow::Result<Vec<RainField>> {
    let query = FrameQuery {
        source: Some(source.to_owned()),
        product: Some(PRODUCT.to_owned()),
        from: time.checked_sub(REACH).ok(),
        to: Some(time),
        ..FrameQuery::default()
    };
    let infos = thin_out(list_all(client, query).await?);
    let fetches = infos.into_iter().map(|info| {
        let client = client.clone();
        async move { client.frame(&info).await }
    });
    let frames: Vec<_> = stream::iter(fetches).buffered(FETCHES).try_collect().await?;
    Ok(frames.into_iter().map(|frame| frame.field).collect())
}

async fn list_all(client: &StoreClient, mut query: FrameQuery) -> anyhow::Result<Vec<FrameInfo>> {
    let mut infos = Vec::new();
    loop {
        let page = client.list_frames(&query).await?;
        infos.extend(page.frames);
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            return Ok(infos);
        }
    }
}

async fn forecast_fields(client: &StoreClient, source: &str, time: Timestamp) -> anyhow::Result<Vec<RainField>> {
    let Some((run, _)) = client.latest_run(source).await? else { return Ok(Vec::new()) };
    let last = time.checked_add(REACH)?;
    let ahead = run.fields.into_iter().filter(|field| field.valid_time > time && field.valid_time <= last);
    Ok(thin_out(ahead.collect()))
}

fn shows(field: &RainField, place: &Place) -> bool {
    let cells = PlaceCells::new(&field.grid, place.lat_deg, place.lon_deg, place.radius_km);
    matches!(cells, Ok(Some(_)))
}

/// At most [`MOST_FRAMES`], evenly spread, the last among them.
fn thin_out<T>(mut items: Vec<T>) -> Vec<T> {
    let stride = items.len().div_ceil(MOST_FRAMES).max(1);
    let last = items.len().saturating_sub(1);
    let mut index = 0;
    items.retain(|_| {
        index += 1;
        (last + 1 - index).is_multiple_of(stride)
    });
    items
}

/// Draws the picture, smaller if it has too many bytes.
fn draw(order: &PictureOrder) -> anyhow::Result<Vec<u8>> {
    let began = Instant::now();
    let place = &order.place;
    let area = PictureArea { lat_deg: place.lat_deg, lon_deg: place.lon_deg, radius_km: RADIUS_KM };
    let marker = Marker { lat_deg: place.lat_deg, lon_deg: place.lon_deg, label: place.name.clone() };
    let mut bytes = Vec::new();
    for side in SIDES {
        bytes = animate(&AnimationRequest {
            title: &order.title,
            credit: &order.credit,
            time_zone: &place.zone_name,
            marker: Some(marker.clone()),
            width: side,
            height: side,
            ..AnimationRequest::new(&order.past, &order.forecast, area)
        })?;
        if bytes.len() <= MOST_BYTES {
            metrics::histogram!("raincell_alert_picture_seconds").record(began.elapsed().as_secs_f64());
            return Ok(bytes);
        }
    }
    bail!("the picture has {} bytes at {} pixels, expected at most {MOST_BYTES}", bytes.len(), SIDES[SIDES.len() - 1])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ndarray::Array2;
    use raincell_model::Grid;

    use super::*;
    use crate::machine::Rules;

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_second(1_767_268_800 + minute * 60).unwrap()
    }

    /// Showers on a wave that moves east by a cell a minute; one corner is not observed.
    fn fields(minutes: impl Iterator<Item = i64>) -> Vec<RainField> {
        let grid = Arc::new(Grid::around_radar(52.0, 4.3, 150.0, 1.0));
        let field = |at: i64| RainField {
            grid: Arc::clone(&grid),
            valid_time: minute(at),
            rate_mm_h: Array2::from_shape_fn(grid.shape(), |(r, c)| {
                let (x, y) = ((c as f32 - at as f32) / 17.0, r as f32 / 23.0);
                let rate = 14.0 * (x.sin() * y.cos() + 0.5 * (2.3 * x + y).cos());
                if r + c < 120 {
                    f32::NAN
                } else if rate < 1.0 {
                    0.0
                } else {
                    rate
                }
            }),
        };
        minutes.map(field).collect()
    }

    fn order(past: Vec<RainField>, forecast: Vec<RainField>) -> PictureOrder {
        let place = Place {
            id: "harbour-town".into(),
            name: "Harbour Town".into(),
            lat_deg: 51.98,
            lon_deg: 4.13,
            radius_km: 2.0,
            area: crate::area::Area::circle(51.98, 4.13, 2.0),
            zone_name: "Europe/Amsterdam".into(),
            language: raincell_words::Language::En,
            rules: Rules::default(),
        };
        let (title, credit) = ("Rain around Harbour Town".into(), "Radar: demo".into());
        PictureOrder { past, forecast, title, credit, place }
    }

    #[test]
    fn a_picture_goes_from_the_past_hour_into_the_next_one_in_less_than_three_megabytes() {
        let past = thin_out(fields((-60..=0).step_by(5)));
        let bytes = draw(&order(past, fields((5..=60).step_by(5)))).unwrap();
        assert!(bytes.len() < 3_000_000, "{} bytes", bytes.len());
        let mut decoder = gif::DecodeOptions::new().read_info(bytes.as_slice()).unwrap();
        let mut frames = 0;
        while decoder.read_next_frame().unwrap().is_some() {
            frames += 1;
        }
        assert_eq!(frames, 25);
    }

    #[test]
    fn no_frames_make_no_picture() {
        assert!(draw(&order(Vec::new(), Vec::new())).is_err());
    }

    #[test]
    fn frames_are_thinned_out_evenly_and_the_newest_stays() {
        assert_eq!(thin_out((0..13).collect::<Vec<_>>()).len(), 13);
        assert_eq!(thin_out((0..61).collect::<Vec<_>>()), [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60]);
        assert_eq!(thin_out((0..14).collect::<Vec<_>>()), [1, 3, 5, 7, 9, 11, 13]);
        assert!(thin_out(Vec::<u8>::new()).is_empty());
    }
}
