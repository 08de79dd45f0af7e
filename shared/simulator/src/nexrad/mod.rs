//! Volumes as NEXRAD Level II: the archive file and the chunks of the real-time feed.
//!
//! Layout after the interface control documents 2620010 (Archive II/User: volume header, compressed records) and
//! 2620002 (RDA/RPG: messages). A file is a volume header of 24 bytes and then records: a size and a bzip2 stream each.
//! The first record holds the metadata, the others 120 radials each.

mod metadata;
mod radial;

use std::io::Write;

use bzip2::Compression;
use bzip2::write::BzEncoder;
use jiff::Timestamp;
use raincell_model::PolarVolume;
use rayon::prelude::*;

use crate::files::WriteError;
use radial::Place;

/// Radials of one record, as the real files have it; readers rely on it.
const RADIALS_PER_RECORD: usize = 120;
/// Version 6: super-resolution, dual polarisation. The number of the volume in its series is that of its first.
const TAPE_NAME: &[u8; 12] = b"AR2V0006.001";
/// Messages begin with 12 bytes that once belonged to the transport and are zero today.
const TRANSPORT_BYTES: usize = 12;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Elevation numbers are one byte and begin at 1.
const MOST_SWEEPS: usize = 255;

/// A volume as a NEXRAD Level II archive file. `icao` names the radar.
///
/// DBZH (or TH where there is none), VRADH, WRADH, ZDR, PHIDP and RHOHV become REF, VEL, SW, ZDR, PHI and RHO; other
/// moments have no place in the format and are left out. Undetect becomes code 0 (below threshold), nodata code 1.
///
/// # Errors
/// [`WriteError`] when `icao` is not four ASCII letters or digits, when something is larger than its field in the
/// format, or when a moment does not fit its sweep.
pub fn write_nexrad(volume: &PolarVolume, icao: &str) -> Result<Vec<u8>, WriteError> {
    let (header, records) = header_and_records(volume, icao)?;
    Ok(std::iter::once(header.to_vec()).chain(records).flatten().collect())
}

/// The same as the chunks of the real-time feed, each with its name (`<YYYYMMDD>-<HHMMSS>-<NNN>-<S|I|E>`): a start with
/// header and metadata, then 120 radials each, the last one marked as the end. Put together they are the archive file.
///
/// # Errors
/// As [`write_nexrad`].
pub fn nexrad_chunks(volume: &PolarVolume, icao: &str) -> Result<Vec<(String, Vec<u8>)>, WriteError> {
    let (header, records) = header_and_records(volume, icao)?;
    let time = volume.nominal_time.strftime("%Y%m%d-%H%M%S").to_string();
    let last = records.len() - 1;
    let chunk = |(number, record): (usize, Vec<u8>)| {
        let (kind, content) = match number {
            0 => ('S', [header.as_slice(), &record].concat()),
            _ if number == last => ('E', record),
            _ => ('I', record),
        };
        (format!("{time}-{:03}-{kind}", number + 1), content)
    };
    Ok(records.into_iter().enumerate().map(chunk).collect())
}

fn header_and_records(volume: &PolarVolume, icao: &str) -> Result<([u8; 24], Vec<Vec<u8>>), WriteError> {
    let icao: [u8; 4] = icao
        .bytes()
        .all(|b| b.is_ascii_alphanumeric())
        .then(|| icao.as_bytes().try_into().ok())
        .flatten()
        .ok_or_else(|| WriteError::Icao { found: icao.to_owned() })?;
    within("number of sweeps", volume.sweeps.len() as f64, 1.0, MOST_SWEEPS as f64)?;
    let place = Place {
        icao,
        lat_deg: volume.site.lat_deg as f32,
        lon_deg: volume.site.lon_deg as f32,
        height_m: within("height of the antenna in m", volume.site.height_m.round(), -32_768.0, 32_767.0)? as i16,
    };
    let radials = radial::radials(volume, place)?;
    let metadata = metadata::record(volume)?;
    let mut records = std::iter::once(metadata)
        .chain(radials.chunks(RADIALS_PER_RECORD).map(<[Vec<u8>]>::concat))
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|messages| compressed(&messages))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(last) = records.last_mut() {
        // A negative size says that no record follows.
        let size = (last.len() - 4) as i32;
        last[..4].copy_from_slice(&(-size).to_be_bytes());
    }
    Ok((volume_header(volume.nominal_time, icao)?, records))
}

fn volume_header(time: Timestamp, icao: [u8; 4]) -> Result<[u8; 24], WriteError> {
    let (day, millisecond) = day_and_millisecond(time)?;
    let mut header = [0; 24];
    header[..12].copy_from_slice(TAPE_NAME);
    header[12..16].copy_from_slice(&u32::from(day).to_be_bytes());
    header[16..20].copy_from_slice(&millisecond.to_be_bytes());
    header[20..].copy_from_slice(&icao);
    Ok(header)
}

/// Day (1 is the first of January 1970) and millisecond of the day.
fn day_and_millisecond(time: Timestamp) -> Result<(u16, u32), WriteError> {
    let milliseconds = time.as_millisecond();
    let day = within("day since 1970", (milliseconds.div_euclid(DAY_MS) + 1) as f64, 1.0, 65_535.0)?;
    Ok((day as u16, milliseconds.rem_euclid(DAY_MS) as u32))
}

fn compressed(messages: &[u8]) -> Result<Vec<u8>, WriteError> {
    let mut encoder = BzEncoder::new(vec![0; 4], Compression::default());
    encoder.write_all(messages)?;
    let mut record = encoder.finish()?;
    let size = (record.len() - 4) as i32;
    record[..4].copy_from_slice(&size.to_be_bytes());
    Ok(record)
}

/// The 28 bytes before every message: transport, then size in halfwords (itself and what follows), type, time.
fn message_header(kind: u8, number: u16, time: Timestamp, payload_bytes: usize) -> Result<[u8; 28], WriteError> {
    let halfwords = (28 - TRANSPORT_BYTES + payload_bytes).div_ceil(2);
    let halfwords = within("halfwords of a message", halfwords as f64, 0.0, 65_534.0)? as u16;
    let (day, millisecond) = day_and_millisecond(time)?;
    let mut header = [0; 28];
    header[12..14].copy_from_slice(&halfwords.to_be_bytes());
    header[14] = 8; // a single channel with open-systems hardware
    header[15] = kind;
    header[16..18].copy_from_slice(&number.to_be_bytes());
    header[18..20].copy_from_slice(&day.to_be_bytes());
    header[20..24].copy_from_slice(&millisecond.to_be_bytes());
    header[24..26].copy_from_slice(&1_u16.to_be_bytes()); // one segment,
    header[26..28].copy_from_slice(&1_u16.to_be_bytes()); // the first
    Ok(header)
}

fn within(what: impl Into<String>, found: f64, least: f64, most: f64) -> Result<f64, WriteError> {
    if (least..=most).contains(&found) {
        Ok(found)
    } else {
        Err(WriteError::OutOfRange { what: what.into(), found, least, most })
    }
}
