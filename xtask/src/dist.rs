//! `cargo xtask dist`: what goes into which archive.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args;
use sha2::{Digest, Sha256};

use crate::archive::Archive;
use crate::dependencies::Dependencies;
use crate::{build, licences, map_page, sbom};

const SERVICES: [&str; 5] = ["store", "prepare", "nowcast", "api", "alert"];
const PLATFORM: &str = "x86_64-linux";

/// Command line.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Folder to write to; made where it is missing
    #[arg(long)]
    out: PathBuf,
    /// Folder with binaries that are built already; else they are built for release
    #[arg(long)]
    bin_dir: Option<PathBuf>,
    /// Name of the release; default: the version of the workspace
    #[arg(long)]
    version: Option<String>,
}

/// What all archives are made from.
struct Workshop {
    root: PathBuf,
    binaries: PathBuf,
    version: String,
    /// Seconds since 1970: that of the commit, or `SOURCE_DATE_EPOCH`.
    time: u64,
    dependencies: Dependencies,
    out: PathBuf,
}

/// Makes the archives.
///
/// # Errors
/// What is missing or cannot be built, read or written.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the project")?.to_owned();
    let time = time_of_release(&root)?;
    let dependencies = Dependencies::read(&root)?;
    let version = match &arguments.version {
        Some(version) => version.clone(),
        None => dependencies.own("raincell")?.version.clone(),
    };
    if !is_version(&version) {
        bail!(
            "--version is `{version}`, expected letters, digits, dots, dashes and plus signs, a digit or letter first"
        );
    }
    std::fs::create_dir_all(&arguments.out).with_context(|| arguments.out.display().to_string())?;
    let binaries = match &arguments.bin_dir {
        Some(folder) => folder.clone(),
        None => build::release(&root, time)?,
    };
    let workshop = Workshop { root, binaries, version, time, dependencies, out: arguments.out.clone() };
    let mut names = Vec::new();
    let mut whole = Archive::default();
    for service in SERVICES {
        names.push(workshop.service(service, &mut whole)?);
    }
    names.push(workshop.whole(whole)?);
    workshop.sums(&mut names)
}

impl Workshop {
    /// The archive of one service; the whole gets its program, units and defaults.
    fn service(&self, service: &str, whole: &mut Archive) -> anyhow::Result<String> {
        let program = format!("raincell-{service}");
        let folder = self.root.join("services").join(service);
        let mut archive = Archive::default();
        let binary = build::stripped(&self.binaries, &program)?;
        whole.add_program(format!("bin/{program}"), binary.clone());
        archive.add_program(format!("bin/{program}"), binary);
        for unit in [format!("{program}.service"), format!("{program}.socket")] {
            let file = folder.join(&unit);
            if file.is_file() {
                let text = read(&file)?;
                whole.add(format!("systemd/{unit}"), text.clone());
                archive.add(unit, text);
            }
        }
        let defaults = read(&folder.join("config.default.toml"))?;
        whole.add(format!("config/{service}.default.toml"), defaults.clone());
        archive.add("config.default.toml", defaults);
        self.papers(&mut archive, &program, service == "api")?;
        self.write(&archive, &program)
    }

    /// The archive of everything.
    fn whole(&self, mut archive: Archive) -> anyhow::Result<String> {
        archive.add_program("bin/raincell", build::stripped(&self.binaries, "raincell")?);
        self.papers(&mut archive, "raincell", true)?;
        self.write(&archive, "raincell")
    }

    /// Licences, bill of materials, version.
    fn papers(&self, archive: &mut Archive, program: &str, with_page: bool) -> anyhow::Result<()> {
        let root = self.dependencies.own(program)?;
        let modules = if with_page { map_page::modules(&self.root)? } else { Vec::new() };
        let own_text = read(&self.root.join("LICENSE"))?;
        let crates = self.dependencies.of(root);
        archive.add("LICENSES.md", licences::list(program, &crates, &modules, &own_text)?);
        archive.add("sbom.cdx.json", sbom::document(&self.dependencies, root, &self.version, &modules, self.time)?);
        archive.add("VERSION", format!("{}\n", self.version));
        Ok(())
    }

    fn write(&self, archive: &Archive, program: &str) -> anyhow::Result<String> {
        let folder = format!("{program}-{}", self.version);
        let name = format!("{folder}-{PLATFORM}.tar.gz");
        archive.write(&self.out.join(&name), &folder, self.time)?;
        println!("{}", self.out.join(&name).display());
        Ok(name)
    }

    /// `SHA256SUMS`, as `sha256sum --check` reads it.
    fn sums(&self, names: &mut [String]) -> anyhow::Result<()> {
        names.sort_unstable();
        let mut text = String::new();
        for name in names {
            let file = self.out.join(&name);
            let bytes = std::fs::read(&file).with_context(|| file.display().to_string())?;
            for byte in Sha256::digest(&bytes) {
                write!(text, "{byte:02x}")?;
            }
            writeln!(text, "  {name}")?;
        }
        let file = self.out.join("SHA256SUMS");
        std::fs::write(&file, text).with_context(|| file.display().to_string())
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| file.display().to_string())
}

/// It becomes the name of files and folders.
fn is_version(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-+_~".contains(c))
}

fn time_of_release(root: &Path) -> anyhow::Result<u64> {
    if let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") {
        return text.parse().with_context(|| format!("SOURCE_DATE_EPOCH is `{text}`, expected seconds since 1970"));
    }
    let output =
        Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root).output().context("git log")?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().context("no commit to take the time from: set SOURCE_DATE_EPOCH")
}
