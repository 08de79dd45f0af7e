//! Bundles the map page where Node.js and npm are there; without them the binary serves a plain page that says how to
//! get it. Works on a copy in the build folder, so that the source tree stays as it is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// What the page is made from.
const SOURCES: [&str; 6] =
    ["package.json", "package-lock.json", ".npmrc", "src/main.js", "src/style.css", "index.html"];
/// The folder that holds the page's own modules.
const MODULES: &str = "src";
/// What the binary embeds; see `src/routes/page.rs`.
const PRODUCTS: [&str; 4] = ["index.html", "main.js", "main.css", "worker.js"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=web");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let (work, page) = (out.join("web"), out.join("page"));
    fs::create_dir_all(&page)?;
    copy_sources(Path::new("web"), &work)?;
    match bundle(&work) {
        Ok(()) => {
            fs::copy(work.join("index.html"), page.join("index.html"))?;
            for (made, product) in
                [("src/main.js", "main.js"), ("src/main.css", "main.css"), ("worker.js", "worker.js")]
            {
                let made = work.join("dist").join(Path::new(made).file_name().unwrap_or_default());
                fs::copy(made, page.join(product))?;
            }
        }
        Err(reason) => {
            println!("cargo::warning=the map page is not in this build: {reason}");
            for product in PRODUCTS {
                fs::write(page.join(product), "")?;
            }
            fs::copy("web/without-map.html", page.join("index.html"))?;
        }
    }
    Ok(())
}

/// Copies only what has changed, so that npm and the bundler see the times that they saw before.
fn copy_sources(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to.join(MODULES))?;
    let mut names: Vec<PathBuf> = SOURCES.iter().map(PathBuf::from).collect();
    for entry in fs::read_dir(from.join(MODULES))? {
        names.push(Path::new(MODULES).join(entry?.file_name()));
    }
    for name in names {
        let text = fs::read(from.join(&name))?;
        if fs::read(to.join(&name)).ok().as_ref() != Some(&text) {
            fs::write(to.join(&name), text)?;
        }
    }
    Ok(())
}

/// Installs what the lock file names, once for each state of it, and bundles.
fn bundle(work: &Path) -> Result<(), String> {
    let lock = fs::read(work.join("package-lock.json")).map_err(|e| e.to_string())?;
    let installed = work.join("node_modules/.installed-lock.json");
    if fs::read(&installed).ok().as_ref() != Some(&lock) {
        npm(work, &["ci", "--no-progress", "--loglevel=error"])?;
        fs::write(&installed, lock).map_err(|e| e.to_string())?;
    }
    npm(work, &["run", "--silent", "build"])
}

fn npm(work: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("npm").args(arguments).current_dir(work).output();
    let output = output.map_err(|e| format!("npm cannot be run ({e}); install Node.js with npm and build again"))?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let last = told.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_owned();
    Err(format!("npm {} failed: {last}", arguments[0]))
}
