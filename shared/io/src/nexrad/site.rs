//! Which radar a volume is of, and where it stands.

use nexrad_model::meta::registry::site_by_id;
use raincell_model::RadarSite;

use super::container::VolumeHeader;
use crate::ReadErrorKind;

/// Radars that the registry no longer lists, as the NCEI station list of their time gave them: identifier, name,
/// latitude, longitude, height of the ground in metres.
const CLOSED_SITES: [(&str, &str, f64, f64, f64); 1] = [("KLIX", "Slidell, LA", 30.3367, -89.8256, 7.0)];

/// The radar, by the identifier in the volume header or else in the file name; its place from the radials, or (legacy
/// messages do not hold it) from the registry of NEXRAD sites, which gives the height of the ground.
pub(crate) fn find(
    header: &VolumeHeader,
    place: Option<(f64, f64, f64)>,
    file_name: &str,
) -> Result<RadarSite, ReadErrorKind> {
    let id = header.icao.clone().or_else(|| icao_of_name(file_name)).ok_or_else(|| ReadErrorKind::Field {
        field: "radar identifier".into(),
        expected: "four letters in the volume header or at the start of the file name".into(),
        found: "neither".into(),
    })?;
    let entry = site_by_id(&id);
    let closed = CLOSED_SITES.iter().find(|(closed, ..)| *closed == id);
    let name = entry.map(|e| match e.state {
        Some(state) => format!("{}, {state}", e.city),
        None => e.city.to_owned(),
    });
    let name = name.or_else(|| closed.map(|(_, name, ..)| (*name).to_owned()));
    let plausible = |(lat, lon, height): &(f64, f64, f64)| {
        lat.abs() <= 90.0 && lon.abs() <= 180.0 && (*lat, *lon) != (0.0, 0.0) && (-500.0..=9000.0).contains(height)
    };
    let registered = || match (entry, closed) {
        (Some(e), _) => Some((e.latitude, e.longitude, f64::from(e.site_elevation_meters))),
        (None, Some((_, _, lat, lon, height))) => Some((*lat, *lon, *height)),
        (None, None) => None,
    };
    let Some((lat_deg, lon_deg, height_m)) = place.filter(plausible).or_else(registered) else {
        return Err(ReadErrorKind::Field {
            field: "radar identifier".into(),
            expected: "a NEXRAD site, as the file does not say where the radar stands".into(),
            found: format!("`{id}`"),
        });
    };
    Ok(RadarSite { id, name, lat_deg, lon_deg, height_m })
}

/// `KBGM` of `KBGM20050821_024323.gz`, with or without folders before it.
fn icao_of_name(file_name: &str) -> Option<String> {
    let base = file_name.rsplit(['/', '\\']).next()?;
    let icao = base.get(..4)?;
    let follows = base.as_bytes().get(4)?;
    let is_icao = icao.bytes().all(|b| b.is_ascii_uppercase()) && !follows.is_ascii_alphabetic();
    is_icao.then(|| icao.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identifier_begins_the_file_name() {
        assert_eq!(icao_of_name("raw/KBGM20050821_024323.gz").as_deref(), Some("KBGM"));
        assert_eq!(icao_of_name("KLOT_x").as_deref(), Some("KLOT"));
        for other in ["", "K", "KLOTX1", "klot2020", "20210729-123848-001-S", "Käß20"] {
            assert_eq!(icao_of_name(other), None, "{other}");
        }
    }
}
