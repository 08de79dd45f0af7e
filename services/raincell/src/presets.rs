//! Complete configurations for public data: what `raincell up --radar KLOT` and `--composite opera` run, and what
//! `--print-config` prints to be changed by hand.
//!
//! All of it is read anonymously from the providers' S3 buckets; credit is due to them.

use std::fmt::Write as _;

use crate::cli::{CompositeName, UpArguments, UsageError};

/// Who publishes NEXRAD, as the registry of open data on AWS has it.
const NEXRAD_CREDIT: &str = "NEXRAD Level II of NOAA's National Weather Service, published with Unidata";

/// What to bring up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preset {
    /// One WSR-88D radar by its identifier, from the archive bucket or from real-time chunks.
    Radar {
        /// Four letters, upper case.
        site: String,
        /// Chunks, as they come.
        realtime: bool,
    },
    /// A composite that somebody else makes.
    Composite(CompositeName),
}

impl Preset {
    /// What the command line asks for, if it does.
    ///
    /// # Errors
    /// When the radar's identifier is none.
    pub fn of(arguments: &UpArguments) -> Result<Option<Self>, UsageError> {
        match (&arguments.radar, arguments.composite) {
            (Some(site), _) if is_site(site) => {
                Ok(Some(Self::Radar { site: site.to_ascii_uppercase(), realtime: arguments.realtime }))
            }
            (Some(site), _) => {
                Err(UsageError(format!("--radar is `{site}`, expected the four letters of a NEXRAD radar like KLOT")))
            }
            (None, composite) => Ok(composite.map(Self::Composite)),
        }
    }

    /// Its configuration, as a file would hold it.
    pub fn config(&self) -> String {
        let (flags, credit) = match self {
            Self::Radar { site, realtime: false } => (format!("--radar {site}"), NEXRAD_CREDIT),
            Self::Radar { site, realtime: true } => (format!("--radar {site} --realtime"), NEXRAD_CREDIT),
            Self::Composite(CompositeName::Opera) => ("--composite opera".to_owned(), "OPERA, EUMETNET (CC BY 4.0)"),
            Self::Composite(CompositeName::Mrms) => ("--composite mrms".to_owned(), "MRMS, NOAA/NSSL and NCEP"),
            Self::Composite(CompositeName::Uk) => ("--composite uk".to_owned(), "Met Office (CC BY-SA 4.0)"),
        };
        let mut text = format!("# What `raincell up {flags}` runs. Data: {credit}.\n");
        text += "[store]\ndatabase = \"raincell.sqlite\"\n\n[api]\nbind = \"127.0.0.1:8080\"\n\n";
        text += self.nowcast();
        text += "[[prepare.sources]]\n";
        for (key, value) in self.source() {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{key} = {value}");
        }
        text + self.note()
    }

    fn nowcast(&self) -> &'static str {
        match self {
            // A run of 24 steps would be 2.4 GB of rates.
            Self::Composite(CompositeName::Mrms) => {
                "# 24.5 million cells: shown and served as observed; a nowcast of all of them wants a larger machine.\n\
                 [nowcast]\nenabled = false\n\n"
            }
            Self::Composite(CompositeName::Uk) => {
                "# A frame comes every 15 minutes.\n[nowcast]\nhistory_minutes = 90\n\n"
            }
            Self::Radar { .. } | Self::Composite(CompositeName::Opera) => "",
        }
    }

    /// The keys of its source.
    fn source(&self) -> Vec<(&'static str, String)> {
        let text = |text: &str| format!("{text:?}");
        let bucket = |name: &str, bucket: &str, prefix: &str, pattern: &str, region: &str| {
            vec![
                ("name", text(name)),
                ("kind", text("s3-poll")),
                ("bucket", text(bucket)),
                ("prefix", text(prefix)),
                ("pattern", text(pattern)),
                ("region", text(region)),
                ("anonymous", "true".to_owned()),
            ]
        };
        let (mut keys, more): (_, Vec<(&str, String)>) = match self {
            // What ends in _MDM tells of a volume and is none.
            Self::Radar { site, realtime: false } => (
                bucket(
                    &site.to_lowercase(),
                    "unidata-nexrad-level2",
                    &format!("%Y/%m/%d/{site}/"),
                    &format!("{site}*[!M]"),
                    "us-east-1",
                ),
                vec![("look_back_minutes", "90.0".into()), ("poll_seconds", "15.0".into())],
            ),
            Self::Radar { site, realtime: true } => (
                bucket(
                    &site.to_lowercase(),
                    "unidata-nexrad-level2-chunks",
                    &format!("{site}/"),
                    "*-[SIE]",
                    "us-east-1",
                ),
                vec![
                    ("layout", text("nexrad-chunks")),
                    ("look_back_minutes", "40.0".into()),
                    ("poll_seconds", "5.0".into()),
                ],
            ),
            Self::Composite(CompositeName::Opera) => (
                bucket("opera", "openradar-24h", "%Y/%m/%d/OPERA/COMP/", "OPERA@*@RATE.h5", "waw3-1"),
                vec![
                    ("endpoint", text("https://s3.waw3-1.cloudferro.com")),
                    ("look_back_minutes", "60.0".into()),
                    ("poll_seconds", "30.0".into()),
                ],
            ),
            Self::Composite(CompositeName::Mrms) => (
                bucket(
                    "mrms",
                    "noaa-mrms-pds",
                    "CONUS/PrecipRate_00.00/%Y%m%d/",
                    "MRMS_PrecipRate_00.00_*.grib2.gz",
                    "us-east-1",
                ),
                vec![("look_back_minutes", "30.0".into()), ("poll_seconds", "20.0".into())],
            ),
            Self::Composite(CompositeName::Uk) => (
                bucket(
                    "uk",
                    "met-office-radar-obs-data",
                    "radar/%Y/%m/%d/",
                    "*_ODIM_ng_radar_rainrate_composite_1km_UK.h5",
                    "eu-west-2",
                ),
                vec![("look_back_minutes", "120.0".into()), ("poll_seconds", "60.0".into())],
            ),
        };
        keys.extend(more);
        keys
    }

    /// How it comes sooner, for who has an AWS account.
    fn note(&self) -> &'static str {
        match self {
            Self::Radar { realtime: true, .. } => {
                "# Sooner, with an AWS account: a queue of yours subscribed to arn:aws:sns:us-east-1:684042711724:\
                 NewNEXRADLevel2ObjectFilterable\n# (filter by SiteID), then kind = \"s3-sqs\" and queue_url.\n"
            }
            Self::Composite(CompositeName::Mrms) => {
                "# Sooner, with an AWS account: a queue of yours subscribed to arn:aws:sns:us-east-1:123901341784:\
                 NewMRMSObject,\n# then kind = \"s3-sqs\" and queue_url.\n"
            }
            _ => "",
        }
    }
}

fn is_site(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use raincell_service_runtime::config;

    fn all() -> Vec<Preset> {
        let radar = |realtime| Preset::Radar { site: "KLOT".into(), realtime };
        let composites = [CompositeName::Opera, CompositeName::Mrms, CompositeName::Uk].map(Preset::Composite);
        [radar(false), radar(true)].into_iter().chain(composites).collect()
    }

    #[test]
    fn each_is_a_config_that_every_service_takes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("preset.toml");
        for preset in all() {
            std::fs::write(&file, preset.config()).unwrap();
            let prepare: raincell_prepare::Config = config::load(Some(&file)).unwrap();
            assert!(prepare.sources[0].anonymous && prepare.enabled_sources().len() == 1);
            config::load::<raincell_api::Config>(Some(&file)).unwrap();
            config::load::<raincell_nowcast::Config>(Some(&file)).unwrap();
            config::load_with::<raincell_store::Config>(Some(&file), "[store]\ntoken = 'long-enough'\n").unwrap();
        }
    }

    #[test]
    fn what_tells_of_a_volume_and_is_none_is_left_out() {
        let config = all()[0].config();
        let line = config.lines().find(|line| line.starts_with("pattern")).unwrap();
        assert_eq!(line, "pattern = \"KLOT*[!M]\"");
        let pattern = glob::Pattern::new("KLOT*[!M]").unwrap();
        for (name, taken) in [
            ("KLOT20261121_120000_V06", true),
            ("KLOT20050821_024323.gz", true),
            ("KLOT20261121_120000_V06_MDM", false),
        ] {
            assert_eq!(pattern.matches(name), taken, "{name}");
        }
    }

    #[test]
    fn four_letters_make_a_radar() {
        assert!(is_site("klot") && is_site("TJUA") && !is_site("KLO") && !is_site("K/OT"));
    }
}
