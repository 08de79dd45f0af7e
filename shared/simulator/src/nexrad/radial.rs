//! Message 31 (table XVII): one ray with all its moments.

use jiff::{SignedDuration, Timestamp};
use raincell_model::{Moment, PolarVolume, Quantity, SampleKind, Sweep};
use rayon::prelude::*;

use super::metadata::PATTERN_NUMBER;
use super::{message_header, within};
use crate::files::WriteError;

/// Bytes of the header and of its ten block pointers.
const HEADER_BYTES: usize = 72;
const VOLUME_BLOCK_BYTES: u16 = 44;
const ELEVATION_BLOCK_BYTES: u16 = 12;
const RADIAL_BLOCK_BYTES: u16 = 28;
/// More gates than this a moment does not have.
const MOST_GATES: usize = 1840;
/// Nyquist velocity in 0.01 m/s: what the simulated velocities stay under.
const NYQUIST_CM_S: u16 = 4800;
const MOST_AZIMUTHS: usize = 720;

/// Where the radar stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub icao: [u8; 4],
    pub lat_deg: f32,
    pub lon_deg: f32,
    pub height_m: i16,
}

/// How a moment is coded: code = value · scale + offset, in codes from 2 to the greatest.
struct Coding {
    name: [u8; 3],
    quantities: &'static [Quantity],
    word_bits: u8,
    scale: f32,
    offset: f32,
    greatest: f32,
}

/// Moments in their order in the message, with the scales and offsets that the WSR-88D uses.
const CODINGS: [Coding; 6] = [
    Coding::new(*b"REF", &[Quantity::Dbzh, Quantity::Th], 8, 2.0, 66.0, 255.0),
    Coding::new(*b"VEL", &[Quantity::Vradh], 8, 2.0, 129.0, 255.0),
    Coding::new(*b"SW ", &[Quantity::Wradh], 8, 2.0, 129.0, 255.0),
    Coding::new(*b"ZDR", &[Quantity::Zdr], 8, 16.0, 128.0, 255.0),
    Coding::new(*b"PHI", &[Quantity::Phidp], 16, 2.8361, 2.0, 1023.0),
    Coding::new(*b"RHO", &[Quantity::Rhohv], 8, 300.0, -60.5, 255.0),
];

impl Coding {
    const fn new(
        name: [u8; 3],
        quantities: &'static [Quantity],
        word_bits: u8,
        scale: f32,
        offset: f32,
        greatest: f32,
    ) -> Self {
        Self { name, quantities, word_bits, scale, offset, greatest }
    }

    fn moment_of<'a>(&self, sweep: &'a Sweep) -> Option<&'a Moment> {
        self.quantities.iter().find_map(|quantity| sweep.moment(quantity))
    }
}

/// The messages of all radials of a volume in the order in which they were scanned.
pub(super) fn radials(volume: &PolarVolume, place: Place) -> Result<Vec<Vec<u8>>, WriteError> {
    for (number, sweep) in volume.sweeps.iter().enumerate() {
        check(number, sweep)?;
    }
    let last_sweep = volume.sweeps.len() - 1;
    let rays: Vec<(usize, usize)> = volume
        .sweeps
        .iter()
        .enumerate()
        .flat_map(|(number, sweep)| (0..sweep.azimuths_deg.len()).map(move |ray| (number, ray)))
        .collect();
    rays.into_par_iter()
        .map(|(number, ray)| {
            let sweep = &volume.sweeps[number];
            let status = match (number, ray, ray + 1 == sweep.azimuths_deg.len()) {
                (0, 0, _) => 3,
                (_, 0, _) => 0,
                (_, _, true) if number == last_sweep => 4,
                (_, _, true) => 2,
                _ => 1,
            };
            message(sweep, number, ray, status, place)
        })
        .collect()
}

fn check(number: usize, sweep: &Sweep) -> Result<(), WriteError> {
    let rays = sweep.azimuths_deg.len();
    within(format!("number of rays of sweep {number}"), rays as f64, 1.0, MOST_AZIMUTHS as f64)?;
    for moment in CODINGS.iter().filter_map(|coding| coding.moment_of(sweep)) {
        let quantity = moment.quantity.odim_name();
        if moment.data.nrows() != rays {
            let (found, expected) = (moment.data.nrows(), rays);
            return Err(WriteError::Rays { sweep: number, quantity: quantity.to_owned(), found, expected });
        }
        let of = |what: &str| format!("{what} of {quantity} of sweep {number}");
        within(of("number of gates"), moment.data.ncols() as f64, 0.0, MOST_GATES as f64)?;
        within(of("distance of the first gate in m"), f64::from(moment.first_gate_m.round()), -32_768.0, 32_767.0)?;
        within(of("gate spacing in m"), f64::from(moment.gate_spacing_m.round()), 1.0, 32_767.0)?;
    }
    Ok(())
}

fn message(sweep: &Sweep, number: usize, ray: usize, status: u8, place: Place) -> Result<Vec<u8>, WriteError> {
    let time = time_of_ray(sweep, ray);
    let mut blocks = vec![volume_block(place), elevation_block(), radial_block(sweep)];
    blocks.extend(CODINGS.iter().filter_map(|coding| Some(moment_block(coding, coding.moment_of(sweep)?, ray))));
    let length = HEADER_BYTES + blocks.iter().map(Vec::len).sum::<usize>();
    let length_field = within("bytes of a radial", length as f64, 0.0, 65_535.0)? as u16;

    let header = message_header(31, (ray + 1) as u16, time, length)?;
    let mut message = Vec::with_capacity(header.len() + length);
    message.extend(header);
    message.extend(place.icao);
    message.extend(&header[20..24]); // milliseconds of the day,
    message.extend(&header[18..20]); // the day
    message.extend(((ray + 1) as u16).to_be_bytes());
    message.extend(sweep.azimuths_deg[ray].to_be_bytes());
    message.extend([0, 0]); // not compressed within the record
    message.extend(length_field.to_be_bytes());
    message.push(if sweep.azimuths_deg.len() > 540 { 1 } else { 2 }); // rays of 0.5° or 1°
    message.push(status);
    message.push((number + 1) as u8);
    message.push(1); // sector
    message.extend(sweep.elevation_deg.to_be_bytes());
    message.extend([0, 0]); // no blanking, azimuths not indexed
    message.extend((blocks.len() as u16).to_be_bytes());
    let mut pointer = HEADER_BYTES;
    for slot in 0..10 {
        let block = blocks.get(slot).map_or(0, Vec::len);
        message.extend((if block > 0 { pointer as u32 } else { 0 }).to_be_bytes());
        pointer += block;
    }
    message.extend(blocks.concat());
    Ok(message)
}

/// Rays are spread evenly between the times of the first and the last.
fn time_of_ray(sweep: &Sweep, ray: usize) -> Timestamp {
    let last = sweep.azimuths_deg.len().saturating_sub(1).max(1) as i64;
    let turn_ms = sweep.end_time.duration_since(sweep.start_time).as_millis() as i64;
    let since_start = SignedDuration::from_millis(turn_ms * ray as i64 / last);
    sweep.start_time.saturating_add(since_start).unwrap_or(sweep.start_time)
}

/// Table XVII-E.
fn volume_block(place: Place) -> Vec<u8> {
    let mut block = b"RVOL".to_vec();
    block.extend(VOLUME_BLOCK_BYTES.to_be_bytes());
    block.extend([2, 0]); // version of the layout
    block.extend(place.lat_deg.to_be_bytes());
    block.extend(place.lon_deg.to_be_bytes());
    block.extend(place.height_m.to_be_bytes()); // height of the ground; the tower below is counted in
    block.extend(0_u16.to_be_bytes());
    // Calibration, transmitter power of both channels, bias of ZDR, initial phase: nothing to correct.
    block.extend([0.0_f32; 5].into_iter().flat_map(f32::to_be_bytes));
    block.extend(PATTERN_NUMBER.to_be_bytes());
    block.extend(0_u16.to_be_bytes());
    block
}

/// Table XVII-F.
fn elevation_block() -> Vec<u8> {
    let mut block = b"RELV".to_vec();
    block.extend(ELEVATION_BLOCK_BYTES.to_be_bytes());
    block.extend((-11_i16).to_be_bytes()); // atmospheric attenuation, 0.001 dB/km
    block.extend(0.0_f32.to_be_bytes());
    block
}

/// Table XVII-H.
fn radial_block(sweep: &Sweep) -> Vec<u8> {
    let reach_m = sweep.reflectivity().map_or(0.0, |m| m.first_gate_m + m.gate_spacing_m * m.data.ncols() as f32);
    let mut block = b"RRAD".to_vec();
    block.extend(RADIAL_BLOCK_BYTES.to_be_bytes());
    block.extend(((reach_m / 100.0).clamp(0.0, 32_767.0) as u16).to_be_bytes()); // unambiguous range, 0.1 km
    block.extend((-80.0_f32).to_be_bytes()); // noise of both channels, dBm
    block.extend((-80.0_f32).to_be_bytes());
    block.extend(NYQUIST_CM_S.to_be_bytes());
    block.extend(0_u16.to_be_bytes());
    block.extend([0.0_f32; 2].into_iter().flat_map(f32::to_be_bytes));
    block
}

/// Table XVII-B, then the codes; filled up so that the next block begins at a word.
fn moment_block(coding: &Coding, moment: &Moment, ray: usize) -> Vec<u8> {
    let row = moment.data.row(ray);
    let mut block = Vec::with_capacity(28 + row.len() * usize::from(coding.word_bits / 8) + 3);
    block.push(b'D');
    block.extend(coding.name);
    block.extend(0_u32.to_be_bytes());
    block.extend((row.len() as u16).to_be_bytes());
    block.extend((moment.first_gate_m.round() as i16).to_be_bytes());
    block.extend((moment.gate_spacing_m.round() as i16).to_be_bytes());
    block.extend(50_u16.to_be_bytes()); // overlay threshold, 0.1 dB
    block.extend(16_u16.to_be_bytes()); // signal-to-noise threshold, 0.125 dB
    block.push(0);
    block.push(coding.word_bits);
    block.extend(coding.scale.to_be_bytes());
    block.extend(coding.offset.to_be_bytes());
    for sample in row {
        let code = match sample.kind() {
            SampleKind::Undetect => 0,
            SampleKind::NoData => 1,
            SampleKind::Value(value) => {
                (value * coding.scale + coding.offset).round().clamp(2.0, coding.greatest) as u16
            }
        };
        if coding.word_bits == 16 {
            block.extend(code.to_be_bytes());
        } else {
            block.push(code as u8);
        }
    }
    block.resize(block.len().next_multiple_of(4), 0);
    block
}
