//! Polar radar data: a volume of sweeps of moments.

use jiff::Timestamp;
use ndarray::Array2;

use crate::Sample;

/// Where a radar stands and what it is called.
#[derive(Clone, Debug, PartialEq)]
pub struct RadarSite {
    /// Short identifier: ICAO for NEXRAD (`KLOT`), `NOD` or `RAD`/`WMO` code for ODIM (`behel`).
    pub id: String,
    /// Place name where the file gives one.
    pub name: Option<String>,
    /// Latitude of the antenna, degrees north.
    pub lat_deg: f64,
    /// Longitude of the antenna, degrees east.
    pub lon_deg: f64,
    /// Height of the antenna above mean sea level, metres.
    pub height_m: f64,
}

/// What a moment measures, by its ODIM_H5 name (OPERA data information model 2.4, table 16).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// Horizontal reflectivity, clutter-corrected, dBZ.
    Dbzh,
    /// Total (uncorrected) horizontal reflectivity, dBZ.
    Th,
    /// Radial velocity, m/s, away from the radar positive.
    Vradh,
    /// Spectrum width, m/s.
    Wradh,
    /// Differential reflectivity, dB.
    Zdr,
    /// Co-polar correlation coefficient, 0–1.
    Rhohv,
    /// Differential phase, degrees.
    Phidp,
    /// Specific differential phase, degrees/km.
    Kdp,
    /// Anything else, by the name in its file.
    Other(String),
}

impl Quantity {
    /// The quantity of an ODIM name (`VRAD` and `WRAD` are read as their horizontal kin).
    pub fn from_odim(name: &str) -> Self {
        match name {
            "DBZH" => Self::Dbzh,
            "TH" => Self::Th,
            "VRADH" | "VRAD" => Self::Vradh,
            "WRADH" | "WRAD" => Self::Wradh,
            "ZDR" => Self::Zdr,
            "RHOHV" => Self::Rhohv,
            "PHIDP" => Self::Phidp,
            "KDP" => Self::Kdp,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The ODIM name.
    pub fn odim_name(&self) -> &str {
        match self {
            Self::Dbzh => "DBZH",
            Self::Th => "TH",
            Self::Vradh => "VRADH",
            Self::Wradh => "WRADH",
            Self::Zdr => "ZDR",
            Self::Rhohv => "RHOHV",
            Self::Phidp => "PHIDP",
            Self::Kdp => "KDP",
            Self::Other(name) => name,
        }
    }
}

/// One moment of a sweep: a value for each ray and range gate.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// What was measured.
    pub quantity: Quantity,
    /// Distance from the antenna to the *centre* of the first gate, metres.
    pub first_gate_m: f32,
    /// Distance between gate centres, metres.
    pub gate_spacing_m: f32,
    /// Shape (rays, gates); the rays in the order of [`Sweep::azimuths_deg`].
    pub data: Array2<Sample>,
}

/// One turn of the antenna at one elevation.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// Commanded elevation above the horizon, degrees.
    pub elevation_deg: f32,
    /// When its first ray was measured.
    pub start_time: Timestamp,
    /// When its last ray was measured.
    pub end_time: Timestamp,
    /// Centre of each ray, degrees clockwise from north, 0 ≤ azimuth < 360, ascending.
    pub azimuths_deg: Vec<f32>,
    /// All with as many rays as there are azimuths; each with gates of its own.
    pub moments: Vec<Moment>,
}

impl Sweep {
    /// The moment of a quantity, where the sweep has it.
    pub fn moment(&self, quantity: &Quantity) -> Option<&Moment> {
        self.moments.iter().find(|m| &m.quantity == quantity)
    }

    /// The reflectivity that rain is made from: corrected where there is one, else total.
    pub fn reflectivity(&self) -> Option<&Moment> {
        self.moment(&Quantity::Dbzh).or_else(|| self.moment(&Quantity::Th))
    }
}

/// All sweeps of one scan of one radar.
#[derive(Clone, Debug, PartialEq)]
pub struct PolarVolume {
    /// The radar.
    pub site: RadarSite,
    /// Nominal time of the scan as the data gives it.
    pub nominal_time: Timestamp,
    /// In the order in which they were scanned.
    pub sweeps: Vec<Sweep>,
}

impl PolarVolume {
    /// The sweep that rain at the ground is estimated from: of those with reflectivity the lowest; of equally low ones
    /// (within 0.1°: split cuts) the one that reaches farthest.
    pub fn lowest_sweep(&self) -> Option<&Sweep> {
        let with_echo = || self.sweeps.iter().filter_map(|s| s.reflectivity().map(|m| (s, m)));
        let lowest = with_echo().map(|(s, _)| s.elevation_deg).min_by(f32::total_cmp)?;
        with_echo()
            .filter(|(s, _)| s.elevation_deg <= lowest + 0.1)
            .max_by(|(_, a), (_, b)| reach_m(a).total_cmp(&reach_m(b)))
            .map(|(s, _)| s)
    }
}

fn reach_m(moment: &Moment) -> f32 {
    moment.first_gate_m + moment.gate_spacing_m * moment.data.ncols() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(elevation_deg: f32, gates: usize) -> Sweep {
        Sweep {
            elevation_deg,
            start_time: Timestamp::UNIX_EPOCH,
            end_time: Timestamp::UNIX_EPOCH,
            azimuths_deg: vec![0.5, 1.5],
            moments: vec![Moment {
                quantity: Quantity::Dbzh,
                first_gate_m: 125.0,
                gate_spacing_m: 250.0,
                data: Array2::from_elem((2, gates), Sample::UNDETECT),
            }],
        }
    }

    #[test]
    fn the_lowest_sweep_of_a_split_cut_is_the_one_that_reaches_farthest() {
        let site = RadarSite { id: "KLOT".into(), name: None, lat_deg: 41.6, lon_deg: -88.1, height_m: 230.0 };
        let volume = PolarVolume {
            site,
            nominal_time: Timestamp::UNIX_EPOCH,
            sweeps: vec![sweep(1.5, 2000), sweep(0.48, 1200), sweep(0.53, 1832)],
        };
        assert_eq!(volume.lowest_sweep().and_then(Sweep::reflectivity).map(|m| m.data.ncols()), Some(1832));
    }

    #[test]
    fn odim_names_come_back_as_they_went_in() {
        for name in ["DBZH", "TH", "VRADH", "WRADH", "ZDR", "RHOHV", "PHIDP", "KDP", "SQI"] {
            assert_eq!(Quantity::from_odim(name).odim_name(), name);
        }
    }
}
