//! Configuration of `prepare`.

mod recipe;
mod source;

use raincell_service_runtime::ServiceConfig;
use serde::Deserialize;

pub use recipe::{Recipe, ZrChoice};
pub use source::{Layout, SourceConfig, SourceKind};

/// The `[prepare]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of health, readiness and metrics.
    pub bind: String,
    /// Base address of `store`.
    pub store_url: String,
    /// Bearer token of `store`.
    pub store_token: String,
    /// The endpoint of all S3 sources, over their own: a mirror, or a local one for tests. Empty for each source's own.
    pub s3_endpoint: String,
    /// Where raw scans come from.
    pub sources: Vec<SourceConfig>,
}

impl Config {
    /// The sources that are switched on, with what the section says for all of them.
    pub fn enabled_sources(&self) -> Vec<SourceConfig> {
        let mut sources: Vec<SourceConfig> = self.sources.iter().filter(|source| source.enabled).cloned().collect();
        for source in &mut sources {
            if !self.s3_endpoint.is_empty() {
                source.endpoint.clone_from(&self.s3_endpoint);
            }
        }
        sources
    }
}

impl ServiceConfig for Config {
    const SECTION: &'static str = "prepare";
    const DEFAULTS: &'static str = include_str!("../config.default.toml");

    fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.sources.iter().flat_map(SourceConfig::problems).collect();
        let mut names: Vec<&str> = self.sources.iter().map(|s| s.name.as_str()).collect();
        names.sort_unstable();
        problems.extend(
            names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| format!("sources: two named `{}`", pair[0])),
        );
        problems
    }

    fn bind(&self) -> &str {
        &self.bind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, raincell_service_runtime::ConfigError> {
        raincell_service_runtime::config::load_with(None, text)
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        let config = load("[[prepare.sources]]\nname = 'a'\npath = '/x'\n").unwrap();
        assert_eq!(config.sources[0].recipe, Recipe::default());
        assert!(config.sources[0].enabled);
        // Each key of the commented example is one that the config knows.
        let example: Vec<&str> = Config::DEFAULTS
            .lines()
            .skip_while(|l| !l.starts_with("# [[prepare.sources]]"))
            .take_while(|l| l.starts_with('#'))
            .map(|l| l.trim_start_matches("# "))
            .collect();
        let config = load(&example.join("\n")).unwrap();
        assert_eq!(config.sources[0].recipe, Recipe::default());
    }

    #[test]
    fn an_endpoint_for_all_goes_over_that_of_each() {
        let config = load(
            "[prepare]\ns3_endpoint = 'http://local'\n\
             [[prepare.sources]]\nname = 'a'\nkind = 's3-poll'\nbucket = 'b'\nendpoint = 'https://far.test'\n\
             [[prepare.sources]]\nname = 'c'\npath = '/x'\nenabled = false\n",
        )
        .unwrap();
        let sources = config.enabled_sources();
        assert_eq!(sources.iter().map(|s| s.endpoint.as_str()).collect::<Vec<_>>(), ["http://local"]);
    }

    #[test]
    fn all_that_is_wrong_is_listed() {
        let message = load(
            "[[prepare.sources]]\nname = 'a b'\npath = '/x'\nrecipe = { cell_km = 0.0 }\n\
             [[prepare.sources]]\nname = 'c'\npath = '/x'\npoll_seconds = -1.0\n\
             [[prepare.sources]]\nname = 'c'\npath = '/x'\n\
             [[prepare.sources]]\nname = 'd'\n\
             [[prepare.sources]]\nname = 'e'\nkind = 'http-index'\nurl = 'ftp://x'\npattern = '['\n\
             [[prepare.sources]]\nname = 'f'\nkind = 's3-sqs'\nendpoint = 'x'\nvisibility_seconds = 5.0\n\
             [[prepare.sources]]\nname = 'g'\nkind = 's3-poll'\nbucket = 'b'\nlayout = 'nexrad-chunks'\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "path is empty",
            "url is `ftp://x`",
            "pattern `[`",
            "`a b`",
            "cell_km is 0",
            "poll_seconds is -1",
            "two named `c`",
            "`f`: bucket is empty",
            "endpoint is `x`",
            "queue_url is ``",
            "visibility_seconds is 5",
            "`g`: prefix is ``",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}
