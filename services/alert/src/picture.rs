//! The animation of a post: the past hour into the next one around the place.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::alerts::RainEvent;
use raincell_api_types::frames::FrameInfo;
use raincell_model::RainField;
use raincell_render::{AnimationRequest, Marker, PictureArea, animate, animate_mp4, still_png};
use raincell_store_client::{FrameQuery, StoreClient};

use tokio::sync::Mutex;

use crate::Config;
use crate::likely::LikelyRun;
use crate::observe::PlaceCells;
use crate::places::Place;
use crate::poster::{Picture, PictureKind, PictureWish};
use crate::sources::{PRODUCT, current_sources};

/// How far back and ahead of the event the animation reaches.
const REACH: SignedDuration = SignedDuration::from_mins(60);
/// The most frames of the past, and of the future.
const MOST_FRAMES: usize = 13;
/// Distance from the edge of the place to that of the map: rain that is an hour away is on it.
const RADIUS_KM: f64 = 75.0;
/// What a picture with too many bytes is shrunk to, in tenths of its sides, one after the other.
const SHRUNK: [u32; 5] = [10, 8, 7, 6, 5];
/// Pictures that are kept for the next target.
const KEPT: usize = 6;
/// A place is on a grid when this much around it is, km.
const SHOWN_KM: f64 = 1.0;
/// From this rate on it rains, for the line around likely rain.
const WET_MM_H: f32 = 0.1;
/// Frames that are fetched at a time.
const FETCHES: usize = 4;

/// Where a picture is of.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    /// The name of the place; empty for none.
    pub name: String,
    /// Degrees north.
    pub lat_deg: f64,
    /// Degrees east.
    pub lon_deg: f64,
    /// All of the place lies within this distance of its middle, km.
    pub radius_km: f64,
    /// IANA name of the zone of the clock.
    pub zone_name: String,
}

/// What a picture is made of.
pub(crate) struct PictureOrder {
    pub past: Vec<RainField>,
    pub forecast: Vec<RainField>,
    /// Probabilities (0–1) of rain at the times of the forecast, where the nowcast has any.
    pub probability: Vec<RainField>,
    pub credit: String,
    pub scene: Scene,
}

/// A picture that was made, or could not be.
type Made = (String, PictureWish, Option<Picture>);

/// Draws the pictures of events; what several targets want is drawn once.
pub(crate) struct Pictures {
    client: StoreClient,
    source: String,
    credit: String,
    places: Arc<Vec<Place>>,
    made: Mutex<VecDeque<Made>>,
}

impl Pictures {
    pub fn new(client: StoreClient, config: &Config, places: Arc<Vec<Place>>) -> Self {
        let (source, credit) = (config.source.clone(), config.credit.clone());
        Self { client, source, credit, places, made: Mutex::default() }
    }

    /// The watched place of an event.
    pub fn place(&self, event: &RainEvent) -> Option<&Place> {
        self.places.iter().find(|place| place.id == event.place_id)
    }

    /// The picture, or `None` where it cannot be made: a text in time is better than a picture too late.
    pub async fn of(&self, event: &RainEvent, event_key: &str, wish: PictureWish) -> Option<Picture> {
        let scene = self.scene(event)?;
        // One at a time: each takes all the processors it can get.
        let mut made = self.made.lock().await;
        if let Some((_, _, picture)) = made.iter().find(|(key, of, _)| key == event_key && *of == wish) {
            return picture.clone();
        }
        let outcome = self.draw(scene, event.time, wish).await;
        let label = if outcome.is_ok() { "made" } else { "failed" };
        metrics::counter!("raincell_alert_pictures_total", "outcome" => label).increment(1);
        let picture = outcome
            .inspect_err(|error| {
                tracing::warn!(event_key, error = format!("{error:#}"), "no picture, the text goes alone");
            })
            .ok();
        // What failed is tried again with the next try: frames may have come meanwhile.
        if picture.is_some() {
            made.push_back((event_key.to_owned(), wish, picture.clone()));
            if made.len() > KEPT {
                made.pop_front();
            }
        }
        picture
    }

    fn scene(&self, event: &RainEvent) -> Option<Scene> {
        if let Some(place) = self.place(event) {
            return Some(Scene {
                name: place.name.clone(),
                lat_deg: place.lat_deg,
                lon_deg: place.lon_deg,
                radius_km: place.radius_km,
                zone_name: place.zone_name.clone(),
            });
        }
        let [lat_deg, lon_deg] = event.centre?;
        Some(Scene { name: event.place.clone(), lat_deg, lon_deg, radius_km: 0.0, zone_name: "UTC".into() })
    }

    async fn draw(&self, scene: Scene, time: Timestamp, wish: PictureWish) -> anyhow::Result<Picture> {
        let wanted = (!self.source.is_empty()).then_some(self.source.as_str());
        for source in current_sources(&self.client, wanted).await? {
            let past = past_fields(&self.client, &source, time).await?;
            if !past.last().is_some_and(|field| shows(field, &scene)) {
                continue;
            }
            let (forecast, probability) = forecast_fields(&self.client, &source, time).await?;
            let credit = if self.credit.is_empty() { format!("Radar: {source}") } else { self.credit.clone() };
            let order = PictureOrder { past, forecast, probability, credit, scene };
            return tokio::task::spawn_blocking(move || draw(&order, wish)).await.context("drawing was cut off")?;
        }
        bail!("the store has no frame of the hour before {time} that shows {}", scene.name)
    }
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

/// The rain of the newest nowcast after a time, and the probabilities that some of it falls.
async fn forecast_fields(
    client: &StoreClient,
    source: &str,
    time: Timestamp,
) -> anyhow::Result<(Vec<RainField>, Vec<RainField>)> {
    let runs = client.list_runs(source, 1).await?;
    let Some(info) = runs.last() else { return Ok(Default::default()) };
    let bytes = client.run_bytes(info).await?;
    let likely =
        tokio::task::spawn_blocking(move || LikelyRun::decode(&bytes)).await.context("decoding was cut off")?;
    let likely = likely.with_context(|| format!("the nowcast of {source} of {}", info.issue_time))?;
    let last = time.checked_add(REACH)?;
    let ahead = |fields: &[RainField]| -> Vec<RainField> {
        fields.iter().filter(|field| field.valid_time > time && field.valid_time <= last).cloned().collect()
    };
    Ok((thin_out(ahead(&likely.run.fields)), ahead(likely.probabilities_of(WET_MM_H))))
}

fn shows(field: &RainField, scene: &Scene) -> bool {
    let cells = PlaceCells::new(&field.grid, scene.lat_deg, scene.lon_deg, SHOWN_KM);
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
fn draw(order: &PictureOrder, wish: PictureWish) -> anyhow::Result<Picture> {
    let began = Instant::now();
    let Scene { name, lat_deg, lon_deg, radius_km, zone_name } = &order.scene;
    let area = PictureArea { lat_deg: *lat_deg, lon_deg: *lon_deg, radius_km: radius_km + RADIUS_KM };
    let marker = Marker { lat_deg: *lat_deg, lon_deg: *lon_deg, label: name.clone() };
    let title = format!("Rain around {name}");
    let mut smallest = 0;
    for tenths in SHRUNK {
        // Even, as videos want it.
        let side = |pixels: u32| pixels * tenths / 20 * 2;
        let (width, height) = (side(wish.width), side(wish.height));
        let request = AnimationRequest {
            title: &title,
            probability: &order.probability,
            credit: &order.credit,
            time_zone: zone_name,
            marker: Some(marker.clone()),
            width,
            height,
            ..AnimationRequest::new(&order.past, &order.forecast, area)
        };
        let bytes = match wish.kind {
            PictureKind::Gif => animate(&request)?,
            PictureKind::Mp4 => animate_mp4(&request)?,
            PictureKind::Png => {
                let now = order.past.iter().map(|field| field.valid_time).max().unwrap_or_default();
                still_png(&request, now)?
            }
        };
        if bytes.len() <= wish.most_bytes {
            metrics::histogram!("raincell_alert_picture_seconds").record(began.elapsed().as_secs_f64());
            return Ok(Picture { bytes: bytes.into(), media_type: wish.kind.media_type(), width, height });
        }
        smallest = bytes.len();
    }
    bail!("the picture has {smallest} bytes at half its size, expected at most {}", wish.most_bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ndarray::Array2;
    use raincell_model::Grid;

    use super::*;

    const SQUARE: PictureWish = PictureWish { kind: PictureKind::Gif, width: 720, height: 720, most_bytes: 3_000_000 };

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
        let scene = Scene {
            name: "Harbour Town".into(),
            lat_deg: 51.98,
            lon_deg: 4.13,
            radius_km: 2.0,
            zone_name: "Europe/Amsterdam".into(),
        };
        PictureOrder { past, forecast, probability: Vec::new(), credit: "Radar: demo".into(), scene }
    }

    fn hours() -> PictureOrder {
        order(thin_out(fields((-60..=0).step_by(5))), fields((5..=60).step_by(5)))
    }

    fn frames_of(bytes: &[u8]) -> usize {
        let mut decoder = gif::DecodeOptions::new().read_info(bytes).unwrap();
        let mut frames = 0;
        while decoder.read_next_frame().unwrap().is_some() {
            frames += 1;
        }
        frames
    }

    #[test]
    fn a_picture_goes_from_the_past_hour_into_the_next_one_in_less_than_three_megabytes() {
        let picture = draw(&hours(), SQUARE).unwrap();
        assert!(picture.bytes.len() < 3_000_000, "{} bytes", picture.bytes.len());
        assert_eq!(frames_of(&picture.bytes), 25);
    }

    #[test]
    fn each_target_gets_the_kind_and_size_that_it_takes() {
        let still =
            draw(&hours(), PictureWish { kind: PictureKind::Png, width: 1080, height: 1080, most_bytes: 1_000_000 });
        let still = still.unwrap();
        let header = png::Decoder::new(std::io::Cursor::new(&still.bytes)).read_info().unwrap();
        assert_eq!((header.info().width, header.info().height), (still.width, still.height));
        assert!(still.bytes.len() <= 1_000_000 && still.media_type == "image/png");
        // X: at most 1280 x 1080, 5 MB, 300 million pixels in all.
        let wide = PictureWish { kind: PictureKind::Gif, width: 1080, height: 1080, most_bytes: 5_000_000 };
        let picture = draw(&hours(), wide).unwrap();
        assert!(picture.bytes.len() <= 5_000_000 && picture.width <= 1280 && picture.height <= 1080);
        assert!(frames_of(&picture.bytes) * 1080 * 1080 < 300_000_000);
        // Bluesky: a video of at most 5 MB, here no larger than the GIF is allowed to be.
        let video = draw(&hours(), PictureWish { kind: PictureKind::Mp4, ..SQUARE }).unwrap();
        assert!(video.bytes.len() < 3_000_000, "{} bytes", video.bytes.len());
        assert_eq!((&video.bytes[4..8], video.media_type), (&b"ftyp"[..], "video/mp4"));
    }

    #[test]
    fn a_picture_with_too_many_bytes_is_made_smaller_and_given_up_when_that_does_not_help() {
        let full = draw(&hours(), SQUARE).unwrap();
        let tight = PictureWish { most_bytes: full.bytes.len() - 1, ..SQUARE };
        let smaller = draw(&hours(), tight).unwrap();
        assert!(smaller.width < 720 && smaller.bytes.len() < full.bytes.len());
        let error = draw(&hours(), PictureWish { most_bytes: 1000, ..SQUARE }).unwrap_err().to_string();
        assert!(error.contains("at most 1000"), "{error}");
    }

    #[test]
    fn no_frames_make_no_picture() {
        assert!(draw(&order(Vec::new(), Vec::new()), SQUARE).is_err());
    }

    #[test]
    fn frames_are_thinned_out_evenly_and_the_newest_stays() {
        assert_eq!(thin_out((0..13).collect::<Vec<_>>()).len(), 13);
        assert_eq!(thin_out((0..61).collect::<Vec<_>>()), [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60]);
        assert_eq!(thin_out((0..14).collect::<Vec<_>>()), [1, 3, 5, 7, 9, 11, 13]);
        assert!(thin_out(Vec::<u8>::new()).is_empty());
    }
}
