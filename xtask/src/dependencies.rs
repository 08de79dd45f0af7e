//! Which crates a binary is made of, as `cargo metadata` resolves them for the platform.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;

/// Platform of the archives.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// All crates of the workspace and what they depend on.
#[derive(Debug)]
pub struct Dependencies {
    crates: BTreeMap<String, Crate>,
    /// Identifier → identifiers of what goes into it.
    uses: BTreeMap<String, Vec<String>>,
    /// (name, version) → SHA-256 of what the registry holds.
    checksums: BTreeMap<(String, String), String>,
}

/// One crate.
#[derive(Clone, Debug, Deserialize)]
pub struct Crate {
    /// Cargo's identifier; holds paths of this machine for crates of the workspace.
    id: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SPDX expression, or the older notation with slashes.
    license: Option<String>,
    /// Where it is kept.
    pub repository: Option<String>,
    /// `None` for crates of the workspace.
    source: Option<String>,
    manifest_path: PathBuf,
}

impl Crate {
    /// Its SPDX expression.
    pub fn licence(&self) -> String {
        self.license.as_deref().unwrap_or("unknown").replace('/', " OR ")
    }

    /// Package URL, which is also what the SBOM refers to it by.
    pub fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }

    /// Whether it is the project's own.
    pub fn is_own(&self) -> bool {
        self.source.is_none()
    }

    /// The folder with its sources.
    pub fn folder(&self) -> Option<&Path> {
        self.manifest_path.parent()
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Crate>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

impl Dependencies {
    /// Asks Cargo.
    ///
    /// # Errors
    /// When Cargo fails or says what is not understood here.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", PLATFORM])
            .current_dir(root)
            .output()
            .context("cargo metadata")?;
        if !output.status.success() {
            bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
        let lock: Lock = toml::from_str(&std::fs::read_to_string(root.join("Cargo.lock"))?).context("Cargo.lock")?;
        // What only builds or tests a crate is not in the binary.
        let goes_in = |dependency: &Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
        let uses_of = |node: Node| {
            let mut uses: Vec<String> = node.deps.into_iter().filter(goes_in).map(|d| d.pkg).collect();
            uses.sort_unstable();
            (node.id, uses)
        };
        Ok(Self {
            crates: metadata.packages.into_iter().map(|c| (c.id.clone(), c)).collect(),
            uses: metadata.resolve.nodes.into_iter().map(uses_of).collect(),
            checksums: lock.package.into_iter().filter_map(|p| Some(((p.name, p.version), p.checksum?))).collect(),
        })
    }

    /// The crate of a name, which must be one of the workspace.
    ///
    /// # Errors
    /// When there is none.
    pub fn own(&self, name: &str) -> anyhow::Result<&Crate> {
        let found = self.crates.values().find(|c| c.is_own() && c.name == name);
        found.with_context(|| format!("there is no crate {name} in the workspace"))
    }

    /// All that goes into a crate, itself among it, by name and version.
    pub fn of(&self, root: &Crate) -> Vec<&Crate> {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![&root.id]);
        while let Some(id) = waiting.pop() {
            if seen.insert(id) {
                waiting.extend(self.uses.get(id).into_iter().flatten());
            }
        }
        let mut crates: Vec<&Crate> = seen.into_iter().filter_map(|id| self.crates.get(id)).collect();
        crates.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        crates
    }

    /// What goes into a crate directly.
    pub fn direct(&self, of: &Crate) -> Vec<&Crate> {
        self.uses.get(&of.id).into_iter().flatten().filter_map(|id| self.crates.get(id)).collect()
    }

    /// SHA-256 of a crate as the registry has it.
    pub fn checksum(&self, of: &Crate) -> Option<&str> {
        self.checksums.get(&(of.name.clone(), of.version.clone())).map(String::as_str)
    }
}
