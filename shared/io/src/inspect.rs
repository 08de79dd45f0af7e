//! What is in a raw file, for people.

use std::fmt::{self, Display, Formatter};
use std::io::{Read, Seek};

use jiff::Timestamp;
use raincell_model::{GridQuantity, GridScan, PolarVolume, RadarSite, Sample, SampleKind};
use serde_json::{Value, json};

use crate::{Format, RawScan, ReadError, ReadErrorKind, ReadOptions, detect, netcdf, read};

/// Bytes that tell a netCDF file.
const NETCDF_MAGIC_BYTES: u64 = 4;

/// What a raw file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The format.
    pub format: Format,
    /// What is in it.
    pub content: Content,
}

/// The two kinds of content.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A scan of one radar.
    Volume {
        /// The radar.
        site: RadarSite,
        /// Nominal time.
        nominal_time: Timestamp,
        /// In the order of scanning.
        sweeps: Vec<SweepReport>,
    },
    /// One or more gridded fields (a nowcast has one a lead time).
    Grid {
        /// Who made it.
        source: String,
        /// Valid times.
        valid_times: Vec<Timestamp>,
        /// `rain rate, mm/h` or alike.
        quantity: &'static str,
        /// (rows, columns).
        shape: (usize, usize),
        /// Size of a cell, km.
        cell_km: f64,
        /// PROJ definition.
        projection: String,
        /// Its values, all fields together.
        values: Values,
    },
}

/// One sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepReport {
    /// Commanded elevation, degrees.
    pub elevation_deg: f32,
    /// First ray.
    pub start_time: Timestamp,
    /// Number of rays.
    pub rays: usize,
    /// Its moments.
    pub moments: Vec<MomentReport>,
}

/// One moment.
#[derive(Clone, Debug, PartialEq)]
pub struct MomentReport {
    /// ODIM name.
    pub quantity: String,
    /// Range gates of a ray.
    pub gates: usize,
    /// Distance between them, metres.
    pub gate_spacing_m: f32,
    /// Its values.
    pub values: Values,
}

/// Counts and range of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Values {
    /// All samples.
    pub total: usize,
    /// Not observed.
    pub nodata: usize,
    /// Observed without echo.
    pub undetect: usize,
    /// Lowest and highest value; `None` without a value.
    pub range: Option<(f32, f32)>,
}

impl Values {
    fn of(samples: impl Iterator<Item = Sample>) -> Self {
        let mut values = Self::default();
        values.add(samples);
        values
    }

    fn add(&mut self, samples: impl Iterator<Item = Sample>) {
        for sample in samples {
            self.total += 1;
            match sample.kind() {
                SampleKind::NoData => self.nodata += 1,
                SampleKind::Undetect => self.undetect += 1,
                SampleKind::Value(v) => {
                    let (low, high) = self.range.unwrap_or((v, v));
                    self.range = Some((low.min(v), high.max(v)));
                }
            }
        }
    }

    fn to_json(self) -> Value {
        json!({
            "total": self.total,
            "nodata": self.nodata,
            "undetect": self.undetect,
            "lowest": self.range.map(|(low, _)| low),
            "highest": self.range.map(|(_, high)| high),
        })
    }

    /// Samples with a value.
    pub fn measured(&self) -> usize {
        self.total - self.nodata - self.undetect
    }
}

/// Says what is in a raw file or a nowcast. Of nowcasts, which may be larger than memory, a field at a time is read.
///
/// # Errors
/// What is wrong with the file, as [`read`] would say it.
pub fn inspect(mut from: impl Read + Seek, file_name: &str) -> Result<Report, ReadError> {
    let unreadable = |e: std::io::Error| {
        let (what, reason) = ("the file".to_owned(), e.to_string());
        ReadError::new(file_name, ReadErrorKind::Unreadable { what, reason })
    };
    let mut bytes = Vec::new();
    from.by_ref().take(NETCDF_MAGIC_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    if matches!(detect(&bytes, file_name), Ok(Format::NetCdf3)) {
        let content = nowcast_content(netcdf::NowcastReader::new(from, file_name)?)?;
        return Ok(Report { format: Format::NetCdf3, content });
    }
    from.read_to_end(&mut bytes).map_err(unreadable)?;
    let content = match read(&bytes, file_name, &ReadOptions::default())? {
        RawScan::Volume(volume) => volume_content(volume),
        RawScan::Grid(grid) => grid_content(&grid),
    };
    Ok(Report { format: detect(&bytes, file_name)?, content })
}

fn volume_content(volume: PolarVolume) -> Content {
    let sweeps = volume.sweeps.iter().map(|sweep| SweepReport {
        elevation_deg: sweep.elevation_deg,
        start_time: sweep.start_time,
        rays: sweep.azimuths_deg.len(),
        moments: sweep
            .moments
            .iter()
            .map(|moment| MomentReport {
                quantity: moment.quantity.odim_name().to_owned(),
                gates: moment.data.ncols(),
                gate_spacing_m: moment.gate_spacing_m,
                values: Values::of(moment.data.iter().copied()),
            })
            .collect(),
    });
    let sweeps = sweeps.collect();
    Content::Volume { site: volume.site, nominal_time: volume.nominal_time, sweeps }
}

fn grid_content(scan: &GridScan) -> Content {
    Content::Grid {
        source: scan.source.clone(),
        valid_times: vec![scan.valid_time],
        quantity: match scan.quantity {
            GridQuantity::RainRate => "rain rate, mm/h",
            GridQuantity::Accumulation => "accumulated rain, mm",
            GridQuantity::Reflectivity => "reflectivity, dBZ",
        },
        shape: scan.grid.shape(),
        cell_km: scan.grid.cell_km(),
        projection: scan.grid.projection.clone(),
        values: Values::of(scan.data.iter().copied()),
    }
}

fn nowcast_content(mut nowcast: netcdf::NowcastReader<impl Read + Seek>) -> Result<Content, ReadError> {
    let outline = nowcast.outline().clone();
    let sample = |rate: &f32| if *rate == 0.0 { Sample::UNDETECT } else { Sample::value(*rate) };
    let mut values = Values::default();
    for step in 0..outline.valid_times.len() {
        values.add(nowcast.rain_rate(step)?.rate_mm_h.iter().map(sample));
    }
    Ok(Content::Grid {
        source: outline.source,
        valid_times: outline.valid_times,
        quantity: "rain rate, mm/h",
        shape: outline.grid.shape(),
        cell_km: outline.grid.cell_km(),
        projection: outline.grid.projection.clone(),
        values,
    })
}

impl Report {
    /// The same as JSON, for scripts.
    pub fn to_json(&self) -> String {
        let mut report = match &self.content {
            Content::Volume { site, nominal_time, sweeps } => json!({
                "radar": { "id": site.id, "name": site.name, "lat": site.lat_deg, "lon": site.lon_deg, "height_m": site.height_m },
                "nominal_time": nominal_time.to_string(),
                "sweeps": sweeps.iter().map(SweepReport::to_json).collect::<Vec<_>>(),
            }),
            Content::Grid { source, valid_times, quantity, shape, cell_km, projection, values } => json!({
                "source": source,
                "valid_times": valid_times.iter().map(Timestamp::to_string).collect::<Vec<_>>(),
                "quantity": quantity,
                "rows": shape.0,
                "columns": shape.1,
                "cell_km": cell_km,
                "projection": projection,
                "values": values.to_json(),
            }),
        };
        report["format"] = self.format.name().into();
        report.to_string()
    }
}

impl SweepReport {
    fn to_json(&self) -> Value {
        let moments = self.moments.iter().map(|moment| {
            json!({
                "quantity": moment.quantity,
                "gates": moment.gates,
                "gate_spacing_m": moment.gate_spacing_m,
                "values": moment.values.to_json(),
            })
        });
        json!({
            "elevation_deg": self.elevation_deg,
            "start_time": self.start_time.to_string(),
            "rays": self.rays,
            "moments": moments.collect::<Vec<_>>(),
        })
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Volume { site, nominal_time, sweeps } => {
                let name = site.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
                writeln!(f, "{}: radar {}{name} at {nominal_time}", self.format.name(), site.id)?;
                writeln!(f, "{:.4}°, {:.4}°, {} m", site.lat_deg, site.lon_deg, site.height_m)?;
                for (number, sweep) in sweeps.iter().enumerate() {
                    let (number, start) = (number + 1, sweep.start_time.strftime("%H:%M:%S"));
                    writeln!(f, "sweep {number}: {:.2}°, {} rays, {start}", sweep.elevation_deg, sweep.rays)?;
                    for moment in &sweep.moments {
                        let (name, gates, spacing) = (&moment.quantity, moment.gates, moment.gate_spacing_m);
                        writeln!(f, "  {name:<10} {gates:>5} gates of {spacing} m  {}", moment.values)?;
                    }
                }
                Ok(())
            }
            Content::Grid { source, valid_times, quantity, shape, cell_km, projection, values } => {
                let times = match valid_times.as_slice() {
                    [only] => only.to_string(),
                    [first, .., last] => format!("{} times from {first} to {last}", valid_times.len()),
                    [] => "no time".to_owned(),
                };
                writeln!(f, "{}: {quantity} by {source}, {times}", self.format.name())?;
                writeln!(f, "{} rows × {} columns of {cell_km:.3} km, {projection}", shape.0, shape.1)?;
                writeln!(f, "{values}")
            }
        }
    }
}

impl Display for Values {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let share = |count: usize| 100.0 * count as f64 / self.total.max(1) as f64;
        match self.range {
            Some((low, high)) => write!(f, "{} values from {low:.2} to {high:.2}", self.measured())?,
            None => write!(f, "no value")?,
        }
        write!(f, ", {:.1} % without echo, {:.1} % no data", share(self.undetect), share(self.nodata))
    }
}
