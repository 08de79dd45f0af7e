//! The hot memory: the last hours of frames of each source, and its newest nowcast runs.
//!
//! Readers take a [`SourceView`], which never changes; the feed puts a new one in its place. Nothing here waits.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::frames::{FrameInfo, NowcastInfo};
use raincell_model::{GeoReference, Grid, MotionField, NowcastRun, RainField};
use raincell_render::{RainTileRenderer, RenderError};

use crate::products::Products;

/// Runs kept for each source, so that the paths of a listing stay good for some minutes after a newer run came.
const RUNS_KEPT: usize = 3;

/// A frame that is kept, or one step of a run.
#[derive(Clone, Debug)]
pub struct HeldFrame {
    /// Content hash; of a step of a run, that of the run and the lead time in minutes.
    pub id: String,
    /// Who made it.
    pub source: String,
    /// What it shows.
    pub product: String,
    /// When the run was issued; `None` for an observation.
    pub issue_time: Option<Timestamp>,
    /// The encoded frame; `None` for a step of a run, which is encoded when asked for.
    pub body: Option<Bytes>,
    /// The field.
    pub field: Arc<RainField>,
    /// Where it lies on the earth.
    pub placement: Arc<Placement>,
}

impl HeldFrame {
    /// When it holds.
    pub fn valid_time(&self) -> Timestamp {
        self.field.valid_time
    }
}

/// A nowcast run that is kept.
#[derive(Debug)]
pub struct HeldRun {
    /// Content hash.
    pub hash: String,
    /// Valid time of the newest frame it knew.
    pub issue_time: Timestamp,
    /// Method and version of the engine.
    pub model_version: String,
    /// Motion it was made with.
    pub motion: MotionField,
    /// Its rain-rate fields, ascending.
    pub steps: Vec<Arc<HeldFrame>>,
    /// Its percentiles and probabilities; empty without an ensemble, and when a newer run has come.
    products: RwLock<Arc<Products>>,
}

impl HeldRun {
    /// Its percentiles and probabilities.
    pub fn products(&self) -> Arc<Products> {
        Arc::clone(&self.products.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// One of its products in place of a rain-rate step of it.
    pub fn product_frame(&self, name: &str, step: &HeldFrame) -> Option<HeldFrame> {
        let field = self.products().field(name, step.valid_time(), &step.field.grid)?;
        let (id, product) = (format!("{}-{name}", step.id), name.to_owned());
        Some(HeldFrame { id, product, field: Arc::new(field), body: None, ..step.clone() })
    }
}

/// What can be asked of a grid.
#[derive(Debug)]
pub struct Placement {
    /// Places to cells.
    pub geo: GeoReference,
    /// Draws its tiles.
    pub renderer: RainTileRenderer,
}

/// All that is kept of one source.
#[derive(Clone, Debug, Default)]
pub struct SourceView {
    /// Its name.
    pub name: String,
    /// Observed frames in ascending order of valid time.
    pub frames: Vec<Arc<HeldFrame>>,
    /// Runs in ascending order of issue time.
    pub runs: Vec<Arc<HeldRun>>,
    /// How much its rain is worth (0–1 in the place of a rain rate), as last told.
    pub quality: Option<Arc<HeldFrame>>,
}

impl SourceView {
    /// The newest frame.
    pub fn newest(&self) -> Option<&Arc<HeldFrame>> {
        self.frames.last()
    }

    /// The newest run.
    pub fn run(&self) -> Option<&Arc<HeldRun>> {
        self.runs.last()
    }

    /// The frame nearest in time, if one is within `tolerance`.
    pub fn nearest(&self, time: Timestamp, tolerance: SignedDuration) -> Option<&Arc<HeldFrame>> {
        let distance = |frame: &&Arc<HeldFrame>| frame.valid_time().duration_since(time).abs();
        self.frames.iter().min_by_key(distance).filter(|frame| distance(frame) <= tolerance)
    }

    /// How far apart frames are, seconds: the median of what is kept; `None` for fewer than two.
    pub fn interval_s(&self) -> Option<i64> {
        let apart = |pair: &[Arc<HeldFrame>]| pair[1].valid_time().duration_since(pair[0].valid_time()).as_secs();
        let mut intervals: Vec<i64> = self.frames.windows(2).map(apart).collect();
        intervals.sort_unstable();
        intervals.get(intervals.len() / 2).copied()
    }

    /// Seconds from the issue time of the newest nowcast to `now`; `None` without one.
    pub fn nowcast_age_s(&self, now: Timestamp) -> Option<i64> {
        self.run().map(|run| now.duration_since(run.issue_time).as_secs())
    }

    /// How old the newest frame is, seconds; never negative.
    pub fn age_s(&self, now: Timestamp) -> Option<i64> {
        self.newest().map(|frame| now.duration_since(frame.valid_time()).as_secs().max(0))
    }

    /// True when there is nothing, or nothing recent.
    pub fn is_stale(&self, now: Timestamp, stale_after: SignedDuration) -> bool {
        self.age_s(now).is_none_or(|age| age > stale_after.as_secs())
    }

    /// Changes whenever what is kept changes.
    pub fn version(&self) -> String {
        let newest = self.newest().map_or("-", |frame| frame.id.as_str());
        let run = self.run().map_or("-", |run| run.hash.as_str());
        let quality = self.quality.as_ref().map_or("-", |quality| quality.id.as_str());
        format!("{newest}/{run}/{quality}")
    }
}

/// The sources by name, and the placements of their grids.
#[derive(Debug)]
pub struct Memory {
    history: SignedDuration,
    sources: RwLock<BTreeMap<String, Arc<SourceView>>>,
    placements: RwLock<HashMap<u64, Arc<Placement>>>,
}

impl Memory {
    /// Keeps the last `history` before each source's newest frame.
    pub fn new(history: SignedDuration) -> Self {
        Self { history, sources: RwLock::default(), placements: RwLock::default() }
    }

    /// Everything kept, by the name of the source.
    pub fn sources(&self) -> Vec<Arc<SourceView>> {
        self.sources.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// What is kept of one source.
    pub fn source(&self, name: &str) -> Option<Arc<SourceView>> {
        self.sources.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// A frame or a step of a run by its id.
    pub fn frame(&self, id: &str) -> Option<Arc<HeldFrame>> {
        self.sources().iter().find_map(|view| {
            let steps = view.runs.iter().flat_map(|run| run.steps.iter());
            view.frames.iter().chain(steps).find(|frame| frame.id == id).cloned()
        })
    }

    /// A step of a run by its id, with its run.
    pub fn step(&self, id: &str) -> Option<(Arc<HeldRun>, Arc<HeldFrame>)> {
        self.sources().iter().find_map(|view| {
            view.runs.iter().find_map(|run| {
                let step = run.steps.iter().find(|step| step.id == id)?;
                Some((Arc::clone(run), Arc::clone(step)))
            })
        })
    }

    /// True when a frame of this content is kept already.
    pub fn has_frame(&self, info: &FrameInfo) -> bool {
        self.source(&info.source).is_some_and(|view| view.frames.iter().any(|frame| frame.id == info.hash))
    }

    /// True when this quality is kept already, or a newer one.
    pub fn has_quality(&self, info: &FrameInfo) -> bool {
        self.source(&info.source)
            .and_then(|view| view.quality.clone())
            .is_some_and(|quality| quality.id == info.hash || quality.valid_time() > info.valid_time)
    }

    /// True when this run is kept already, or a newer one.
    pub fn has_run(&self, info: &NowcastInfo) -> bool {
        self.source(&info.source).is_some_and(|view| {
            view.runs.iter().any(|run| run.hash == info.hash)
                || view.run().is_some_and(|run| run.issue_time > info.issue_time)
        })
    }

    /// Adds a frame. One of the same instant is replaced; what is older than the history goes.
    ///
    /// # Errors
    /// When the projection of its grid is not understood.
    pub fn add_frame(&self, info: &FrameInfo, body: Bytes, field: RainField) -> Result<(), RenderError> {
        let frame = Arc::new(self.held(info, body, field)?);
        self.change(&info.source, |view| {
            view.frames.retain(|kept| kept.valid_time() != frame.valid_time());
            view.frames.push(frame);
            view.frames.sort_by_key(|kept| kept.valid_time());
            if let Some(newest) = view.newest().map(|frame| frame.valid_time()) {
                view.frames.retain(|kept| newest.duration_since(kept.valid_time()) <= self.history);
            }
        });
        Ok(())
    }

    /// Puts a newer quality in the place of the last one.
    ///
    /// # Errors
    /// When the projection of its grid is not understood.
    pub fn add_quality(&self, info: &FrameInfo, body: Bytes, field: RainField) -> Result<(), RenderError> {
        let quality = Arc::new(self.held(info, body, field)?);
        self.change(&info.source, |view| view.quality = Some(quality));
        Ok(())
    }

    fn held(&self, info: &FrameInfo, body: Bytes, field: RainField) -> Result<HeldFrame, RenderError> {
        let placement = self.placement(&field.grid)?;
        Ok(HeldFrame {
            id: info.hash.clone(),
            source: info.source.clone(),
            product: info.product.clone(),
            issue_time: None,
            body: Some(body),
            field: Arc::new(field),
            placement,
        })
    }

    /// Adds a run.
    ///
    /// # Errors
    /// When the projection of its grid is not understood.
    pub fn add_run(&self, info: &NowcastInfo, run: NowcastRun, products: Products) -> Result<(), RenderError> {
        let placement = self.placement(&run.motion.grid)?;
        let NowcastRun { source, issue_time, method, model_version, motion, fields, .. } = run;
        let step = |field: RainField| {
            let lead_min = (field.valid_time.duration_since(issue_time).as_secs() + 30).div_euclid(60);
            Arc::new(HeldFrame {
                id: format!("{}-{lead_min:03}", info.hash),
                source: source.clone(),
                product: "rate".into(),
                issue_time: Some(issue_time),
                body: None,
                field: Arc::new(field),
                placement: Arc::clone(&placement),
            })
        };
        let steps = fields.into_iter().map(step).collect();
        let model_version = format!("{method} {model_version}");
        let (hash, products) = (info.hash.clone(), RwLock::new(Arc::new(products)));
        let held = Arc::new(HeldRun { hash, issue_time, model_version, motion, steps, products });
        self.change(&source, |view| {
            view.runs.retain(|kept| kept.hash != held.hash);
            view.runs.push(held);
            view.runs.sort_by_key(|kept| kept.issue_time);
            let surplus = view.runs.len().saturating_sub(RUNS_KEPT);
            view.runs.drain(..surplus);
            // They take as much room as all else: only the newest run keeps them.
            if let Some((_, older)) = view.runs.split_last() {
                for run in older {
                    *run.products.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
                }
            }
        });
        Ok(())
    }

    fn change(&self, source: &str, change: impl FnOnce(&mut SourceView)) {
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        let mut view = sources.get(source).map_or_else(SourceView::default, |view| SourceView::clone(view));
        source.clone_into(&mut view.name);
        change(&mut view);
        sources.insert(view.name.clone(), Arc::new(view));
    }

    fn placement(&self, grid: &Grid) -> Result<Arc<Placement>, RenderError> {
        let key = grid.fingerprint();
        if let Some(known) = self.placements.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(Placement { geo: grid.georeference()?, renderer: RainTileRenderer::new(grid)? });
        self.placements.write().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&made));
        Ok(made)
    }
}
