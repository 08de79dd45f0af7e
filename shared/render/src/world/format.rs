//! Reads the packed map of the world; `data/make_world.mjs` describes its layout.

use std::io::Read;

use super::{LonLat, Place, Polyline, World};

/// A reader of bytes, for which everything missing or out of range is `None`.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn f64(&mut self) -> Option<f64> {
        self.take(8)?.try_into().ok().map(f64::from_le_bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A count of things of at least a byte each.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.varint()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }
}

/// The world, or `None` if the bytes are not one.
pub(super) fn decode(packed: &[u8]) -> Option<World> {
    let mut raw = Vec::with_capacity(packed.len() * 2);
    flate2::read::GzDecoder::new(packed).read_to_end(&mut raw).ok()?;
    let mut bytes = Bytes(&raw);
    if bytes.take(8)? != b"RCWORLD1" {
        return None;
    }
    let grid = Quantisation::read(&mut bytes)?;
    let arcs = grid.lines(&mut bytes)?;
    let land = (0..bytes.count()?).map(|_| read_ring(&mut bytes, &arcs)).collect::<Option<_>>()?;
    let mut arc = 0;
    let borders = (0..bytes.count()?)
        .map(|_| {
            arc += bytes.count()?;
            arcs.get(arc).cloned().map(Polyline::new)
        })
        .collect::<Option<_>>()?;
    let lakes = grid.lines(&mut bytes)?.into_iter().map(Polyline::new).collect();
    Some(World { land, lakes, borders, places: read_places(&mut bytes)? })
}

/// The grid that positions are counted on.
struct Quantisation {
    scale_lon: f64,
    scale_lat: f64,
    zero_lon: f64,
    zero_lat: f64,
}

impl Quantisation {
    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        let (scale_lon, scale_lat) = (bytes.f64()?, bytes.f64()?);
        let (zero_lon, zero_lat) = (bytes.f64()?, bytes.f64()?);
        Some(Self { scale_lon, scale_lat, zero_lon, zero_lat })
    }

    /// Lines as chains of steps, each line beginning where the one before ended.
    fn lines(&self, bytes: &mut Bytes<'_>) -> Option<Vec<Vec<LonLat>>> {
        let (mut x, mut y) = (0_i64, 0_i64);
        let mut point = |bytes: &mut Bytes<'_>| {
            x = x.checked_add(bytes.signed()?)?;
            y = y.checked_add(bytes.signed()?)?;
            let (lon, lat) = (self.zero_lon + x as f64 * self.scale_lon, self.zero_lat + y as f64 * self.scale_lat);
            Some([lon as f32, lat as f32])
        };
        (0..bytes.count()?).map(|_| (0..bytes.count()?).map(|_| point(bytes)).collect()).collect()
    }
}

/// A ring is a chain of arcs, each beginning where the one before ended.
fn read_ring(bytes: &mut Bytes<'_>, arcs: &[Vec<LonLat>]) -> Option<Polyline> {
    let mut points: Vec<LonLat> = Vec::new();
    for _ in 0..bytes.count()? {
        let reference = bytes.signed()?;
        let backwards = reference < 0;
        let arc = arcs.get(usize::try_from(if backwards { !reference } else { reference }).ok()?)?;
        points.pop();
        if backwards {
            points.extend(arc.iter().rev());
        } else {
            points.extend(arc);
        }
    }
    Some(Polyline::new(points))
}

fn read_places(bytes: &mut Bytes<'_>) -> Option<Vec<Place>> {
    let count = bytes.count()?;
    let mut population = 0_u64;
    let populations: Vec<u32> = (0..count)
        .map(|i| {
            let step = bytes.varint()?;
            population = if i == 0 { step } else { population.checked_sub(step)? };
            u32::try_from(population).ok()
        })
        .collect::<Option<_>>()?;
    let degrees = |bytes: &mut Bytes<'_>| -> Option<Vec<f64>> {
        (0..count).map(|_| Some(bytes.signed()? as f64 / 1000.0)).collect()
    };
    let latitudes = degrees(bytes)?;
    let longitudes = degrees(bytes)?;
    let countries = bytes.take(count * 2)?;
    let lengths: Vec<usize> = (0..count).map(|_| bytes.count()).collect::<Option<_>>()?;
    (0..count)
        .map(|i| {
            Some(Place {
                name: std::str::from_utf8(bytes.take(lengths[i])?).ok()?.to_owned(),
                country: std::str::from_utf8(&countries[2 * i..2 * i + 2]).ok()?.trim().to_owned(),
                lat_deg: latitudes[i],
                lon_deg: longitudes[i],
                population: populations[i],
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_world_are_refused() {
        assert!(decode(b"").is_none());
        assert!(decode(b"not gzip at all").is_none());
        let mut cut = super::super::PACKED.to_vec();
        cut.truncate(cut.len() / 2);
        assert!(decode(&cut).is_none());
    }

    #[test]
    fn signed_numbers_are_zigzag() {
        for (byte, value) in [(0, 0), (1, -1), (2, 1), (3, -2)] {
            assert_eq!(Bytes(&[byte]).signed(), Some(value));
        }
        assert_eq!(Bytes(&[0xff; 12]).varint(), None);
    }
}
