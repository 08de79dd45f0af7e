//! Messages of one record: radials (types 31 and 1) and the volume coverage pattern (type 5).

use jiff::Timestamp;
use nexrad_decode::messages::digital_radar_data::{self, DataBlock, GenericDataBlock};
use nexrad_decode::messages::volume_coverage_pattern::ElevationDataBlock;
use nexrad_decode::messages::{MessageContents, MessageHeader, digital_radar_data_legacy, volume_coverage_pattern};
use raincell_model::Quantity;

use super::container::instant;
use crate::limits::{MAX_GATES, check_count};
use crate::{ReadErrorKind, ReadOptions};

/// Messages other than type 31 lie in frames of this size.
const FRAME_BYTES: usize = 2432;
/// Bytes of the message header that its length field does not count.
const UNCOUNTED_BYTES: usize = 12;

/// What one record holds, as far as rain needs it.
#[derive(Default)]
pub(crate) struct RecordContent {
    /// The radials that were asked for.
    pub rays: Vec<Ray>,
    /// Numbers of all cuts that radials were seen of, asked for or not.
    pub seen_cuts: Vec<u8>,
    /// Commanded elevation of each cut of the coverage pattern, degrees.
    pub coverage_deg: Option<Vec<f32>>,
    /// For each cut of the coverage pattern: rays half a degree apart.
    pub half_degree_cuts: Vec<bool>,
    /// Latitude, longitude (degrees) and height (metres) of the antenna.
    pub place: Option<(f64, f64, f64)>,
}

/// One radial, its moments still in codes.
pub(crate) struct Ray {
    /// Number of the cut in the coverage pattern, from 1.
    pub cut: u8,
    /// Centre of the ray, degrees.
    pub azimuth_deg: f32,
    /// As measured, degrees.
    pub elevation_deg: f32,
    /// When it was measured.
    pub time: Timestamp,
    /// Its moments.
    pub moments: Vec<RawMoment>,
}

/// Codes of one moment along one ray: 0 below threshold, 1 range folded, else `(code - offset) / scale`.
pub(crate) struct RawMoment {
    /// What was measured.
    pub quantity: Quantity,
    /// Centre of the first gate, metres.
    pub first_gate_m: f32,
    /// Between gate centres, metres.
    pub gate_spacing_m: f32,
    /// Codes a unit.
    pub scale: f32,
    /// Code of zero.
    pub offset: f32,
    /// One or two bytes a code.
    pub code_bytes: usize,
    /// The codes, big-endian.
    pub codes: Vec<u8>,
}

/// Walks the messages in `data`; `base` is added to positions in error messages.
pub(crate) fn decode(data: &[u8], base: usize, options: &ReadOptions) -> Result<RecordContent, ReadErrorKind> {
    let mut content = RecordContent::default();
    let mut at = 0;
    while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
        let offset = base + at;
        if rest.len() < MessageHeader::SIZE {
            // Padding at the end of a record.
            if rest.iter().all(|byte| *byte == 0) {
                break;
            }
            let (expected, found) = (MessageHeader::SIZE, rest.len());
            return Err(ReadErrorKind::Truncated { what: "message header", offset, expected, found });
        }
        at += decode_message(rest, offset, options, &mut content)?;
    }
    Ok(content)
}

/// Decodes the message at the start of `rest` if it is of a type that is needed, and says how long it is.
fn decode_message(
    rest: &[u8],
    offset: usize,
    options: &ReadOptions,
    content: &mut RecordContent,
) -> Result<usize, ReadErrorKind> {
    let header = MessageHeader::parse(rest).map_err(|e| block_error("message header", offset, &e))?;
    let declared = header.message_size_bytes() as usize + UNCOUNTED_BYTES;
    let message_type = header.message_type_raw();
    let (what, length) = match message_type {
        1 => ("message 1 (legacy radial)", FRAME_BYTES),
        5 => ("message 5 (coverage pattern)", FRAME_BYTES),
        31 => ("message 31 (radial)", declared.max(MessageHeader::SIZE)),
        _ if header.is_fixed_frame() => return Ok(declared.max(FRAME_BYTES)),
        _ => return Ok(declared.max(MessageHeader::SIZE)),
    };
    let Some(message) = rest.get(..length) else {
        return Err(ReadErrorKind::Truncated { what, offset, expected: length, found: rest.len() });
    };
    let decoded = match nexrad_decode::messages::iter_messages(message).next() {
        Some(Ok(message)) => message,
        // A coverage pattern that cannot be decoded is no loss: the rays say where they were measured.
        _ if message_type == 5 => return Ok(length),
        Some(Err(e)) => return Err(block_error(what, offset, &e)),
        None => return Ok(length),
    };
    match decoded.contents() {
        MessageContents::DigitalRadarData(radial) => add_radial(radial, offset, options, content)?,
        MessageContents::DigitalRadarDataLegacy(radial) => add_legacy_radial(radial, offset, options, content)?,
        MessageContents::RdaVolumeCoveragePattern(pattern) => add_coverage(pattern, content),
        _ => {}
    }
    Ok(length)
}

fn block_error(what: &'static str, offset: usize, error: &nexrad_decode::result::Error) -> ReadErrorKind {
    ReadErrorKind::Block { what, offset, expected: "a whole message".into(), found: error.to_string() }
}

fn add_coverage(pattern: &volume_coverage_pattern::Message<'_>, content: &mut RecordContent) {
    let angles: Vec<f32> = pattern.elevations().iter().map(ElevationDataBlock::elevation_angle_degrees).collect();
    // Patterns of the first RDA generation are laid out differently; what no antenna can do is one of those.
    let plausible = |angle: &f32| (-2.0..=61.0).contains(&if *angle > 180.0 { angle - 360.0 } else { *angle });
    if content.coverage_deg.is_none() && !angles.is_empty() && angles.iter().all(plausible) {
        content.half_degree_cuts =
            pattern.elevations().iter().map(ElevationDataBlock::super_resolution_half_degree_azimuth).collect();
        content.coverage_deg = Some(angles.iter().map(|a| if *a > 180.0 { a - 360.0 } else { *a }).collect());
    }
}

fn see_cut(content: &mut RecordContent, cut: u8) {
    if content.seen_cuts.last() != Some(&cut) {
        content.seen_cuts.push(cut);
    }
}

/// Elevation as measured swings by a tenth or two around the commanded angle.
fn wants_measured(options: &ReadOptions, elevation_deg: f32) -> bool {
    options.max_elevation_deg.is_none_or(|max| elevation_deg <= max + 0.3)
}

fn check_angles(offset: usize, azimuth_deg: f32, elevation_deg: f32) -> Result<(), ReadErrorKind> {
    let check = |expected: &str, range: std::ops::RangeInclusive<f32>, angle: f32| {
        if range.contains(&angle) {
            return Ok(());
        }
        let (expected, found) = (expected.to_owned(), format!("{angle}"));
        Err(ReadErrorKind::Block { what: "radial", offset, expected, found })
    };
    check("an azimuth of 0 to 360°", 0.0..=360.0, azimuth_deg)?;
    check("an elevation of -10 to 91°", -10.0..=91.0, elevation_deg)
}

fn require_time(offset: usize, time: Option<Timestamp>) -> Result<Timestamp, ReadErrorKind> {
    time.ok_or_else(|| ReadErrorKind::Block {
        what: "radial",
        offset,
        expected: "a time of measurement".into(),
        found: "day 0".into(),
    })
}

fn add_radial(
    radial: &digital_radar_data::Message<'_>,
    offset: usize,
    options: &ReadOptions,
    content: &mut RecordContent,
) -> Result<(), ReadErrorKind> {
    let header = radial.header();
    see_cut(content, header.elevation_number());
    if content.place.is_none()
        && let Some(volume) = radial.volume_data_block()
    {
        let volume = volume.inner();
        let height = f64::from(volume.site_height_meters()) + f64::from(volume.tower_height_meters());
        content.place = Some((f64::from(volume.latitude_degrees()), f64::from(volume.longitude_degrees()), height));
    }
    let (azimuth_deg, elevation_deg) = (header.azimuth_angle_degrees(), header.elevation_angle_degrees());
    check_angles(offset, azimuth_deg, elevation_deg)?;
    if !wants_measured(options, elevation_deg) {
        return Ok(());
    }
    let blocks = [
        (Quantity::Dbzh, radial.reflectivity_data_block()),
        (Quantity::Vradh, radial.velocity_data_block()),
        (Quantity::Wradh, radial.spectrum_width_data_block()),
        (Quantity::Zdr, radial.differential_reflectivity_data_block()),
        (Quantity::Phidp, radial.differential_phase_data_block()),
        (Quantity::Rhohv, radial.correlation_coefficient_data_block()),
    ];
    let mut moments = Vec::new();
    for (quantity, block) in blocks {
        if let Some(block) = block
            && options.wants_quantity(&quantity)
        {
            moments.push(raw_moment(quantity, block, offset)?);
        }
    }
    let time = require_time(offset, instant(u32::from(header.date_raw()), header.time_raw()))?;
    let cut = header.elevation_number();
    content.rays.push(Ray { cut, azimuth_deg, elevation_deg, time, moments });
    Ok(())
}

fn raw_moment(
    quantity: Quantity,
    block: &DataBlock<'_, GenericDataBlock<'_>>,
    offset: usize,
) -> Result<RawMoment, ReadErrorKind> {
    let wrong = |expected: &str, found: String| ReadErrorKind::Block {
        what: "data moment block",
        offset,
        expected: expected.into(),
        found,
    };
    let header = block.inner().header();
    let gates = usize::from(header.data_moment_gate_count());
    if gates > 0 {
        check_count(format!("gates of {} in the message at byte {offset}", quantity.odim_name()), gates, MAX_GATES)?;
    }
    let code_bytes = match header.data_word_size_raw() {
        8 => 1,
        16 => 2,
        other => return Err(wrong("codes of 8 or 16 bits", format!("{other} bits"))),
    };
    let codes = block.inner().encoded_values();
    if codes.len() != gates * code_bytes {
        return Err(wrong("a code for each gate", format!("{} bytes for {gates} gates", codes.len())));
    }
    let (scale, zero) = (header.scale(), header.offset());
    if !scale.is_finite() || scale == 0.0 || !zero.is_finite() {
        return Err(wrong("a scale other than 0", format!("scale {scale}, offset {zero}")));
    }
    // Both in thousandths of a kilometre: metres.
    let gate_spacing_m = f32::from(header.data_moment_range_sample_interval_raw());
    if gates > 0 && gate_spacing_m < 1.0 {
        return Err(wrong("gates longer than 0 m", format!("{gate_spacing_m} m")));
    }
    let first_gate_m = f32::from(header.data_moment_range_raw());
    Ok(RawMoment { quantity, first_gate_m, gate_spacing_m, scale, offset: zero, code_bytes, codes: codes.to_vec() })
}

fn add_legacy_radial(
    radial: &digital_radar_data_legacy::Message<'_>,
    offset: usize,
    options: &ReadOptions,
    content: &mut RecordContent,
) -> Result<(), ReadErrorKind> {
    let cut = radial.elevation_number();
    see_cut(content, cut);
    let elevation_deg = radial.elevation_angle_degrees();
    let elevation_deg = if elevation_deg > 180.0 { elevation_deg - 360.0 } else { elevation_deg };
    let azimuth_deg = radial.azimuth_angle_degrees();
    check_angles(offset, azimuth_deg, elevation_deg)?;
    if !wants_measured(options, elevation_deg) {
        return Ok(());
    }
    let surveillance = (radial.surveillance_first_gate_range_meters(), radial.surveillance_gate_interval_meters());
    let doppler = (radial.doppler_first_gate_range_meters(), radial.doppler_gate_interval_meters());
    let velocity_scale = if radial.doppler_velocity_resolution_mps() > 0.9 { 1.0 } else { 2.0 };
    let moments = [
        (Quantity::Dbzh, radial.reflectivity_gates(), surveillance, 2.0, 66.0),
        (Quantity::Vradh, radial.velocity_gates(), doppler, velocity_scale, 129.0),
        (Quantity::Wradh, radial.spectrum_width_gates(), doppler, 2.0, 129.0),
    ];
    let moments = moments
        .into_iter()
        .filter(|(quantity, ..)| options.wants_quantity(quantity))
        .filter_map(|(quantity, gates, (first, spacing), scale, zero)| {
            let codes = gates.filter(|_| spacing > 0)?.to_vec();
            let (first_gate_m, gate_spacing_m) = (f32::from(first), f32::from(spacing));
            Some(RawMoment { quantity, first_gate_m, gate_spacing_m, scale, offset: zero, code_bytes: 1, codes })
        })
        .collect();
    let time = radial.date_time().and_then(|time| Timestamp::from_millisecond(time.timestamp_millis()).ok());
    let time = require_time(offset, time)?;
    content.rays.push(Ray { cut, azimuth_deg, elevation_deg, time, moments });
    Ok(())
}
