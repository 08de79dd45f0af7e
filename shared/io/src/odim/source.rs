//! The `what/source` string of ODIM_H5: `WMO:02606,RAD:SE50,PLC:Ängelholm`.

/// The identifiers of a source string.
pub(crate) struct OdimSource<'a>(Vec<(&'a str, &'a str)>);

impl<'a> OdimSource<'a> {
    /// Splits the string; parts without a colon are left out. Some makers separate with semicolons.
    pub(crate) fn parse(text: &'a str) -> Self {
        let pair = |part: &'a str| part.split_once(':').map(|(key, value)| (key.trim(), value.trim()));
        Self(text.split([',', ';']).filter_map(pair).filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The value of one key.
    pub(crate) fn get(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|(k, _)| *k == key).map(|(_, value)| *value)
    }

    /// The shortest name that tells this radar from others.
    pub(crate) fn radar_id(&self) -> Option<String> {
        ["NOD", "RAD", "WMO", "PLC", "CMT"].into_iter().find_map(|key| self.get(key)).map(str::to_owned)
    }

    /// The shortest name that tells the maker of this composite from others.
    pub(crate) fn composite_id(&self) -> Option<String> {
        ["NOD", "CMT", "PLC", "ORG", "RAD", "WMO"].into_iter().find_map(|key| self.get(key)).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_comes_before_other_names_and_separators_may_differ() {
        let id = |text| OdimSource::parse(text).radar_id();
        assert_eq!(id("WMO:06475,RAD:BX43,PLC:Helchteren,NOD:behel").as_deref(), Some("behel"));
        assert_eq!(id("RAD:NL51;PLC:nldhl").as_deref(), Some("NL51"));
        assert_eq!(id("nothing"), None);
        assert_eq!(OdimSource::parse("ORG:247,CMT:mch_20150515").composite_id().as_deref(), Some("mch_20150515"));
    }
}
