//! `LICENSES.md`: what a binary is made of, under which licences, with their texts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;

use crate::dependencies::Crate;
use crate::map_page::Module;

/// What the binary holds that is no crate.
const MATERIAL: &str = "\
| Natural Earth map data | public domain |
| GeoNames place names | CC-BY-4.0 |
| DejaVu font | Bitstream-Vera |
| SQLite | blessing (public domain) |
";

/// The list for a binary made of `crates` (and `modules` in its map page).
///
/// # Errors
/// When a licence file cannot be read.
pub fn list(program: &str, crates: &[&Crate], modules: &[Module], own_text: &str) -> anyhow::Result<String> {
    let mut text = format!("# Licences of {program}\n\n{program} itself: Apache-2.0, text below. It is made of:\n\n");
    text += "| what | licence |\n| --- | --- |\n";
    let others: Vec<&Crate> = crates.iter().copied().filter(|c| !c.is_own()).collect();
    for c in &others {
        writeln!(text, "| {} {} | {} |", c.name, c.version, c.licence())?;
    }
    for module in modules {
        writeln!(text, "| {} {} (map page) | {} |", module.name, module.version, module.licence)?;
    }
    text += MATERIAL;
    writeln!(text, "\n## Raincell\n\n{}", quoted(own_text))?;
    for (licence_text, of) in texts(&others)? {
        writeln!(text, "## {}\n\n{}", of.join(", "), quoted(&licence_text))?;
    }
    Ok(text)
}

/// Each text once, with the crates that it is of; in the order of these.
fn texts(crates: &[&Crate]) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let mut by_text: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for c in crates {
        for text in c.folder().map(texts_in).transpose()?.unwrap_or_default() {
            let of = by_text.entry(text).or_default();
            let name = format!("{} {}", c.name, c.version);
            if of.last() != Some(&name) {
                of.push(name);
            }
        }
    }
    let mut texts: Vec<(String, Vec<String>)> = by_text.into_iter().collect();
    texts.sort_by(|(text_a, of_a), (text_b, of_b)| (of_a, text_a).cmp(&(of_b, text_b)));
    Ok(texts)
}

fn texts_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        let says = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
        if says.iter().any(|word| name.starts_with(word)) && entry.path().is_file() {
            let bytes = std::fs::read(entry.path()).with_context(|| entry.path().display().to_string())?;
            let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
            texts.push(text.trim_end().to_owned());
        }
    }
    Ok(texts)
}

/// Longer than any fence in the texts.
fn quoted(text: &str) -> String {
    format!("`````text\n{}\n`````\n", text.trim_end())
}
