//! Projection definitions as met in the wild, brought to metres.

/// The same projection with the metre as its unit.
///
/// Some makers give the earth in kilometres (`+a=6378.137`), so that x and y count in kilometres too; others say
/// `+units=km`. Either way the grid's cells are converted beside it.
pub(crate) fn normalise(definition: &str) -> String {
    let tokens: Vec<&str> = definition.split_whitespace().collect();
    let value = |key: &str| {
        tokens.iter().find_map(|token| token.strip_prefix(key)?.strip_prefix('=')).and_then(|v| v.parse::<f64>().ok())
    };
    let earth_in_km =
        ["+a", "+b", "+R"].into_iter().any(|key| value(key).is_some_and(|v| (1000.0..10_000.0).contains(&v)));
    let geographic = tokens.iter().any(|t| t.starts_with("+proj=lat") || t.starts_with("+proj=lon"));
    let mut out: Vec<String> = Vec::with_capacity(tokens.len() + 1);
    for token in &tokens {
        let (key, number) = match token.split_once('=') {
            Some((key, number)) => (key, number.parse::<f64>().ok()),
            None => (*token, None),
        };
        match (key, number) {
            ("+a" | "+b" | "+R" | "+x_0" | "+y_0", Some(number)) if earth_in_km => {
                out.push(format!("{key}={}", number * 1000.0));
            }
            ("+units" | "+to_meter", _) => {}
            _ => out.push((*token).to_owned()),
        }
    }
    if !geographic {
        out.push("+units=m".into());
    }
    out.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earth_in_kilometres_becomes_one_in_metres() {
        let dutch = "+proj=stere +lat_0=90 +lon_0=0.0 +lat_ts=60.0 +a=6378.137 +b=6356.752 +x_0=0 +y_0=0";
        let metres = "+proj=stere +lat_0=90 +lon_0=0.0 +lat_ts=60.0 +a=6378137 +b=6356752 +x_0=0 +y_0=0 +units=m";
        assert_eq!(normalise(dutch), metres);
        assert_eq!(normalise("+proj=laea +lat_0=55 +units=km"), "+proj=laea +lat_0=55 +units=m");
        assert_eq!(normalise("+proj=longlat +datum=WGS84"), "+proj=longlat +datum=WGS84");
    }
}
