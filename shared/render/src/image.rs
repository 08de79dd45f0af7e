//! Indexed pictures and their encodings.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::colors::Rgba;
use crate::error::RenderError;

/// A picture whose pixels are numbers of colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedImage {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Colours, at most 256.
    pub palette: Vec<Rgba>,
    /// One number a pixel, row by row from the top.
    pub pixels: Vec<u8>,
}

impl IndexedImage {
    /// True if every pixel is fully transparent.
    pub fn is_empty(&self) -> bool {
        let visible: Vec<bool> = (0..=255_usize).map(|i| self.palette.get(i).is_some_and(|c| c[3] > 0)).collect();
        !self.pixels.iter().any(|&p| visible[p as usize])
    }

    /// Colour of the pixel in column x, row y; transparent outside.
    pub fn color_at(&self, x: u32, y: u32) -> Rgba {
        if x >= self.width || y >= self.height {
            return [0; 4];
        }
        let pixel = self.pixels[y as usize * self.width as usize + x as usize];
        self.palette.get(pixel as usize).copied().unwrap_or([0; 4])
    }

    /// Four bytes (red, green, blue, opacity) a pixel, row by row.
    pub fn to_rgba(&self) -> Vec<u8> {
        self.pixels.iter().flat_map(|&p| self.palette.get(p as usize).copied().unwrap_or([0; 4])).collect()
    }

    /// As a PNG with the smallest palette and bit depth that holds it; an empty one is a constant where its size is
    /// that of a tile.
    ///
    /// # Errors
    /// [`RenderError::Png`] when the encoder fails.
    pub fn encode_png(&self) -> Result<Cow<'static, [u8]>, RenderError> {
        if self.width == self.height
            && self.is_empty()
            && let Some(png) = empty_png(self.width)
        {
            return Ok(Cow::Borrowed(png));
        }
        self.compacted().write_png().map(Cow::Owned)
    }

    /// As a lossless WebP.
    ///
    /// # Errors
    /// [`RenderError::WebP`] when the encoder fails.
    pub fn encode_webp(&self) -> Result<Vec<u8>, RenderError> {
        let mut out = Vec::new();
        image_webp::WebPEncoder::new(&mut out).encode(
            &self.to_rgba(),
            self.width,
            self.height,
            image_webp::ColorType::Rgba8,
        )?;
        Ok(out)
    }

    /// The same picture with only those colours that it uses, each once, the transparent ones first.
    fn compacted(&self) -> Self {
        let mut used = [false; 256];
        self.pixels.iter().for_each(|&p| used[p as usize] = true);
        let color = |i: usize| self.palette.get(i).copied().map_or([0; 4], |c| if c[3] == 0 { [0; 4] } else { c });
        let mut palette: Vec<Rgba> = (0..256).filter(|&i| used[i]).map(color).collect();
        palette.sort_by_key(|c| (c[3], *c));
        palette.dedup();
        let mut number = [0_u8; 256];
        for i in (0..256).filter(|&i| used[i]) {
            number[i] = palette.iter().position(|&c| c == color(i)).unwrap_or(0) as u8;
        }
        let pixels = self.pixels.iter().map(|&p| number[p as usize]).collect();
        Self { width: self.width, height: self.height, palette, pixels }
    }

    fn write_png(&self) -> Result<Vec<u8>, RenderError> {
        let (depth, bits) = match self.palette.len() {
            0..=2 => (png::BitDepth::One, 1),
            3..=4 => (png::BitDepth::Two, 2),
            5..=16 => (png::BitDepth::Four, 4),
            _ => (png::BitDepth::Eight, 8),
        };
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, self.width, self.height);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(depth);
        encoder.set_palette(self.palette.iter().flat_map(|c| [c[0], c[1], c[2]]).collect::<Vec<u8>>());
        // Opaque colours come last and need no entry.
        let see_through: Vec<u8> = self.palette.iter().map(|c| c[3]).take_while(|&a| a < 255).collect();
        if !see_through.is_empty() {
            encoder.set_trns(see_through);
        }
        // Filters predict gradients; indices have none.
        encoder.set_filter(png::Filter::NoFilter);
        encoder.set_compression(png::Compression::Balanced);
        encoder.set_filter(png::Filter::NoFilter);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.packed(bits))?;
        writer.finish()?;
        Ok(out)
    }

    /// Pixels packed to `bits` each, every row beginning with a byte of its own.
    fn packed(&self, bits: usize) -> Cow<'_, [u8]> {
        if bits == 8 {
            return Cow::Borrowed(&self.pixels);
        }
        let per_byte = 8 / bits;
        let mut out = Vec::new();
        for row in self.pixels.chunks(self.width.max(1) as usize) {
            for group in row.chunks(per_byte) {
                out.push(group.iter().enumerate().fold(0, |byte, (i, p)| byte | (p << (8 - bits * (i + 1)))));
            }
        }
        Cow::Owned(out)
    }
}

/// The fully transparent PNG tile of 256 or 512 pixels; `None` for other sizes.
pub fn empty_png(size: u32) -> Option<&'static [u8]> {
    static SMALL: OnceLock<Vec<u8>> = OnceLock::new();
    static LARGE: OnceLock<Vec<u8>> = OnceLock::new();
    let cell = match size {
        256 => &SMALL,
        512 => &LARGE,
        _ => return None,
    };
    let png = cell.get_or_init(|| {
        let blank =
            IndexedImage { width: size, height: size, palette: vec![[0; 4]], pixels: vec![0; (size * size) as usize] };
        blank.write_png().unwrap_or_default()
    });
    (!png.is_empty()).then_some(png)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn decode_png(bytes: &[u8]) -> Vec<u8> {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::ALPHA);
        let mut reader = decoder.read_info().unwrap();
        let mut out = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut out).unwrap();
        out.truncate(info.buffer_size());
        out
    }

    fn picture(colors: u8) -> IndexedImage {
        let palette = (0..=255_u8).map(|i| [i, 255 - i, i / 2, if i == 3 { 0 } else { 100 + i / 2 }]).collect();
        let pixels = (0..37 * 19).map(|i| (i * 7 / 3) as u8 % colors).collect();
        IndexedImage { width: 37, height: 19, palette, pixels }
    }

    #[test]
    fn pictures_of_any_number_of_colours_come_back_from_png_and_webp() {
        for colors in [1, 2, 3, 4, 5, 16, 17, 255] {
            let image = picture(colors);
            let expected: Vec<u8> = image
                .to_rgba()
                .chunks(4)
                .flat_map(|c| if c[3] == 0 { [0; 4] } else { [c[0], c[1], c[2], c[3]] })
                .collect();
            assert_eq!(decode_png(&image.encode_png().unwrap()), expected, "{colors} colours");
            let webp = image.encode_webp().unwrap();
            let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(&webp)).unwrap();
            // An opaque picture is stored without its opacity.
            let mut out = vec![0; decoder.output_buffer_size().unwrap()];
            decoder.read_image(&mut out).unwrap();
            assert!(!decoder.has_alpha() || out == image.to_rgba(), "{colors} colours");
        }
    }

    #[test]
    fn an_empty_tile_is_one_small_constant() {
        let blank = IndexedImage { width: 256, height: 256, palette: vec![[9, 9, 9, 0]], pixels: vec![0; 65536] };
        let first = blank.encode_png().unwrap();
        assert!(first.len() < 200, "{} bytes", first.len());
        assert!(matches!(first, Cow::Borrowed(_)));
        assert!(decode_png(&first).iter().all(|&b| b == 0));
        assert_eq!(empty_png(300), None);
    }
}
