//! NEXRAD Level II: archive files (bzip2 records or bare messages, perhaps gzipped) and real-time chunks.
//!
//! Standard: NOAA ICD 2620010 (archive container) and 2620002 (messages 1, 5 and 31). Only radials and the volume
//! coverage pattern are decoded; status, clutter maps and the like are stepped over, as some legacy files hold them in
//! pieces that no decoder can join. Clutter-filter power (`CFP`) is not read.

mod container;
mod messages;
mod site;
mod sweeps;

use std::sync::atomic::{AtomicUsize, Ordering};

use raincell_model::PolarVolume;
use rayon::prelude::*;

pub(crate) use container::{looks_like, unwrap_gzip};

use crate::limits::{MAX_SWEEPS, MAX_VOLUME_BYTES, check_count};
use crate::scan::guarded;
use crate::{ReadError, ReadErrorKind, ReadOptions};
use container::{Record, VolumeHeader};
use messages::{Ray, RecordContent};

/// Records of a volume: at most a metadata record and, for each cut, one for every 60 rays.
const MAX_RECORDS: usize = 1 + MAX_SWEEPS * 12;

/// Reads one archive file (or one chunk that begins a volume).
pub(crate) fn read(bytes: &[u8], file_name: &str, options: &ReadOptions) -> Result<PolarVolume, ReadErrorKind> {
    let bytes = container::unwrap_gzip(bytes)?;
    let header = VolumeHeader::parse(&bytes)?;
    let records = container::split_records(&bytes, VolumeHeader::SIZE)?;
    decode(&header, &records, file_name, options)
}

/// Reads the real-time chunks of one volume, in order: (`YYYYMMDD-HHMMSS-NNN-{S|I|E}`, bytes). The first must be the
/// start chunk; later ones may be lacking, the sweeps then hold the rays that are there.
///
/// # Errors
/// [`ReadError`] naming the chunk that is damaged.
pub fn read_chunks(chunks: &[(String, Vec<u8>)], options: &ReadOptions) -> Result<PolarVolume, ReadError> {
    let (first_name, first) =
        chunks.first().ok_or_else(|| ReadError::new("chunks", ReadErrorKind::Nothing { what: "chunk" }))?;
    let header = VolumeHeader::parse(first).map_err(|kind| ReadError::new(first_name, kind))?;
    let mut records = Vec::new();
    for (index, (name, bytes)) in chunks.iter().enumerate() {
        let start = if index == 0 { VolumeHeader::SIZE } else { 0 };
        let split = container::split_records(bytes, start).map_err(|kind| ReadError::new(name, kind))?;
        records.extend(split.into_iter().map(|record| (name, record)));
    }
    let bare: Vec<Record<'_>> = records.iter().map(|(_, record)| *record).collect();
    guarded("NEXRAD Level II", || decode(&header, &bare, first_name, options)).map_err(|kind| {
        // Offsets count within a chunk, so that the message must name the one it means.
        let damaged = records.iter().find(|(_, record)| decode_record(record, options, &AtomicUsize::new(0)).is_err());
        ReadError::new(damaged.map_or(first_name, |(name, _)| name), kind)
    })
}

fn decode(
    header: &VolumeHeader,
    records: &[Record<'_>],
    file_name: &str,
    options: &ReadOptions,
) -> Result<PolarVolume, ReadErrorKind> {
    check_count("number of records", records.len(), MAX_RECORDS)?;
    let spent = AtomicUsize::new(0);
    let contents = decode_wanted(records, options, &spent)?;
    let coverage: Vec<f32> = contents.iter().find_map(|c| c.coverage_deg.clone()).unwrap_or_default();
    let place = contents.iter().find_map(|c| c.place);
    let rays: Vec<Ray> = contents.into_iter().flat_map(|c| c.rays).collect();
    let site = site::find(header, place, file_name)?;
    let sweeps = sweeps::assemble(rays, &coverage, options)?;
    let first_ray = sweeps.iter().map(|s| s.start_time).min();
    let nominal_time = header.nominal_time(first_ray);
    Ok(PolarVolume { site, nominal_time, sweeps })
}

/// Decodes all records, or where only low sweeps are asked for, those that hold them: the coverage pattern in the first
/// record says how many records each cut fills (120 rays each). What was predicted is checked against the rays that
/// were found, and if it does not hold everything is decoded.
fn decode_wanted(
    records: &[Record<'_>],
    options: &ReadOptions,
    spent: &AtomicUsize,
) -> Result<Vec<RecordContent>, ReadErrorKind> {
    let decode_all = |records: &[Record<'_>]| -> Result<Vec<RecordContent>, ReadErrorKind> {
        records.par_iter().map(|record| decode_record(record, options, spent)).collect()
    };
    let (Some(_), [first, rest @ ..]) = (options.max_elevation_deg, records) else { return decode_all(records) };
    let first = decode_record(first, options, spent)?;
    let wanted = predict_records(&first, rest.len(), options);
    let picked: Vec<(usize, Record<'_>)> =
        rest.iter().zip(&wanted).filter_map(|(record, cut)| cut.map(|cut| (cut, *record))).collect();
    let decoded: Vec<(usize, RecordContent)> = picked
        .par_iter()
        .map(|(cut, record)| Ok((*cut, decode_record(record, options, spent)?)))
        .collect::<Result<_, ReadErrorKind>>()?;
    let as_predicted = !decoded.is_empty()
        && decoded.iter().all(|(cut, content)| content.seen_cuts.iter().all(|seen| usize::from(*seen) == *cut));
    let mut contents = vec![first];
    if as_predicted {
        contents.extend(decoded.into_iter().map(|(_, content)| content));
    } else {
        spent.store(0, Ordering::Relaxed);
        contents.extend(decode_all(rest)?);
    }
    Ok(contents)
}

/// For each record after the first the number of the wanted cut that it should belong to, `None` for what need not be
/// decoded; no `Some` at all where nothing can be predicted.
fn predict_records(first: &RecordContent, records: usize, options: &ReadOptions) -> Vec<Option<usize>> {
    let mut cuts = Vec::with_capacity(records);
    let pattern = first.coverage_deg.iter().flatten().zip(&first.half_degree_cuts);
    for (index, (elevation_deg, half_degree)) in pattern.enumerate() {
        let wanted = options.wants_elevation(*elevation_deg).then_some(index + 1);
        cuts.extend(std::iter::repeat_n(wanted, if *half_degree { 6 } else { 3 }));
    }
    // A volume longer than its pattern is not of the kind that can be predicted.
    if cuts.len() < records {
        vec![None; records]
    } else {
        cuts.truncate(records);
        cuts
    }
}

fn decode_record(
    record: &Record<'_>,
    options: &ReadOptions,
    spent: &AtomicUsize,
) -> Result<RecordContent, ReadErrorKind> {
    let data = record.decompress()?;
    let total = spent.fetch_add(data.len(), Ordering::Relaxed) + data.len();
    check_count("decompressed bytes", total.max(1), MAX_VOLUME_BYTES)?;
    messages::decode(&data, record.message_offset(), options)
}
