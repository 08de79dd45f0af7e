//! Tokens, keys and passwords that show in no log.

use serde::Deserialize;

/// A secret; what is printed of it are three stars.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// For what was read elsewhere.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for whoever sends or signs with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// True when none is configured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_empty() { "(none)" } else { "***" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?} {:?}", Secret::new("hunter2"), Secret::default()), "*** (none)");
        assert_eq!(Secret::new("hunter2").reveal(), "hunter2");
    }
}
