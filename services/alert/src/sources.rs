//! What the newest frame and nowcast of each source say of the watched places.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use raincell_api_types::frames::{SourceInfo, SourceTraits};
use raincell_model::{Grid, GridError, MotionField, RainField};
use raincell_store_client::{ClientError, StoreClient};
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use crate::likely::LikelyRun;
use crate::machine::{Outlook, PlaceRain};
use crate::observe::PlaceCells;
use crate::places::Place;

/// The product that places are judged by.
pub(crate) const PRODUCT: &str = "rate";
/// A source that is so much behind the newest one is not looked at.
const BEHIND: SignedDuration = SignedDuration::from_mins(20);

/// The newest data of each source, boiled down to the places.
pub(crate) struct Sources {
    client: StoreClient,
    /// The only source to look at; `None` for all.
    wanted: Option<String>,
    places: Arc<Vec<Place>>,
    views: BTreeMap<String, View>,
    /// Newest frames and motions are kept whole.
    keep_fields: bool,
}

/// One source as the places see it; the vectors have one entry a place, `None` where it lies on no grid.
struct View {
    frame_hash: String,
    traits: SourceTraits,
    valid_time: Timestamp,
    observed: Cells,
    rain: Vec<Option<PlaceRain>>,
    run_hash: String,
    expected: Cells,
    outlooks: Vec<Option<Outlook>>,
    field: Option<RainField>,
    motion: Option<MotionField>,
}

/// The cells of all places on one grid.
#[derive(Default)]
struct Cells(Vec<Option<PlaceCells>>);

impl Sources {
    pub fn new(client: StoreClient, wanted: &str, places: Arc<Vec<Place>>, keep_fields: bool) -> Self {
        let wanted = (!wanted.is_empty()).then(|| wanted.to_owned());
        Self { client, wanted, places, views: BTreeMap::new(), keep_fields }
    }

    /// Fetches what is new.
    pub async fn refresh(&mut self) -> Result<(), ClientError> {
        let current = current_sources(&self.client, self.wanted.as_deref()).await?;
        self.views.retain(|source, _| current.iter().any(|c| c == source));
        for source in current {
            let view = self.views.remove(&source).unwrap_or_else(View::nothing);
            let view = self.refresh_one(&source, view).await?;
            self.views.insert(source, view);
        }
        Ok(())
    }

    async fn refresh_one(&self, source: &str, mut view: View) -> Result<View, ClientError> {
        let frames = self.client.latest_frames(source, PRODUCT, 1).await?;
        if let Some(info) =
            frames.last().filter(|info| info.hash != view.frame_hash || info.valid_time != view.valid_time)
        {
            let span = info_span!("read frame", trace_id = info.hash, source);
            let frame = self.client.frame(info).instrument(span.clone()).await?;
            span.in_scope(|| view.see_frame(&frame.field, &self.places));
            view.field = Some(frame.field).filter(|_| self.keep_fields);
            let traits = self.client.checkpoint(&SourceTraits::checkpoint(source)).await?;
            view.traits = traits.map_or_else(SourceTraits::default, |kept| SourceTraits::of_json(&kept.value));
            view.frame_hash.clone_from(&info.hash);
        }
        let runs = self.client.list_runs(source, 1).await?;
        if let Some(info) = runs.last().filter(|info| info.hash != view.run_hash) {
            let span = info_span!("read nowcast", trace_id = Empty, source);
            let bytes = match self.client.run_bytes(info).instrument(span.clone()).await {
                // It has expired or was replaced since it was listed: the next look finds the one in its place.
                Err(ClientError::NotFound { .. }) => return Ok(view),
                bytes => bytes?,
            };
            let decoded = tokio::task::spawn_blocking(move || LikelyRun::decode(&bytes)).await;
            let decoded = decoded
                .map_err(|error| ClientError::Answer { operation: "decode a nowcast", reason: error.to_string() })?;
            let what = || format!("the nowcast of {source} of {}", info.issue_time);
            let likely = decoded.map_err(|source| ClientError::Decode { what: what(), source })?;
            span.record("trace_id", &likely.run.based_on);
            view.see_run(&likely, &self.places);
            view.motion = Some(likely.run.motion).filter(|_| self.keep_fields);
            view.run_hash.clone_from(&info.hash);
        }
        Ok(view)
    }

    /// The first source that has a place on its grid, with what it says.
    pub fn of_place(&self, index: usize) -> Option<(&str, &PlaceRain, Option<&Outlook>)> {
        self.views.iter().find_map(|(source, view)| {
            let rain = view.rain.get(index)?.as_ref()?;
            Some((source.as_str(), rain, view.outlooks.get(index).and_then(Option::as_ref)))
        })
    }

    /// Content hash of the newest frame of a source.
    pub fn frame_hash(&self, source: &str) -> &str {
        self.views.get(source).map_or("", |view| &view.frame_hash)
    }

    /// What is known of how the rates of a source are made.
    pub fn traits(&self, source: &str) -> SourceTraits {
        self.views.get(source).map_or_else(SourceTraits::default, |view| view.traits)
    }

    /// The newest frame of the first source with its motion, where frames are kept.
    pub fn newest_field(&self) -> Option<(&str, &RainField, Option<&MotionField>)> {
        self.views.iter().find_map(|(source, view)| Some((source.as_str(), view.field.as_ref()?, view.motion.as_ref())))
    }

    /// Valid time of the newest frame of all sources.
    pub fn newest(&self) -> Option<Timestamp> {
        self.views.values().filter(|view| !view.frame_hash.is_empty()).map(|view| view.valid_time).max()
    }
}

/// The sources with rain rates that are up to date, in order of their names.
pub(crate) async fn current_sources(client: &StoreClient, wanted: Option<&str>) -> Result<Vec<String>, ClientError> {
    let mut sources: Vec<SourceInfo> = client.sources().await?;
    sources.retain(|s| s.product == PRODUCT && wanted.is_none_or(|wanted| s.source == wanted));
    let newest = sources.iter().map(|s| s.newest_valid_time).max();
    sources.retain(|s| newest.is_some_and(|newest| newest.duration_since(s.newest_valid_time) <= BEHIND));
    let mut names: Vec<String> = sources.into_iter().map(|s| s.source).collect();
    names.sort();
    Ok(names)
}

impl View {
    fn nothing() -> Self {
        Self {
            frame_hash: String::new(),
            traits: SourceTraits::default(),
            valid_time: Timestamp::MIN,
            observed: Cells::default(),
            rain: Vec::new(),
            run_hash: String::new(),
            expected: Cells::default(),
            outlooks: Vec::new(),
            field: None,
            motion: None,
        }
    }

    fn see_frame(&mut self, field: &RainField, places: &[Place]) {
        self.valid_time = field.valid_time;
        self.observed.fit(&field.grid, places);
        self.rain = self.observed.each(|cells| cells.rain(field));
        for (place, cells) in places.iter().zip(&self.observed.0) {
            if let Some(reading) = cells.as_ref().map(|cells| cells.read(field)) {
                tracing::debug!(place = place.id, time = %field.valid_time, ?reading, "observed");
            }
        }
    }

    fn see_run(&mut self, likely: &LikelyRun, places: &[Place]) {
        let Some(first) = likely.run.fields.first() else {
            self.outlooks = Vec::new();
            return;
        };
        self.expected.fit(&first.grid, places);
        let outlook = |(place, cells): (&Place, &Option<PlaceCells>)| {
            let probabilities = likely.probabilities_of(place.rules.threshold_mm_h);
            cells.as_ref().map(|cells| cells.outlook(&likely.run, probabilities))
        };
        self.outlooks = places.iter().zip(&self.expected.0).map(outlook).collect();
    }
}

impl Cells {
    /// Finds the cells on a grid, unless they are those of this grid already.
    fn fit(&mut self, grid: &Grid, places: &[Place]) {
        let known = !self.0.is_empty() && self.0.iter().flatten().all(|cells| cells.belong_to(grid));
        if known && self.0.iter().any(Option::is_some) {
            return;
        }
        let find = |place: &Place| -> Result<Option<PlaceCells>, GridError> { PlaceCells::of(grid, &place.area) };
        self.0 = places
            .iter()
            .map(|place| {
                find(place).unwrap_or_else(|error| {
                    tracing::warn!(place = place.id, %error, "a grid cannot be used");
                    None
                })
            })
            .collect();
    }

    fn each<T>(&self, value: impl Fn(&PlaceCells) -> T) -> Vec<Option<T>> {
        self.0.iter().map(|cells| cells.as_ref().map(&value)).collect()
    }
}
