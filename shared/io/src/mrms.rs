//! MRMS mosaics: GRIB2 with PNG packing, perhaps gzipped; precipitation rate and lowest-altitude reflectivity.
//!
//! Octet numbers are those of WMO Manual on Codes No. 306, FM 92 GRIB edition 2; discipline 209 and the codes for missing
//! values are those of the MRMS GRIB2 tables of NSSL: a rate of −3 is without coverage, −1 and −999 are missing; a
//! reflectivity of −999 is without coverage, −99 is without echo.
//!
//! A GRIB crate was weighed: of it only the unpacking would be used, which is one formula over a PNG picture, and what a
//! damaged header claims has to be checked before it all the same.

use std::io::Read;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use ndarray::Array2;
use raincell_model::{Grid, GridQuantity, GridScan, Sample};

use crate::ReadErrorKind;
use crate::limits::{MAX_GRID_CELLS, check_count};
use crate::nexrad::unwrap_gzip;

/// Discipline of MRMS, a local one of NSSL.
const MRMS: u8 = 209;
/// Octets before the first section.
const INDICATOR: usize = 16;
/// What ends a message.
const END: &[u8] = b"7777";
/// Values packed as a PNG picture.
const PNG_PACKING: u64 = 41;
const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Signature, length and name of the header chunk; then width and height of the picture.
const PNG_SIZE_AT: usize = 16;

/// True for a GRIB message, also in gzip.
pub(crate) fn looks_like(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\x1f\x8b") {
        let mut first = [0; 4];
        return flate2::read::MultiGzDecoder::new(bytes).read_exact(&mut first).is_ok() && &first == b"GRIB";
    }
    bytes.starts_with(b"GRIB")
}

/// One section: its number, where it begins in the message, its octets.
#[derive(Clone, Copy)]
struct Section<'a> {
    number: u8,
    offset: usize,
    octets: &'a [u8],
}

impl Section<'_> {
    /// The number in octets `from` to `to` (as the manual counts, from 1).
    fn number_at(&self, what: &'static str, from: usize, to: usize) -> Result<u64, ReadErrorKind> {
        let octets = self.octets.get(from - 1..to).ok_or(ReadErrorKind::Truncated {
            what,
            offset: self.offset + from - 1,
            expected: to + 1 - from,
            found: self.octets.len().saturating_sub(from - 1),
        })?;
        Ok(octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
    }

    /// An angle in millionths of a degree; the first bit is its sign.
    fn angle_at(&self, what: &'static str, from: usize) -> Result<i64, ReadErrorKind> {
        let raw = self.number_at(what, from, from + 3)?;
        let size = (raw & 0x7fff_ffff) as i64;
        Ok(if raw & 0x8000_0000 == 0 { size } else { -size })
    }

    /// An error unless the octets hold what can be read here.
    fn expect(&self, what: &'static str, (from, to): (usize, usize), wanted: u64) -> Result<(), ReadErrorKind> {
        let found = self.number_at(what, from, to)?;
        if found == wanted { Ok(()) } else { Err(field(what, &wanted.to_string(), &found)) }
    }
}

fn field(field: &str, expected: &str, found: &dyn ToString) -> ReadErrorKind {
    ReadErrorKind::Field { field: field.to_owned(), expected: expected.to_owned(), found: found.to_string() }
}

/// Reads the mosaic of a file.
pub(crate) fn read(bytes: &[u8]) -> Result<GridScan, ReadErrorKind> {
    let bytes = unwrap_gzip(bytes)?;
    let message = message(&bytes)?;
    let sections = sections(message)?;
    let section = |number: u8| {
        let missing = || ReadErrorKind::Missing { field: format!("section {number}"), expected: "each section once" };
        sections.iter().find(|section| section.number == number).copied().ok_or_else(missing)
    };
    let quantity = quantity(message[6], &section(4)?)?;
    let grid = read_grid(&section(3)?)?;
    let packing = Packing::read(&section(5)?)?;
    section(6)?.expect("bit map", (6, 6), 255)?;
    let picture = section(7)?;
    check_picture(&picture, &grid)?;
    Ok(GridScan {
        source: "mrms".into(),
        valid_time: reference_time(&section(1)?)?,
        period_min: 0.0,
        data: unpack(&picture, &packing, &grid, quantity)?,
        grid: Arc::new(grid),
        quantity,
    })
}

/// The first message of the file, as long as it says it is.
fn message(bytes: &[u8]) -> Result<&[u8], ReadErrorKind> {
    let truncated = |what, expected| ReadErrorKind::Truncated { what, offset: 0, expected, found: bytes.len() };
    let indicator = bytes.get(..INDICATOR).ok_or_else(|| truncated("the indicator section", INDICATOR))?;
    if &indicator[..4] != b"GRIB" || indicator[7] != 2 {
        return Err(field("indicator section", "GRIB edition 2", &format!("{:?}", &indicator[..8])));
    }
    let length = indicator[8..].iter().fold(0_u64, |number, octet| number << 8 | u64::from(*octet));
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let message = bytes.get(..length).ok_or_else(|| truncated("the message", length))?;
    if message.len() < INDICATOR + END.len() || !message.ends_with(END) {
        return Err(field("end of the message", "7777", &format!("{length} bytes without it")));
    }
    Ok(message)
}

fn sections(message: &[u8]) -> Result<Vec<Section<'_>>, ReadErrorKind> {
    let end = message.len() - END.len();
    let (mut sections, mut offset) = (Vec::new(), INDICATOR);
    while offset < end {
        let truncated =
            |expected| ReadErrorKind::Truncated { what: "a section", offset, expected, found: end - offset };
        let head = message.get(offset..offset + 5).ok_or_else(|| truncated(5))?;
        let length = head[..4].iter().fold(0_usize, |number, octet| number << 8 | usize::from(*octet));
        if length < 5 || length > end - offset {
            return Err(truncated(length.max(5)));
        }
        sections.push(Section { number: head[4], offset, octets: &message[offset..offset + length] });
        offset += length;
    }
    Ok(sections)
}

fn quantity(discipline: u8, product: &Section<'_>) -> Result<GridQuantity, ReadErrorKind> {
    let category = product.number_at("parameter category", 10, 10)?;
    let parameter = product.number_at("parameter number", 11, 11)?;
    match (discipline, category, parameter) {
        (MRMS, 6, 1) => Ok(GridQuantity::RainRate),
        (MRMS, 3, 57) => Ok(GridQuantity::Reflectivity),
        _ => Err(ReadErrorKind::WrongContent {
            expected: "MRMS PrecipRate (209-6-1) or ReflectivityAtLowestAltitude (209-3-57)",
            found: format!("GRIB parameter {discipline}-{category}-{parameter}"),
        }),
    }
}

/// Section 3 with template 3.0, a grid of longitudes and latitudes.
fn read_grid(section: &Section<'_>) -> Result<Grid, ReadErrorKind> {
    section.expect("grid definition template", (13, 14), 0)?;
    section.expect("scanning mode", (72, 72), 0)?;
    let width = section.number_at("Ni", 31, 34)? as usize;
    let height = section.number_at("Nj", 35, 38)? as usize;
    check_count("Ni", width, MAX_GRID_CELLS)?;
    check_count("Nj", height, MAX_GRID_CELLS)?;
    check_count("Ni × Nj", width.saturating_mul(height), MAX_GRID_CELLS)?;
    let (north, south) = (section.angle_at("La1", 47)?, section.angle_at("La2", 56)?);
    let (west, east) = (section.angle_at("Lo1", 51)?, section.angle_at("Lo2", 60)?);
    let (step_x, step_y) = (section.angle_at("Di", 64)?, section.angle_at("Dj", 68)?);
    for (name, step, span, cells) in
        [("Di", step_x, (east - west).rem_euclid(360_000_000), width), ("Dj", step_y, north - south, height)]
    {
        let steps = (cells as i64 - 1).saturating_mul(step);
        if step <= 0 || (steps - span).abs() > step {
            return Err(field(name, &format!("a step that makes {span} µ° of {cells} cells"), &step));
        }
    }
    // Whole millionths, so that equal grids have equal bits; longitudes from −180 to 180.
    let left = (2 * west - step_x + 360_000_000).rem_euclid(720_000_000) - 360_000_000;
    Ok(Grid {
        projection: "+proj=longlat +datum=WGS84 +no_defs".into(),
        left: left as f64 / 2e6,
        top: (2 * north + step_y) as f64 / 2e6,
        cell_width: step_x as f64 / 1e6,
        cell_height: step_y as f64 / 1e6,
        width,
        height,
    })
}

fn reference_time(section: &Section<'_>) -> Result<Timestamp, ReadErrorKind> {
    let year = section.number_at("reference year", 13, 14)? as i16;
    let part = |what, octet| section.number_at(what, octet, octet).map(|number| number as i8);
    let (month, day) = (part("reference month", 15)?, part("reference day", 16)?);
    let (hour, minute, second) = (part("reference hour", 17)?, part("reference minute", 18)?, part("second", 19)?);
    DateTime::new(year, month, day, hour, minute, second, 0)
        .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC))
        .map(|time| time.timestamp())
        .map_err(|_| field("reference time", "a time", &format!("{year}-{month}-{day} {hour}:{minute}:{second}")))
}

/// The picture has as many points as the grid: what its header claims is what the decoder makes room for.
fn check_picture(section: &Section<'_>, grid: &Grid) -> Result<(), ReadErrorKind> {
    let picture = &section.octets[5..];
    if !picture.starts_with(PNG_SIGNATURE) {
        return Err(field("section 7", "a PNG picture", &format!("{} bytes of something else", picture.len())));
    }
    let begin = 6 + PNG_SIZE_AT;
    let width = section.number_at("width of the picture", begin, begin + 3)?;
    let height = section.number_at("height of the picture", begin + 4, begin + 7)?;
    section.expect("kind of the picture", (begin + 9, begin + 9), 0)?;
    if (width, height) != (grid.width as u64, grid.height as u64) {
        let expected = format!("{} × {} as the grid", grid.width, grid.height);
        return Err(field("size of the picture", &expected, &format!("{width} × {height}")));
    }
    Ok(())
}

/// How the numbers of the picture become values (template 5.41): (R + X · 2^E) / 10^D.
struct Packing {
    reference: f32,
    binary_scale: i32,
    decimal_scale: i32,
}

impl Packing {
    fn read(section: &Section<'_>) -> Result<Self, ReadErrorKind> {
        section.expect("data representation template", (10, 11), PNG_PACKING)?;
        let reference = f32::from_bits(section.number_at("reference value", 12, 15)? as u32);
        let scale = |what, from| {
            let raw = section.number_at(what, from, from + 1)?;
            let size = (raw & 0x7fff) as i32;
            // Beyond this no rate or reflectivity is written.
            if size > 30 {
                Err(field(what, "-30 to 30", &size))
            } else {
                Ok(if raw & 0x8000 == 0 { size } else { -size })
            }
        };
        let (binary_scale, decimal_scale) = (scale("binary scale factor", 16)?, scale("decimal scale factor", 18)?);
        if !reference.is_finite() {
            return Err(field("reference value", "a finite number", &reference));
        }
        Ok(Self { reference, binary_scale, decimal_scale })
    }

    /// Whole tenths come out as the nearest number to them.
    fn value(&self, number: u16) -> f32 {
        let scaled = f64::from(self.reference) + f64::from(number) * 2_f64.powi(self.binary_scale);
        (scaled / 10_f64.powi(self.decimal_scale)) as f32
    }
}

/// Row by row, so that the picture is never there as a whole.
fn unpack(
    section: &Section<'_>,
    packing: &Packing,
    grid: &Grid,
    quantity: GridQuantity,
) -> Result<Array2<Sample>, ReadErrorKind> {
    let damaged = |error: png::DecodingError| ReadErrorKind::Damaged { decoder: "PNG", reason: error.to_string() };
    let sample = match quantity {
        GridQuantity::Reflectivity => reflectivity,
        GridQuantity::RainRate | GridQuantity::Accumulation => rate,
    };
    // Few numbers are met, each of them millions of times.
    let table: Vec<Sample> = (0..=u16::MAX).map(|number| sample(packing.value(number))).collect();
    let picture = std::io::Cursor::new(section.octets.get(5..).unwrap_or_default());
    let mut reader = png::Decoder::new(picture).read_info().map_err(damaged)?;
    let wide = match reader.info().bit_depth {
        png::BitDepth::Eight => false,
        png::BitDepth::Sixteen => true,
        other => return Err(field("bits of a value", "8 or 16", &format!("{other:?}"))),
    };
    let mut samples = Vec::with_capacity(grid.width * grid.height);
    while let Some(row) = reader.next_row().map_err(damaged)? {
        if wide {
            samples
                .extend(row.data().chunks_exact(2).map(|pair| table[usize::from(pair[0]) << 8 | usize::from(pair[1])]));
        } else {
            samples.extend(row.data().iter().map(|number| table[usize::from(*number)]));
        }
    }
    let found = samples.len();
    Array2::from_shape_vec(grid.shape(), samples)
        .map_err(|_| field("values", &format!("{} × {}", grid.width, grid.height), &found))
}

fn rate(mm_h: f32) -> Sample {
    if mm_h > 0.0 {
        Sample::value(mm_h)
    } else if mm_h == 0.0 {
        Sample::UNDETECT
    } else {
        Sample::NODATA
    }
}

fn reflectivity(dbz: f32) -> Sample {
    if dbz > -99.0 {
        Sample::value(dbz)
    } else if dbz == -99.0 {
        Sample::UNDETECT
    } else {
        Sample::NODATA
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn small() -> Vec<u8> {
        let mut message = b"GRIB\0\0\xd1\x02".to_vec();
        message.extend(29_u64.to_be_bytes());
        message.extend([0, 0, 0, 9, 4, 0, 0, 0, 0]);
        message.extend(END);
        message
    }

    #[test]
    fn what_is_missing_or_cut_is_named() {
        let whole = small();
        assert!(looks_like(&whole));
        assert!(read(&whole).unwrap_err().to_string().contains("parameter category"), "{}", read(&whole).unwrap_err());
        assert!(read(&whole[..20]).unwrap_err().to_string().contains("the message needs 29 bytes"));
        let mut long = whole;
        long[19] = 200;
        assert!(read(&long).unwrap_err().to_string().contains("a section needs 200 bytes"));
    }

    #[test]
    fn codes_for_missing_are_no_values() {
        assert!(
            rate(-3.0).is_nodata() && rate(-999.0).is_nodata() && rate(-1.0).is_nodata() && rate(0.0).is_undetect()
        );
        assert!(reflectivity(-999.0).is_nodata() && reflectivity(-99.0).is_undetect());
        assert_eq!((rate(0.1).as_value(), reflectivity(-31.0).as_value()), (Some(0.1), Some(-31.0)));
    }
}
