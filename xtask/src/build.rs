//! The binaries: built with nothing in them of where they were built, or taken as they are; stripped in both cases.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// Builds all binaries for release below `target/dist`, and says in which folder they are.
pub fn release(root: &Path, time: u64) -> anyhow::Result<PathBuf> {
    let target = root.join("target/dist");
    let home = std::env::var_os("CARGO_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"), PathBuf::from);
    let places = [(home.as_path(), "/cargo"), (root, "/raincell")];
    let remap = |flag: &str| places.map(|(from, to)| format!("{flag}={}={to}", from.display()));
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--release", "--locked", "--workspace", "--bins", "--exclude", "xtask"])
        .arg("--target-dir")
        .arg(&target)
        .env("CARGO_ENCODED_RUSTFLAGS", remap("--remap-path-prefix").join("\u{1f}"))
        .env("CFLAGS", remap("-ffile-prefix-map").join(" "))
        .env("CARGO_INCREMENTAL", "0")
        .env("SOURCE_DATE_EPOCH", time.to_string())
        .current_dir(root);
    let status = command.status().context("cargo build")?;
    if !status.success() {
        bail!("cargo build ended with {status}");
    }
    Ok(target.join("release"))
}

/// A binary without symbols.
pub fn stripped(folder: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let file = folder.join(name);
    if !file.is_file() {
        bail!("{} is missing: build it, or leave out --bin-dir", file.display());
    }
    let out = tempfile::NamedTempFile::new()?;
    let status = Command::new("strip").arg("--strip-all").arg("-o").arg(out.path()).arg(&file).status();
    let status = status.context("strip (of binutils) cannot be started")?;
    if !status.success() {
        bail!("strip {} ended with {status}", file.display());
    }
    std::fs::read(out.path()).with_context(|| file.display().to_string())
}
