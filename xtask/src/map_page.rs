//! What npm puts into the map page, which `raincell-api` holds.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

/// One npm package.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SPDX expression.
    pub licence: String,
}

#[derive(Deserialize)]
struct Lock {
    packages: BTreeMap<String, Package>,
}

#[derive(Deserialize)]
struct Package {
    version: Option<String>,
    license: Option<String>,
    #[serde(default)]
    dev: bool,
}

impl Module {
    /// Package URL.
    pub fn purl(&self) -> String {
        format!("pkg:npm/{}@{}", self.name.replace('@', "%40"), self.version)
    }
}

/// Those that are in the page, not those that only build it.
///
/// # Errors
/// When the lock file cannot be read.
pub fn modules(root: &Path) -> anyhow::Result<Vec<Module>> {
    let file = root.join("services/api/web/package-lock.json");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let lock: Lock = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
    let of = |(path, package): (String, Package)| {
        let (_, name) = path.rsplit_once("node_modules/")?;
        let licence = package.license.unwrap_or_else(|| "unknown".into());
        (!package.dev).then_some(Module { name: name.to_owned(), version: package.version?, licence })
    };
    Ok(lock.packages.into_iter().filter_map(of).collect())
}
