//! Volumes as files, named as the files of real radars are.

use raincell_model::{PolarVolume, RadarSite};
use thiserror::Error;

use crate::nexrad;

/// Why a volume cannot be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The ODIM_H5 writer refused.
    #[error("the volume cannot be written as ODIM_H5")]
    Odim(#[from] raincell_io::WriteError),
    /// NEXRAD Level II names a radar by four characters.
    #[error("a radar is named by four ASCII letters or digits in NEXRAD Level II, not `{found}`")]
    Icao {
        /// The name given.
        found: String,
    },
    /// More than a field of the format can hold, or nothing at all.
    #[error("{what} is {found}, and NEXRAD Level II can hold {least} to {most}")]
    OutOfRange {
        /// What it is, and of which sweep.
        what: String,
        /// What was found.
        found: f64,
        /// The least that fits.
        least: f64,
        /// The most that fits.
        most: f64,
    },
    /// A moment has not as many rays as its sweep.
    #[error("sweep {sweep}: {quantity} has {found} rays, the sweep {expected}")]
    Rays {
        /// Number of the sweep from 0.
        sweep: usize,
        /// ODIM name of the moment.
        quantity: String,
        /// Rays of the moment.
        found: usize,
        /// Azimuths of the sweep.
        expected: usize,
    },
    /// The compressor failed.
    #[error("a record cannot be compressed")]
    Compression(#[from] std::io::Error),
}

/// A volume as an ODIM_H5 polar volume: (`<site>_<YYYYMMDD>T<HHMMSS>_PVOL.h5`, content).
///
/// # Errors
/// [`WriteError::Odim`].
pub fn odim_file(volume: &PolarVolume) -> Result<(String, Vec<u8>), WriteError> {
    let name = format!("{}_{}_PVOL.h5", volume.site.id, volume.nominal_time.strftime("%Y%m%dT%H%M%S"));
    Ok((name, raincell_io::odim::write_volume(volume)?))
}

/// A volume as a NEXRAD Level II archive file: (`<ICAO><YYYYMMDD>_<HHMMSS>_V06`, content).
///
/// # Errors
/// As [`nexrad::write_nexrad`].
pub fn nexrad_file(volume: &PolarVolume) -> Result<(String, Vec<u8>), WriteError> {
    let icao = icao_of(&volume.site);
    let name = format!("{icao}{}_V06", volume.nominal_time.strftime("%Y%m%d_%H%M%S"));
    Ok((name, nexrad::write_nexrad(volume, &icao)?))
}

/// The four letters that name a radar in NEXRAD files: its identifier where it has four, else `X` and the last three
/// (`nlsim` → `XSIM`), a prefix that no country has.
pub fn icao_of(site: &RadarSite) -> String {
    let letters: Vec<char> = site.id.chars().filter(char::is_ascii_alphanumeric).collect();
    let name: String = match letters.as_slice() {
        four @ [_, _, _, _] => four.iter().collect(),
        many => std::iter::once('X').chain(many.iter().skip(many.len().saturating_sub(3)).copied()).collect(),
    };
    format!("{name:X<4}").to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identifier_gets_four_letters() {
        let icao =
            |id: &str| icao_of(&RadarSite { id: id.into(), name: None, lat_deg: 0.0, lon_deg: 0.0, height_m: 0.0 });
        assert_eq!(icao("KLOT"), "KLOT");
        assert_eq!(icao("nlsim"), "XSIM");
        assert_eq!(icao("a"), "XAXX");
        assert_eq!(icao(""), "XXXX");
    }
}
