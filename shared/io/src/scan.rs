//! One door for all raw formats: the bytes say what they are.

use std::panic::{AssertUnwindSafe, catch_unwind};

use raincell_model::{GridScan, PolarVolume, Quantity};

use crate::{ReadError, ReadErrorKind, mrms, nexrad, odim};

/// What a raw file holds.
#[derive(Clone, Debug, PartialEq)]
pub enum RawScan {
    /// A scan of one radar.
    Volume(PolarVolume),
    /// A gridded product.
    Grid(GridScan),
}

/// What to read of a file; the default is everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// Sweeps above this commanded elevation are left out, as early as the format allows.
    pub max_elevation_deg: Option<f32>,
    /// Only these moments of a volume.
    pub quantities: Option<Vec<Quantity>>,
}

impl ReadOptions {
    /// All that a rain rate needs: reflectivity and the moments that tell rain from the rest, up to an elevation.
    pub fn for_rain(max_elevation_deg: f32) -> Self {
        let quantities =
            [Quantity::Dbzh, Quantity::Th, Quantity::Rhohv, Quantity::Zdr, Quantity::Phidp, Quantity::Vradh];
        Self { max_elevation_deg: Some(max_elevation_deg), quantities: Some(quantities.into()) }
    }

    pub(crate) fn wants_elevation(&self, elevation_deg: f32) -> bool {
        // Commanded angles are stored in steps of 0.0055°.
        self.max_elevation_deg.is_none_or(|max| elevation_deg <= max + 0.01)
    }

    pub(crate) fn wants_quantity(&self, quantity: &Quantity) -> bool {
        self.quantities.as_ref().is_none_or(|wanted| wanted.contains(quantity))
    }
}

/// A raw format, told by the first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NEXRAD Level II, archive or a single real-time chunk, perhaps gzipped.
    NexradLevel2,
    /// HDF5, taken to be ODIM_H5.
    OdimH5,
    /// GRIB2, taken to be of MRMS, perhaps gzipped.
    MrmsGrib2,
    /// netCDF-3, as our own nowcasts are.
    NetCdf3,
}

impl Format {
    /// How people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NexradLevel2 => "NEXRAD Level II",
            Self::OdimH5 => "ODIM_H5",
            Self::MrmsGrib2 => "MRMS GRIB2",
            Self::NetCdf3 => "netCDF-3",
        }
    }
}

/// Tells the format by content; the name is for the message only.
///
/// # Errors
/// [`ReadErrorKind::Empty`] and [`ReadErrorKind::UnknownFormat`].
pub fn detect(bytes: &[u8], file_name: &str) -> Result<Format, ReadError> {
    let kind = match bytes {
        [] => ReadErrorKind::Empty,
        _ if bytes.starts_with(b"\x89HDF\r\n\x1a\n") => return Ok(Format::OdimH5),
        _ if bytes.starts_with(b"CDF\x01") || bytes.starts_with(b"CDF\x02") => return Ok(Format::NetCdf3),
        // Gzip may hold either: this one looks into it.
        _ if mrms::looks_like(bytes) => return Ok(Format::MrmsGrib2),
        _ if nexrad::looks_like(bytes) => return Ok(Format::NexradLevel2),
        _ => ReadErrorKind::UnknownFormat { found: first_bytes(bytes) },
    };
    Err(ReadError::new(file_name, kind))
}

/// Reads a raw scan of any format.
///
/// # Errors
/// A [`ReadError`] that names the file, the place and what was expected there; damaged input never panics.
pub fn read(bytes: &[u8], file_name: &str, options: &ReadOptions) -> Result<RawScan, ReadError> {
    let format = detect(bytes, file_name)?;
    let outcome = guarded(format.name(), || match format {
        Format::NexradLevel2 => nexrad::read(bytes, file_name, options).map(RawScan::Volume),
        Format::OdimH5 => odim::read(bytes, options),
        Format::MrmsGrib2 => mrms::read(bytes).map(RawScan::Grid),
        Format::NetCdf3 => Err(ReadErrorKind::WrongContent {
            expected: "a radar volume or composite",
            found: "netCDF-3, which is read as a nowcast".into(),
        }),
    });
    outcome.map_err(|kind| ReadError::new(file_name, kind))
}

/// Runs a decoder so that a panic of a third-party crate on damaged bytes becomes an error of that file. Our own checks
/// come first; this is the net below them, as those crates index and add without checking everywhere.
pub(crate) fn guarded<T>(
    decoder: &'static str,
    decode: impl FnOnce() -> Result<T, ReadErrorKind>,
) -> Result<T, ReadErrorKind> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let reason = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given").to_owned();
        Err(ReadErrorKind::Damaged { decoder, reason })
    })
}

fn first_bytes(bytes: &[u8]) -> String {
    bytes.iter().take(12).map(|b| b.escape_ascii().to_string()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_no_radar_file_is_named() {
        let error = read(b"<html>not found", "a.h5", &ReadOptions::default()).unwrap_err().to_string();
        assert!(error.starts_with("a.h5: unknown format") && error.ends_with("found bytes <html>not fo"), "{error}");
        assert_eq!(read(b"", "b", &ReadOptions::default()).unwrap_err().to_string(), "b: the file is empty");
    }

    #[test]
    fn a_panic_below_becomes_an_error() {
        let outcome: Result<(), _> = guarded("test", || panic!("index out of bounds"));
        assert!(outcome.unwrap_err().to_string().contains("index out of bounds"));
    }
}
