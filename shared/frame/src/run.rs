//! A nowcast run as one piece of bytes: its motion on a coarse grid, a table of products, and a frame for each.

use std::sync::Arc;

use jiff::Timestamp;
use raincell_model::{Grid, MotionField, NowcastRun};

use crate::bytes::{Reader, put_text, wrong};
use crate::header::{put_grid, read_envelope, read_grid, read_time};
use crate::motion::{decode_motion, encode_motion};
use crate::{DecodeError, EncodeError, Frame, Quantisation, decode, encode_quantised};

const MAGIC: [u8; 4] = *b"RCNC";
const VERSION: u8 = 1;
/// Name of the rain-rate products.
const RATE: &str = "rate";

/// What a run says of itself before its motion or any of its frames is decoded.
#[derive(Clone, Debug)]
pub struct RunHeader {
    /// Version of the format.
    pub version: u8,
    /// Source of the frames it was made from.
    pub source: String,
    /// Valid time of the newest frame it knows.
    pub issue_time: Timestamp,
    /// Method.
    pub method: String,
    /// Version of the engine that made it.
    pub model_version: String,
    /// Content hash of the newest frame it was made from.
    pub based_on: String,
    /// The grid that motion and products lie on.
    pub grid: Arc<Grid>,
    /// Its products, in the order of the bytes.
    pub products: Vec<ProductEntry>,
    motion: Span,
}

/// One product of a run: a sparse frame within the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductEntry {
    /// What it shows: `rate`; later `p50`, `probability-0.1` and others.
    pub name: String,
    /// When it holds.
    pub valid_time: Timestamp,
    span: Span,
}

impl ProductEntry {
    /// The bytes of the product's frame within those of its run, fit for [`decode`], [`crate::decode_point`] and the
    /// other readers of frames.
    pub fn frame_bytes<'a>(&self, run: &'a [u8]) -> &'a [u8] {
        run.get(self.span.offset..self.span.offset + self.span.length).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    offset: usize,
    length: usize,
}

impl RunHeader {
    /// Valid times of the rain-rate products, ascending.
    pub fn lead_valid_times(&self) -> Vec<Timestamp> {
        self.products_named(RATE).map(|product| product.valid_time).collect()
    }

    /// The products of one name.
    pub fn products_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ProductEntry> {
        self.products.iter().filter(move |product| product.name == name)
    }

    /// The motion of the run, from the same bytes as the header.
    ///
    /// # Errors
    /// [`DecodeError`] when it is damaged.
    pub fn decode_motion(&self, run: &[u8]) -> Result<MotionField, DecodeError> {
        let bytes = run.get(self.motion.offset..self.motion.offset + self.motion.length).unwrap_or_default();
        decode_motion(bytes, self.motion.offset, &self.grid)
    }
}

/// Encodes a run: its fields as products named `rate`.
///
/// # Errors
/// [`EncodeError`] when a part cannot be encoded or lies on another grid than the motion.
pub fn encode_run(run: &NowcastRun) -> Result<Vec<u8>, EncodeError> {
    encode_run_with(run, &[])
}

/// Encodes a run together with further products of it, each under the name in its frame.
///
/// # Errors
/// As [`encode_run`].
pub fn encode_run_with(run: &NowcastRun, further: &[Frame]) -> Result<Vec<u8>, EncodeError> {
    encode_run_of(run, further.iter().map(EncodedProduct::of).collect::<Result<_, _>>()?)
}

/// Encodes a run together with further products of it that are encoded already: a large run need not hold all of its
/// fields at once.
///
/// # Errors
/// As [`encode_run`].
pub fn encode_run_of(run: &NowcastRun, further: Vec<EncodedProduct>) -> Result<Vec<u8>, EncodeError> {
    let grid = &run.motion.grid;
    let mut products = Vec::with_capacity(run.fields.len() + further.len());
    for field in &run.fields {
        let frame = Frame { source: run.source.clone(), product: RATE.to_owned(), field: field.clone() };
        products.push(EncodedProduct::of(&frame)?);
    }
    products.extend(further);
    if let Some(other) = products.iter().find(|product| *product.grid != **grid) {
        return Err(EncodeError::GridMismatch { what: format!("product {} of {}", other.name, other.valid_time) });
    }
    if u16::try_from(products.len()).is_err() {
        return Err(EncodeError::TooManyProducts { found: products.len(), most: usize::from(u16::MAX) });
    }
    let motion = encode_motion(&run.motion)?;
    let mut bytes = Vec::with_capacity(1024);
    bytes.extend(MAGIC);
    bytes.extend([VERSION, 0, 0, 0]);
    bytes.extend([0; 4]);
    bytes.extend(run.issue_time.as_millisecond().to_le_bytes());
    put_grid(&mut bytes, grid);
    for (field, text) in [
        ("source", &run.source),
        ("method", &run.method),
        ("model version", &run.model_version),
        ("based on", &run.based_on),
        ("projection", &grid.projection),
    ] {
        put_text(&mut bytes, field, text)?;
    }
    bytes.extend((motion.len() as u64).to_le_bytes());
    bytes.extend((products.len() as u16).to_le_bytes());
    for product in &products {
        put_text(&mut bytes, "product", &product.name)?;
        bytes.extend(product.valid_time.as_millisecond().to_le_bytes());
        bytes.extend((product.bytes.len() as u64).to_le_bytes());
    }
    crate::header::seal(&mut bytes);
    bytes.extend(motion);
    for product in products {
        bytes.extend(product.bytes);
    }
    Ok(bytes)
}

/// A product of a run as bytes.
#[derive(Clone, Debug)]
pub struct EncodedProduct {
    name: String,
    valid_time: Timestamp,
    grid: Arc<Grid>,
    bytes: Vec<u8>,
}

impl EncodedProduct {
    /// Encodes a frame, to be a product under its name.
    ///
    /// # Errors
    /// As [`encode`].
    pub fn of(frame: &Frame) -> Result<Self, EncodeError> {
        Self::quantised(frame, Quantisation::of_product(&frame.product))
    }

    /// The same with a quantisation of one's own.
    ///
    /// # Errors
    /// As [`encode_quantised`].
    pub fn quantised(frame: &Frame, quantisation: Quantisation) -> Result<Self, EncodeError> {
        let (name, valid_time, grid) = (frame.product.clone(), frame.field.valid_time, Arc::clone(&frame.field.grid));
        Ok(Self { bytes: encode_quantised(frame, quantisation)?, name, valid_time, grid })
    }
}

/// Decodes a run: motion and the products named `rate`. Products of other names are left alone; see
/// [`ProductEntry::frame_bytes`].
///
/// # Errors
/// [`DecodeError`] says which field is wrong and where; in a product its place counts from the beginning of its frame.
pub fn decode_run(bytes: &[u8]) -> Result<NowcastRun, DecodeError> {
    let header = decode_run_header(bytes)?;
    let motion = header.decode_motion(bytes)?;
    let mut fields = Vec::new();
    for product in header.products_named(RATE) {
        let mut field = decode(product.frame_bytes(bytes))?.field;
        if *field.grid != *header.grid || field.valid_time != product.valid_time {
            let expected = format_args!("a frame of {} on the grid of the run", product.valid_time).to_string();
            let found = format_args!("one of {} on {:?}", field.valid_time, field.grid).to_string();
            return Err(wrong("frame of a product", product.span.offset, expected, found));
        }
        field.grid = Arc::clone(&header.grid);
        fields.push(field);
    }
    Ok(NowcastRun {
        source: header.source,
        issue_time: header.issue_time,
        method: header.method,
        model_version: header.model_version,
        based_on: header.based_on,
        motion,
        fields,
    })
}

/// Decodes only what the run says of itself, and checks that it is whole (not its checksums of motion and frames).
///
/// # Errors
/// [`DecodeError`] says which field is wrong and where it stands.
pub fn decode_run_header(bytes: &[u8]) -> Result<RunHeader, DecodeError> {
    let header = read_envelope(bytes, MAGIC, VERSION)?;
    let mut reader = Reader::new(header);
    reader.take("magic, version, reserved, header length", 12)?;
    let issue_time = read_time(&mut reader, "issue time")?;
    let grid = read_grid(&mut reader)?;
    let source = reader.text("source")?;
    let method = reader.text("method")?;
    let model_version = reader.text("model version")?;
    let based_on = reader.text("based on")?;
    let projection = reader.text("projection")?;
    let mut next = header.len() + 4;
    let motion = read_span(&mut reader, "length of the motion", &mut next, bytes.len())?;
    let count = reader.u16("number of products")?;
    let mut products = Vec::new();
    for _ in 0..count {
        let name = reader.text("product")?;
        let valid_time = read_time(&mut reader, "valid time of a product")?;
        let span = read_span(&mut reader, "length of a product", &mut next, bytes.len())?;
        products.push(ProductEntry { name, valid_time, span });
    }
    if next != bytes.len() {
        let found = format_args!("{} bytes", bytes.len() - next).to_string();
        return Err(wrong("end of the run", next, "nothing after the last product", found));
    }
    Ok(RunHeader {
        version: VERSION,
        source,
        issue_time,
        method,
        model_version,
        based_on,
        grid: Arc::new(Grid { projection, ..grid }),
        products,
        motion,
    })
}

/// A length that must lie within what is left; moves `next` past it.
fn read_span(reader: &mut Reader<'_>, field: &'static str, next: &mut usize, end: usize) -> Result<Span, DecodeError> {
    let at = reader.offset();
    let length = reader.u64(field)?;
    let left = end - *next;
    let Some(length) = usize::try_from(length).ok().filter(|length| *length <= left) else {
        return Err(wrong(field, at, format_args!("at most {left}"), length));
    };
    let span = Span { offset: *next, length };
    *next += length;
    Ok(span)
}
