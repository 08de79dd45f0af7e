//! The MP4 file around an H.264 stream: one track of pictures that each stay as long as they should.
//!
//! ISO/IEC 14496-12 (boxes) and 14496-15 (`avc1`, `avcC`). The index stands before the pictures, so that playing begins
//! before all is there.

use crate::error::RenderError;

/// Units of time in a second: delays are in hundredths.
const TIMESCALE: u32 = 100;
const PARAMETER_SETS: [u8; 2] = [7, 8];
/// Unity, as every header of a movie or track has it (16.16 and 2.30 fixed point).
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// The pictures of a film.
pub(super) struct Track<'a> {
    /// Access units as NAL units with start codes, the first with its parameter sets; only that one is a key frame.
    pub samples: &'a [Vec<u8>],
    /// How long each stays, in hundredths of a second.
    pub delays_cs: &'a [u32],
    pub width: u16,
    pub height: u16,
}

/// The file.
///
/// # Errors
/// [`RenderError::Video`] when the stream has no parameter sets.
pub(super) fn write_mp4(track: &Track<'_>) -> Result<Vec<u8>, RenderError> {
    let first = track.samples.first().map_or(&[][..], Vec::as_slice);
    let parameter_set = |kind: u8| {
        let found = nal_units(first).into_iter().find(|unit| kind_of(unit) == kind);
        found.ok_or_else(|| RenderError::Video { reason: format!("the stream has no NAL unit of type {kind}") })
    };
    let avcc = avcc(parameter_set(PARAMETER_SETS[0])?, parameter_set(PARAMETER_SETS[1])?)?;
    let samples: Vec<Vec<u8>> = track.samples.iter().map(|sample| with_lengths(sample)).collect();
    let ftyp = boxed(*b"ftyp", &[b"isom".as_slice(), &512_u32.to_be_bytes(), b"isomiso2avc1mp41"].concat());
    // Its length does not depend on where the pictures begin.
    let header = ftyp.len() + moov(track, &samples, &avcc, 0).len() + 8;
    let begin = u32::try_from(header).unwrap_or(u32::MAX);
    Ok([ftyp, moov(track, &samples, &avcc, begin), boxed(*b"mdat", &samples.concat())].concat())
}

/// A box: its length, its type, what is in it.
fn boxed(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let length = content.len() as u32 + 8;
    [&length.to_be_bytes(), &kind[..], content].concat()
}

/// A box with a version and flags.
fn full_box(kind: [u8; 4], flags: u32, content: &[u8]) -> Vec<u8> {
    boxed(kind, &[&flags.to_be_bytes(), content].concat())
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn moov(track: &Track<'_>, samples: &[Vec<u8>], avcc: &[u8], begin: u32) -> Vec<u8> {
    let duration: u32 = track.delays_cs.iter().sum();
    // Times, scale, duration, speed 1.0, volume 1.0, matrix, next track.
    let mvhd = [
        words(&[0, 0, TIMESCALE, duration, 0x1_0000, 0x0100_0000, 0, 0]),
        words(&MATRIX),
        words(&[0, 0, 0, 0, 0, 0, 2]),
    ];
    let size = [u32::from(track.width) << 16, u32::from(track.height) << 16];
    // Times, number, duration, layer and volume 0, matrix, size. Enabled, in the movie.
    let tkhd = [words(&[0, 0, 1, 0, duration, 0, 0, 0, 0]), words(&MATRIX), words(&size)];
    // Language: undetermined.
    let mdhd = words(&[0, 0, TIMESCALE, duration, 0x55c4_0000]);
    let hdlr = [words(&[0]), b"vide".to_vec(), words(&[0; 3]), b"video\0".to_vec()];
    let dref = [words(&[1]), full_box(*b"url ", 1, &[])];
    let dinf = boxed(*b"dinf", &full_box(*b"dref", 0, &dref.concat()));
    let minf = [full_box(*b"vmhd", 1, &[0; 8]), dinf, boxed(*b"stbl", &stbl(track, samples, avcc, begin))];
    let mdia = [full_box(*b"mdhd", 0, &mdhd), full_box(*b"hdlr", 0, &hdlr.concat()), boxed(*b"minf", &minf.concat())];
    let trak = [full_box(*b"tkhd", 3, &tkhd.concat()), boxed(*b"mdia", &mdia.concat())];
    boxed(*b"moov", &[full_box(*b"mvhd", 0, &mvhd.concat()), boxed(*b"trak", &trak.concat())].concat())
}

/// The index of the pictures: kind, times, the key frame, one chunk with all, sizes, where they begin.
fn stbl(track: &Track<'_>, samples: &[Vec<u8>], avcc: &[u8], begin: u32) -> Vec<u8> {
    let count = samples.len() as u32;
    let times: Vec<u32> = track.delays_cs.iter().flat_map(|&delay| [1, delay]).collect();
    let sizes: Vec<u32> = samples.iter().map(|sample| sample.len() as u32).collect();
    [
        full_box(*b"stsd", 0, &[words(&[1]), avc1(track, avcc)].concat()),
        full_box(*b"stts", 0, &[words(&[count]), words(&times)].concat()),
        full_box(*b"stss", 0, &words(&[1, 1])),
        full_box(*b"stsc", 0, &words(&[1, 1, count, 1])),
        full_box(*b"stsz", 0, &[words(&[0, count]), words(&sizes)].concat()),
        full_box(*b"stco", 0, &words(&[1, begin])),
    ]
    .concat()
}

fn avc1(track: &Track<'_>, avcc: &[u8]) -> Vec<u8> {
    let size = [track.width.to_be_bytes(), track.height.to_be_bytes()].concat();
    // 72 dots an inch, a picture a sample, no name, 24 bits.
    let rest = [words(&[0x48_0000, 0x48_0000, 0]), vec![0, 1], vec![0; 32], vec![0, 24, 0xff, 0xff]].concat();
    // BT.709 primaries, transfer and matrix, video range.
    let colr = boxed(*b"colr", &[b"nclx".as_slice(), &[0, 1, 0, 1, 0, 1, 0]].concat());
    let begin = [vec![0; 6], vec![0, 1], vec![0; 16]].concat();
    boxed(*b"avc1", &[begin, size, rest, boxed(*b"avcC", avcc), colr].concat())
}

/// The parameter sets, before all pictures; NAL units have lengths of four bytes.
fn avcc(sps: &[u8], pps: &[u8]) -> Result<Vec<u8>, RenderError> {
    let short = || RenderError::Video { reason: format!("the sequence parameter set has {} bytes", sps.len()) };
    let profile_and_level = sps.get(1..4).ok_or_else(short)?;
    let length = |set: &[u8]| (set.len() as u16).to_be_bytes();
    Ok([&[1], profile_and_level, &[0xff, 0xe1], &length(sps), sps, &[1], &length(pps), pps].concat())
}

/// An access unit as files have it: lengths in the place of start codes, parameter sets left to the header.
fn with_lengths(sample: &[u8]) -> Vec<u8> {
    let units = nal_units(sample).into_iter().filter(|unit| !PARAMETER_SETS.contains(&kind_of(unit)));
    units.flat_map(|unit| [&(unit.len() as u32).to_be_bytes(), unit].concat()).collect()
}

fn kind_of(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |byte| byte & 31)
}

/// What is between start codes (00 00 01); zeros before one belong to it.
fn nal_units(stream: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> =
        (0..stream.len().saturating_sub(2)).filter(|&at| stream[at..at + 3] == [0, 0, 1]).map(|at| at + 3).collect();
    let ends = starts.iter().skip(1).map(|start| start - 3).chain([stream.len()]);
    let trimmed = |(&start, end): (&usize, usize)| {
        let unit = &stream[start..end];
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        &unit[..unit.len() - zeros]
    };
    starts.iter().zip(ends).map(trimmed).filter(|unit| !unit.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: [u8; 5] = [0x67, 66, 0xc0, 31, 9];

    #[test]
    fn start_codes_become_lengths_and_parameter_sets_go_to_the_header() {
        let first = [&[0, 0, 0, 1], &SPS[..], &[0, 0, 0, 1, 0x68, 7], &[0, 0, 1, 0x65, 1, 2, 3]].concat();
        let units = nal_units(&first);
        assert_eq!(units, [&SPS[..], &[0x68, 7], &[0x65, 1, 2, 3]]);
        assert_eq!(with_lengths(&first), [0, 0, 0, 4, 0x65, 1, 2, 3]);
        let samples = [first, vec![0, 0, 1, 0x41, 5]];
        let track = Track { samples: &samples, delays_cs: &[16, 160], width: 16, height: 16 };
        let file = write_mp4(&track).unwrap();
        assert_eq!(&file[4..8], b"ftyp");
        let at = |needle: &[u8]| file.windows(needle.len()).position(|part| part == needle).unwrap();
        let begin = at(b"stco") + 12;
        let begin = u32::from_be_bytes(file[begin..begin + 4].try_into().unwrap()) as usize;
        assert_eq!(begin, at(b"mdat") + 4);
        assert_eq!(file[begin..], [0, 0, 0, 4, 0x65, 1, 2, 3, 0, 0, 0, 2, 0x41, 5]);
        assert!(file.windows(SPS.len()).filter(|part| *part == SPS).count() == 1);
    }

    #[test]
    fn a_stream_without_parameter_sets_is_named() {
        let samples = [vec![0, 0, 1, 0x65, 1]];
        let track = Track { samples: &samples, delays_cs: &[16], width: 16, height: 16 };
        assert!(write_mp4(&track).unwrap_err().to_string().contains("type 7"));
    }
}
