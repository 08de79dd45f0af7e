//! Synthetic weather: a band of rain that moves east by a kilometre a minute over the watched place.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_frame::Frame;
use raincell_model::{Grid, MotionField, NowcastRun, RainField};

pub const SOURCE: &str = "synthetic";
pub const LAT: f64 = 52.0;
pub const LON: f64 = 4.3;

/// Rain at the place from one minute to another.
#[derive(Clone, Debug)]
pub struct Weather {
    grid: Arc<Grid>,
    /// Minute zero.
    pub start: Timestamp,
    pub from_min: i64,
    pub to_min: i64,
    pub rate_mm_h: f32,
}

impl Weather {
    pub fn band(start: Timestamp, from_min: i64, to_min: i64, rate_mm_h: f32) -> Self {
        let grid = Arc::new(Grid::around_radar(LAT, LON, 90.0, 2.0));
        Self { grid, start, from_min, to_min, rate_mm_h }
    }

    pub fn time(&self, minute: i64) -> Timestamp {
        self.start + SignedDuration::from_mins(minute)
    }

    fn field(&self, minute: i64) -> RainField {
        let middle = self.grid.width as f64 / 2.0;
        let rate = |column: usize| {
            let east_km = (column as f64 + 0.5 - middle) * self.grid.cell_km();
            let passes = minute as f64 - east_km;
            let wet = passes >= self.from_min as f64 && passes < self.to_min as f64;
            if wet { self.rate_mm_h } else { 0.0 }
        };
        RainField {
            grid: Arc::clone(&self.grid),
            valid_time: self.time(minute),
            rate_mm_h: Array2::from_shape_fn(self.grid.shape(), |(_, column)| rate(column)),
        }
    }

    pub fn frame(&self, minute: i64) -> Frame {
        Frame { source: SOURCE.into(), product: "rate".into(), field: self.field(minute) }
    }

    /// A nowcast of the minute that knows the weather.
    pub fn run(&self, minute: i64) -> NowcastRun {
        NowcastRun {
            source: SOURCE.into(),
            issue_time: self.time(minute),
            method: "truth".into(),
            model_version: "test".into(),
            based_on: String::new(),
            motion: MotionField::at_rest(Arc::clone(&self.grid)),
            fields: (1..=24).map(|step| self.field(minute + 5 * step)).collect(),
        }
    }
}
