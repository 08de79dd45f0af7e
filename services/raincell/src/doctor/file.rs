//! The config file as a whole, before any section of it.

use std::path::Path;

use super::{CONFIG, Finding};
use crate::cli::UsageError;

/// The sections that somebody reads.
const SECTIONS: [&str; 6] = ["store", "prepare", "nowcast", "api", "alert", "trace"];

/// What would be wrong with every section alike, said once; else the names in the file that nobody reads.
///
/// # Errors
/// When the file cannot be read or is no TOML.
pub(super) fn look(file: &Path) -> Result<Vec<Finding>, UsageError> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|cause| {
        UsageError(format!(
            "config file {shown}: {cause}; `--config` names the one that the services were started with, and without \
             `--config` the doctor looks at the defaults"
        ))
    })?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        UsageError(format!("config file {shown}, line {line}: {}", error.message().replace('\n', ": ")))
    })?;
    let strangers = table.keys().filter(|name| !SECTIONS.contains(&name.as_str()));
    Ok(strangers.map(|name| unread(name)).collect())
}

fn unread(name: &str) -> Finding {
    let advice = format!("sections are [{}]; a key stands below the section of its service", SECTIONS.join("], ["));
    Finding::warning(CONFIG, name, "nobody reads this", &advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked_at(text: &str) -> Result<Vec<Finding>, UsageError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        look(file.path())
    }

    #[test]
    fn a_file_that_is_not_there_is_one_message() {
        let UsageError(message) = look(Path::new("/no/such.toml")).unwrap_err();
        assert!(message.starts_with("config file /no/such.toml: No such file"), "{message}");
    }

    #[test]
    fn what_is_no_toml_is_named_by_its_line() {
        let UsageError(message) = looked_at("[store]\nbind = '1'\n[api\n").unwrap_err();
        assert!(message.contains(".toml, line 3: ") || message.contains(", line 3: "), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }

    #[test]
    fn a_section_that_nobody_reads_is_named() {
        assert!(looked_at("[store]\n[trace]\n").unwrap().is_empty());
        let findings = looked_at("speed = 1\n[stroe]\n").unwrap();
        let subjects: Vec<&str> = findings.iter().map(|finding| finding.subject.as_str()).collect();
        assert_eq!(subjects, ["speed", "stroe"]);
    }
}
