//! Rain rate and other fields as GeoTIFF, a band each: for QGIS, GDAL and whatever reads with it.
//!
//! TIFF 6.0, float32, bands one after the other in strips (deflate); where it lies is said as OGC GeoTIFF 1.1 (19-008r4)
//! does, nodata and the bands' names as GDAL does. GeoTIFFs of others are not read.

mod keys;

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use ndarray::Array2;
use raincell_model::Grid;
use rayon::prelude::*;
use tiff::encoder::TiffEncoder;
use tiff::tags::Tag;

use crate::WriteError;

/// Media type of a GeoTIFF (OGC 19-008r4).
pub const MEDIA_TYPE: &str = "image/tiff; application=geotiff";
/// Rows that are compressed together.
const ROWS_PER_STRIP: usize = 64;
/// Strips of radar fields hold much of the same: more effort gains little.
const COMPRESSION: Compression = Compression::new(4);
const MODEL_PIXEL_SCALE: Tag = Tag::Unknown(33550);
const MODEL_TIEPOINT: Tag = Tag::Unknown(33922);
const GDAL_METADATA: Tag = Tag::Unknown(42112);
const GDAL_NODATA: Tag = Tag::Unknown(42113);

/// One band.
#[derive(Clone, Debug)]
pub struct Band<'a> {
    /// What it is called: "2015-05-15T16:50:00Z", for instance.
    pub name: String,
    /// Values of the shape of the grid; NaN = no data.
    pub values: &'a Array2<f32>,
}

/// Writes bands on one grid as a GeoTIFF; `unit` is that of all values.
///
/// # Errors
/// [`WriteError::Nothing`] without a band, [`WriteError::Shape`] when a band is not of the grid's shape,
/// [`WriteError::Tiff`] when the file would exceed 4 GiB.
pub fn write(grid: &Grid, unit: &str, bands: &[Band<'_>]) -> Result<Vec<u8>, WriteError> {
    if bands.is_empty() {
        return Err(WriteError::Nothing { what: "band" });
    }
    let (rows, columns) = grid.shape();
    if let Some(other) = bands.iter().find(|band| band.values.dim() != (rows, columns)) {
        let (found, expected) = (other.values.dim(), vec![rows, columns]);
        return Err(WriteError::Shape { what: other.name.clone(), expected, found: vec![found.0, found.1] });
    }
    let strips_a_band = rows.div_ceil(ROWS_PER_STRIP);
    let strips: Vec<Vec<u8>> = (0..bands.len() * strips_a_band)
        .into_par_iter()
        .map(|i| strip(bands[i / strips_a_band].values, i % strips_a_band))
        .collect::<std::io::Result<_>>()
        .map_err(tiff::TiffError::from)?;

    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file)?;
    let mut directory = encoder.image_directory()?;
    let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
    for strip in &strips {
        let offset = directory.write_data(strip.as_slice())?;
        offsets.push(u32::try_from(offset).map_err(tiff::TiffError::from)?);
        lengths.push(strip.len() as u32);
    }
    let of_each = |value: u16| vec![value; bands.len()];
    directory.write_tag(Tag::ImageWidth, columns as u32)?;
    directory.write_tag(Tag::ImageLength, rows as u32)?;
    directory.write_tag(Tag::BitsPerSample, of_each(32).as_slice())?;
    directory.write_tag(Tag::Compression, 8_u16)?; // Deflate
    directory.write_tag(Tag::PhotometricInterpretation, 1_u16)?; // 0 is black
    directory.write_tag(Tag::StripOffsets, offsets.as_slice())?;
    directory.write_tag(Tag::SamplesPerPixel, bands.len() as u16)?;
    directory.write_tag(Tag::RowsPerStrip, ROWS_PER_STRIP as u32)?;
    directory.write_tag(Tag::StripByteCounts, lengths.as_slice())?;
    directory.write_tag(Tag::PlanarConfiguration, 2_u16)?; // Band by band
    if bands.len() > 1 {
        directory.write_tag(Tag::ExtraSamples, vec![0_u16; bands.len() - 1].as_slice())?;
    }
    directory.write_tag(Tag::SampleFormat, of_each(3).as_slice())?; // IEEE floating point
    directory.write_tag(MODEL_PIXEL_SCALE, [grid.cell_width, grid.cell_height, 0.0].as_slice())?;
    directory.write_tag(MODEL_TIEPOINT, [0.0, 0.0, 0.0, grid.left, grid.top, 0.0].as_slice())?;
    keys::of(grid).write(&mut directory)?;
    directory.write_tag(GDAL_METADATA, metadata(unit, bands).as_str())?;
    directory.write_tag(GDAL_NODATA, "nan")?;
    directory.finish()?;
    Ok(file.into_inner())
}

/// The rows of a strip, little-endian, deflated.
fn strip(values: &Array2<f32>, number: usize) -> std::io::Result<Vec<u8>> {
    let rows = values.outer_iter().skip(number * ROWS_PER_STRIP).take(ROWS_PER_STRIP);
    let bytes: Vec<u8> = rows.flat_map(|row| row.iter().flat_map(|v| v.to_ne_bytes()).collect::<Vec<_>>()).collect();
    let mut deflated = ZlibEncoder::new(Vec::with_capacity(bytes.len() / 8), COMPRESSION);
    deflated.write_all(&bytes)?;
    deflated.finish()
}

/// Names and unit of the bands, as GDAL keeps them.
fn metadata(unit: &str, bands: &[Band<'_>]) -> String {
    let items = bands.iter().enumerate().map(|(i, band)| {
        let (name, unit) = (escaped(&band.name), escaped(unit));
        format!(
            "<Item name=\"DESCRIPTION\" sample=\"{i}\" role=\"description\">{name}</Item>\
             <Item name=\"UNITTYPE\" sample=\"{i}\" role=\"unittype\">{unit}</Item>"
        )
    });
    format!("<GDALMetadata>{}</GDALMetadata>", items.collect::<String>())
}

/// Text as XML holds it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bands_that_are_none_or_of_another_shape_are_refused_by_name() {
        let grid = Grid::around_radar(50.0, 5.0, 4.0, 1.0);
        assert!(matches!(write(&grid, "mm/h", &[]), Err(WriteError::Nothing { what: "band" })));
        let values = Array2::zeros((3, 8));
        let refused = write(&grid, "mm/h", &[Band { name: "now".into(), values: &values }]).unwrap_err();
        assert_eq!(refused.to_string(), "now has shape [3, 8], expected [8, 8]");
    }
}
