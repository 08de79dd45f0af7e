//! Configuration of `prepare`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use raincell_service_runtime::ServiceConfig;
use serde::Deserialize;

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
    /// Where raw scans come from.
    pub sources: Vec<SourceConfig>,
}

/// How a source hands over its scans.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Files that appear in a folder.
    Folder,
    /// Files that appear in a directory of a web server that lists it.
    HttpIndex,
}

/// One `[[prepare.sources]]` block.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Names the source in logs and metrics; composites are stored under it.
    pub name: String,
    /// On or off.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How it hands over its scans.
    #[serde(default = "folder")]
    pub kind: SourceKind,
    /// The folder, of a `folder` source.
    #[serde(default)]
    pub path: PathBuf,
    /// The directory, of an `http-index` source; `%Y`, `%m`, `%d`, `%H` stand for the time (UTC).
    #[serde(default)]
    pub url: String,
    /// File names that are taken, of an `http-index` source.
    #[serde(default = "any_name")]
    pub pattern: String,
    /// Files older than this are left alone, minutes, of an `http-index` source.
    #[serde(default = "two_hours")]
    pub look_back_minutes: f64,
    /// Seconds between two looks; 1 for a folder and 15 for a web server where nothing is said.
    pub poll_seconds: Option<f64>,
    /// Seconds that a file which cannot be read is given to become whole.
    #[serde(default = "five")]
    pub settle_seconds: f64,
    /// Seconds without a new chunk after which an unfinished volume is used.
    #[serde(default = "a_minute")]
    pub chunk_idle_seconds: f64,
    /// Where bad files go; empty for `dead-letters` in the folder, or `dead-letters/<name>` here.
    #[serde(default)]
    pub dead_letters: PathBuf,
    /// Name of the frames; empty for the radar's own id.
    #[serde(default)]
    pub source: String,
    /// How a scan becomes rain.
    #[serde(default)]
    pub recipe: Recipe,
}

/// Which Z–R relation turns reflectivity into rain.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ZrChoice {
    /// WSR-88D for NEXRAD files, Marshall–Palmer for all others.
    #[default]
    Auto,
    /// Z = 200 R^1.6 (Marshall and Palmer 1948).
    MarshallPalmer,
    /// Z = 300 R^1.4 (Fulton et al. 1998).
    #[serde(rename = "wsr-88d")]
    Wsr88d,
    /// Z = 250 R^1.2 (Rosenfeld et al. 1993).
    Tropical,
}

/// How a scan becomes rain: grid, Z–R, filters.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Half the side of the square grid around a radar, km.
    pub radius_km: f64,
    /// Side of a cell, km.
    pub cell_km: f64,
    /// Z–R relation.
    pub z_r: ZrChoice,
    /// Reflectivity above this counts as this, dBZ.
    pub cap_dbz: f32,
    /// Rates of composites above this are cut, mm/h.
    pub cap_mm_h: f32,
    /// Gates with a lower correlation coefficient are not rain.
    pub rhohv_gate: bool,
    /// That lower limit.
    pub rhohv_minimum: f32,
    /// Texture filter of Gabella and Notarpietro (2002).
    pub gabella: bool,
    /// Small groups of gates are not rain.
    pub despeckle: bool,
    /// Groups of fewer gates are small.
    pub despeckle_gates: usize,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            radius_km: 240.0,
            cell_km: 1.0,
            z_r: ZrChoice::Auto,
            cap_dbz: 53.0,
            cap_mm_h: 250.0,
            rhohv_gate: true,
            rhohv_minimum: 0.85,
            gabella: true,
            despeckle: true,
            despeckle_gates: 10,
        }
    }
}

fn yes() -> bool {
    true
}

fn folder() -> SourceKind {
    SourceKind::Folder
}

fn any_name() -> String {
    "*".to_owned()
}

fn two_hours() -> f64 {
    120.0
}

fn five() -> f64 {
    5.0
}

fn a_minute() -> f64 {
    60.0
}

impl SourceConfig {
    fn poll_seconds(&self) -> f64 {
        self.poll_seconds.unwrap_or(match self.kind {
            SourceKind::Folder => 1.0,
            SourceKind::HttpIndex => 15.0,
        })
    }

    /// Time between two looks.
    pub fn poll(&self) -> Duration {
        Duration::from_secs_f64(self.poll_seconds())
    }

    /// How long a bad file may go on being written.
    pub fn settle(&self) -> Duration {
        Duration::from_secs_f64(self.settle_seconds)
    }

    /// Time without a new chunk after which an unfinished volume is used.
    pub fn chunk_idle(&self) -> Duration {
        Duration::from_secs_f64(self.chunk_idle_seconds)
    }

    /// Where bad files go.
    pub fn dead_letter_folder(&self) -> PathBuf {
        match self.kind {
            _ if !self.dead_letters.as_os_str().is_empty() => self.dead_letters.clone(),
            SourceKind::Folder => self.path.join("dead-letters"),
            SourceKind::HttpIndex => Path::new("dead-letters").join(&self.name),
        }
    }

    fn problems(&self) -> Vec<String> {
        let name = &self.name;
        let mut problems = Vec::new();
        let positive = [
            ("poll_seconds", self.poll_seconds()),
            ("look_back_minutes", self.look_back_minutes),
            ("settle_seconds", self.settle_seconds),
            ("chunk_idle_seconds", self.chunk_idle_seconds),
            ("radius_km", self.recipe.radius_km),
            ("cell_km", self.recipe.cell_km),
        ];
        for (key, value) in positive {
            if !value.is_finite() || value <= 0.0 || value > 1e6 {
                problems.push(format!("sources `{name}`: {key} is {value}, expected a number above 0"));
            }
        }
        match self.kind {
            SourceKind::Folder if self.path.as_os_str().is_empty() => {
                problems.push(format!("sources `{name}`: path is empty, expected a folder"));
            }
            SourceKind::Folder => {}
            SourceKind::HttpIndex => {
                let wrong = crate::http_index::check(&self.url, &self.pattern);
                problems.extend(wrong.into_iter().map(|problem| format!("sources `{name}`: {problem}")));
            }
        }
        if self.recipe.radius_km / self.recipe.cell_km > 5000.0 {
            problems.push(format!("sources `{name}`: radius_km / cell_km is above 5000 cells"));
        }
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            problems.push(format!("sources: name `{name}` may hold letters, digits, `-` and `_` only"));
        }
        if !(0.0..=1.0).contains(&self.recipe.rhohv_minimum) {
            problems.push(format!("sources `{name}`: rhohv_minimum is {}, expected 0 to 1", self.recipe.rhohv_minimum));
        }
        problems
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
    fn all_that_is_wrong_is_listed() {
        let message = load(
            "[[prepare.sources]]\nname = 'a b'\npath = '/x'\nrecipe = { cell_km = 0.0 }\n\
             [[prepare.sources]]\nname = 'c'\npath = '/x'\npoll_seconds = -1.0\n\
             [[prepare.sources]]\nname = 'c'\npath = '/x'\n\
             [[prepare.sources]]\nname = 'd'\n\
             [[prepare.sources]]\nname = 'e'\nkind = 'http-index'\nurl = 'ftp://x'\npattern = '['\n",
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
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}
