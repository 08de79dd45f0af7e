//! Configuration in layers: documented defaults → TOML file → environment.
//!
//! One file serves all services: each reads its own section (`[store]`, `[api]`, …). The environment overrides single
//! keys as `RAINCELL_<SECTION>__<KEY>` (`RAINCELL_API__BIND=0.0.0.0:8080`); a `.env` file beside the binary or in the
//! working directory is read first and never overrides what the environment already has.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use figment::value::Value;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file is not there or not readable.
    #[error("config file {path}: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A key is missing, unknown or of the wrong type.
    #[error("config of [{section}]: {cause}")]
    Shape {
        /// Section of the service.
        section: &'static str,
        /// Which key, and where it was set.
        cause: Box<figment::Error>,
    },
    /// Keys are well-formed, but some values cannot be used; all of them are listed.
    #[error("config of [{section}]: {}", problems.join("; "))]
    Values {
        /// Section of the service.
        section: &'static str,
        /// One sentence for each, naming the key.
        problems: Vec<String>,
    },
}

/// The configuration of one service.
pub trait ServiceConfig: DeserializeOwned {
    /// The section of the file, which is also the name of the service.
    const SECTION: &'static str;
    /// The documented defaults (`config.default.toml` of the service).
    const DEFAULTS: &'static str;

    /// Everything that is wrong with the values, one sentence each that names the key.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    /// The address that the service listens on.
    fn bind(&self) -> &str;
}

/// Reads `.env` from the folder of the binary, then from the working directory.
pub fn read_dotenv() {
    if let Ok(binary) = std::env::current_exe()
        && let Some(folder) = binary.parent()
    {
        // A missing file is the usual case, not an error.
        let _ = dotenvy::from_path(folder.join(".env"));
    }
    let _ = dotenvy::dotenv();
}

/// Loads and checks the configuration of one service.
///
/// # Errors
/// [`ConfigError`] naming the file, the key and what was expected; wrong values are all listed in one error.
pub fn load<C: ServiceConfig>(file: Option<&Path>) -> Result<C, ConfigError> {
    load_with(file, "")
}

/// The same, with `overrides` (TOML with sections) on top of everything: what a command line has decided.
///
/// # Errors
/// As [`load`].
pub fn load_with<C: ServiceConfig>(file: Option<&Path>, overrides: &str) -> Result<C, ConfigError> {
    let config: C = read_section(C::SECTION, C::DEFAULTS, file, overrides)?;
    let problems = config.problems();
    if problems.is_empty() { Ok(config) } else { Err(ConfigError::Values { section: C::SECTION, problems }) }
}

/// A section in its layers; its values are not looked at yet.
pub(crate) fn read_section<T: DeserializeOwned>(
    section: &'static str,
    defaults: &str,
    file: Option<&Path>,
    overrides: &str,
) -> Result<T, ConfigError> {
    let mut figment = Figment::from(Toml::string(defaults));
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::File { path: path.to_owned(), cause })?;
        figment = figment.merge(Toml::string(&text));
    }
    with_environment(&figment)
        .merge(Toml::string(overrides))
        .extract_inner(section)
        .map_err(|cause| ConfigError::Shape { section, cause: Box::new(cause) })
}

/// Lays the environment over it. What reads as a number or as `true` is still a text where the key holds one: a token of
/// digits only stays a token.
fn with_environment(figment: &Figment) -> Figment {
    let environment = Env::prefixed("RAINCELL_").split("__");
    let is_text = |figment: &Figment, key: &str| matches!(figment.find_value(key), Ok(Value::String(..)));
    let mut merged = figment.clone().merge(&environment);
    for (key, text) in environment.iter() {
        if is_text(figment, key.as_str()) && !is_text(&merged, key.as_str()) {
            merged = merged.merge((key.into_string(), text));
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        bind: String,
        minutes: i64,
        places: Vec<String>,
    }

    impl ServiceConfig for Sample {
        const SECTION: &'static str = "sample_for_tests";
        const DEFAULTS: &'static str = "[sample_for_tests]\nbind = '127.0.0.1:0'\nminutes = 5\nplaces = []\n";

        fn problems(&self) -> Vec<String> {
            let mut problems = Vec::new();
            if self.minutes <= 0 {
                problems.push(format!("minutes is {}, expected more than 0", self.minutes));
            }
            if self.places.iter().any(String::is_empty) {
                problems.push("places holds an empty name".into());
            }
            problems
        }

        fn bind(&self) -> &str {
            &self.bind
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_file_overrides_defaults_and_a_command_line_overrides_the_file() {
        let file = file("[sample_for_tests]\nminutes = 7\n[other]\nx = 1\n");
        let config: Sample = load(Some(file.path())).unwrap();
        assert_eq!((config.bind(), config.minutes), ("127.0.0.1:0", 7));
        let config: Sample = load_with(Some(file.path()), "[sample_for_tests]\nminutes = 9").unwrap();
        assert_eq!(config.minutes, 9);
    }

    #[test]
    fn every_wrong_value_is_named_in_one_error() {
        let file = file("[sample_for_tests]\nminutes = 0\nplaces = ['']\n");
        let message = load::<Sample>(Some(file.path())).unwrap_err().to_string();
        assert!(message.contains("minutes is 0") && message.contains("places holds"), "{message}");
    }

    #[test]
    fn an_unknown_key_is_named() {
        let file = file("[sample_for_tests]\nminuts = 3\n");
        let message = load::<Sample>(Some(file.path())).unwrap_err().to_string();
        assert!(message.contains("minuts"), "{message}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let message = load::<Sample>(Some(Path::new("/no/such.toml"))).unwrap_err().to_string();
        assert!(message.contains("/no/such.toml"), "{message}");
    }
}
