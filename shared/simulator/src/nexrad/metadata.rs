//! The first record: what the radar is doing. 134 frames of fixed size, each with room for one message.
//!
//! Of the messages that a real radar puts there, readers need the coverage pattern (type 5), and look at the status
//! (type 2). The other frames (clutter maps, adaptation data, performance) stay empty, as they are in real files when
//! the radar has nothing to say.

use raincell_model::{PolarVolume, Sweep};

use super::{message_header, within};
use crate::files::WriteError;

const FRAME_BYTES: usize = 2432;
const FRAMES: usize = 134;
/// Where a real radar puts the two messages.
const PATTERN_FRAME: usize = 132;
const STATUS_FRAME: usize = 133;
/// Halfwords of the head of the coverage pattern and of a cut.
const PATTERN_HEAD_HALFWORDS: usize = 11;
const CUT_HALFWORDS: usize = 23;
/// Cuts that fit into a frame.
const MOST_CUTS: usize = ((FRAME_BYTES - 28) / 2 - PATTERN_HEAD_HALFWORDS) / CUT_HALFWORDS;
/// Number of the coverage pattern: 215, general surveillance, is the nearest real one.
pub(super) const PATTERN_NUMBER: u16 = 215;
/// Software build that the layout of the messages belongs to, in hundredths.
const BUILD: u16 = 1810;

/// The metadata record of a volume, not yet compressed.
pub(super) fn record(volume: &PolarVolume) -> Result<Vec<u8>, WriteError> {
    within("number of sweeps", volume.sweeps.len() as f64, 1.0, MOST_CUTS as f64)?;
    let mut record = vec![0; FRAMES * FRAME_BYTES];
    let messages = [(PATTERN_FRAME, 5, coverage_pattern(volume)), (STATUS_FRAME, 2, status())];
    for (frame, kind, halfwords) in messages {
        let header = message_header(kind, frame as u16, volume.nominal_time, halfwords.len() * 2)?;
        let bytes: Vec<u8> = header.into_iter().chain(halfwords.into_iter().flat_map(u16::to_be_bytes)).collect();
        let start = frame * FRAME_BYTES;
        record[start..start + bytes.len()].copy_from_slice(&bytes);
    }
    Ok(record)
}

/// Message 5 (table XI): the elevations and how they are scanned.
fn coverage_pattern(volume: &PolarVolume) -> Vec<u16> {
    let cuts = volume.sweeps.len();
    let mut halfwords = vec![0; PATTERN_HEAD_HALFWORDS];
    halfwords[0] = (PATTERN_HEAD_HALFWORDS + cuts * CUT_HALFWORDS) as u16;
    halfwords[1] = 2; // constant elevation
    halfwords[2] = PATTERN_NUMBER;
    halfwords[3] = cuts as u16;
    halfwords[4] = 1 << 8; // version 1, clutter map group 0
    halfwords[5] = 2 << 8 | 2; // velocity in steps of 0.5 m/s, short pulse
    for sweep in &volume.sweeps {
        let mut cut = [0; CUT_HALFWORDS];
        cut[0] = angle_code(sweep.elevation_deg);
        cut[1] = 4; // constant phase, batch waveform
        cut[2] = 1; // no super-resolution, first pulse repetition frequency
        cut[4] = rate_code(turn_deg_s(sweep));
        halfwords.extend(cut);
    }
    halfwords
}

/// Message 2 (table IV): up, on line, under remote control, sending all three base moments.
fn status() -> Vec<u16> {
    let mut halfwords = vec![0; 60];
    halfwords[..4].copy_from_slice(&[0x0010, 0x0002, 0x0004, 0x0002]);
    halfwords[6] = 0x001C;
    halfwords[7] = PATTERN_NUMBER;
    halfwords[9] = BUILD;
    halfwords
}

/// An angle (table III-A): sign and magnitude, in steps of 0.0439°.
fn angle_code(angle_deg: f32) -> u16 {
    let steps = (angle_deg.abs() / 180.0 * 4096.0).round().min(4095.0) as u16;
    steps << 3 | u16::from(angle_deg < 0.0) << 15
}

/// A speed of turning (table XI-D): in steps of 0.011°/s.
fn rate_code(deg_s: f32) -> u16 {
    ((deg_s / 22.5 * 2048.0).round().clamp(0.0, 4095.0) as u16) << 3
}

fn turn_deg_s(sweep: &Sweep) -> f32 {
    let seconds = sweep.end_time.duration_since(sweep.start_time).as_secs_f32();
    if seconds > 0.0 { 360.0 / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_have_the_codes_of_real_files() {
        // KTLX commands 0.48° as 0x0058 and 0.88° as 0x00A0.
        assert_eq!(angle_code(0.4834), 0x0058);
        assert_eq!(angle_code(0.8789), 0x00A0);
        assert_eq!(angle_code(-0.1758), 0x8020);
    }
}
