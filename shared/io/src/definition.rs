//! What a PROJ definition says, key by key.

/// A PROJ definition taken apart.
pub(crate) struct Definition<'a>(pub &'a str);

impl<'a> Definition<'a> {
    /// The value of `+key=value`.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.0.split_whitespace().find_map(|token| token.strip_prefix('+')?.strip_prefix(key)?.strip_prefix('='))
    }

    /// A number, perhaps with the letter of its hemisphere (`25E`, `90N`).
    pub fn number(&self, key: &str) -> Option<f64> {
        let text = self.text(key)?;
        let sign = if text.ends_with(['W', 'S']) { -1.0 } else { 1.0 };
        text.trim_end_matches(['E', 'W', 'N', 'S']).parse::<f64>().ok().map(|value| sign * value)
    }

    /// Scale at the origin, 1 where none is given.
    pub fn scale_factor(&self) -> f64 {
        self.number("k_0").or_else(|| self.number("k")).unwrap_or(1.0)
    }

    /// Half axes in metres.
    pub fn ellipsoid(&self) -> (f64, f64) {
        if let Some(radius) = self.number("R") {
            return (radius, radius);
        }
        let (major, flattening) = match self.text("ellps").or_else(|| self.text("datum")) {
            Some("bessel") => (6_377_397.155, 1.0 / 299.152_812_8),
            Some("GRS80") => (6_378_137.0, 1.0 / 298.257_222_101),
            Some("intl") => (6_378_388.0, 1.0 / 297.0),
            Some("airy") => (6_377_563.396, 1.0 / 299.324_964_6),
            _ => (6_378_137.0, 1.0 / 298.257_223_563),
        };
        match (self.number("a"), self.number("b")) {
            (Some(a), Some(b)) => (a, b),
            (Some(a), None) => (a, self.number("rf").map_or(a, |rf| a * (1.0 - 1.0 / rf))),
            (None, _) => (major, major * (1.0 - flattening)),
        }
    }
}
