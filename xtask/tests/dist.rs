//! The archives, made twice from the binaries that are beside this test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const SERVICES: [&str; 5] = ["store", "prepare", "nowcast", "api", "alert"];
const VERSION: &str = "1.2.3-test";

/// Where Cargo puts binaries; this test is in `deps` below it.
fn bin_dir() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}

fn dist(out: &Path, umask: &str) {
    let status = Command::new("sh")
        .args([
            "-c",
            "umask $0; exec \"$@\"",
            umask,
            env!("CARGO_BIN_EXE_xtask"),
            "dist",
            "--version",
            VERSION,
            "--out",
        ])
        .arg(out)
        .arg("--bin-dir")
        .arg(bin_dir())
        // Else that of the last commit, and somebody may commit in between.
        .env("SOURCE_DATE_EPOCH", "1750000000")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap())).collect()
}

fn unpack(archive: &Path, folder: &Path) {
    let gzip = flate2::read::GzDecoder::new(std::fs::File::open(archive).unwrap());
    tar::Archive::new(gzip).unpack(folder).unwrap();
}

fn archive(program: &str) -> String {
    format!("{program}-{VERSION}-x86_64-linux.tar.gz")
}

#[test]
fn the_same_sources_make_the_same_bytes_and_what_is_in_them_runs() {
    if !SERVICES.iter().all(|service| bin_dir().join(format!("raincell-{service}")).is_file()) {
        println!("skipped: no binaries (cargo build --workspace --bins)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    dist(&one, "022");
    dist(&two, "077");
    let (made, again) = (files(&one), files(&two));
    let mut expected: Vec<String> = SERVICES.iter().map(|service| archive(&format!("raincell-{service}"))).collect();
    expected.extend([archive("raincell"), "SHA256SUMS".into()]);
    expected.sort_unstable();
    assert_eq!(made.keys().cloned().collect::<Vec<_>>(), expected);
    for (name, bytes) in &made {
        assert!(again[name] == *bytes, "{name} differs between two runs");
    }
    let checked = Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(&one).status();
    assert!(checked.unwrap().success());

    for service in SERVICES {
        holds_what_a_service_needs(&one, folder.path(), service);
    }
    let whole = folder.path().join("whole");
    unpack(&one.join(archive("raincell")), &whole);
    let command = whole.join(format!("raincell-{VERSION}/bin/raincell"));
    assert!(Command::new(command).arg("--version").stdout(Stdio::null()).status().unwrap().success());
    assert!(whole.join(format!("raincell-{VERSION}/systemd/raincell-api.socket")).is_file());
    bills_follow_their_schema(folder.path());
    the_store_starts(&folder.path().join(format!("raincell-store-{VERSION}")));
}

fn holds_what_a_service_needs(archives: &Path, folder: &Path, service: &str) {
    let program = format!("raincell-{service}");
    unpack(&archives.join(archive(&program)), folder);
    let inside = folder.join(format!("{program}-{VERSION}"));
    let read = |name: &str| std::fs::read_to_string(inside.join(name)).unwrap();
    assert!(read(&format!("{program}.service")).contains(&format!("/srv/raincell/{service}/current/bin/{program} ")));
    assert_eq!(inside.join("raincell-api.socket").is_file(), service == "api");
    assert!(read("config.default.toml").contains(&format!("[{service}]")));
    assert_eq!(read("VERSION"), format!("{VERSION}\n"));
    let licences = read("LICENSES.md");
    assert!(licences.contains("| tokio 1.") && licences.contains("Permission is hereby granted"), "{program}");
    assert_eq!(licences.contains("maplibre-gl"), service == "api");

    let sbom: Value = serde_json::from_str(&read("sbom.cdx.json")).unwrap();
    assert_eq!((&sbom["bomFormat"], &sbom["metadata"]["component"]["version"]), (&"CycloneDX".into(), &VERSION.into()));
    let components = sbom["components"].as_array().unwrap();
    let tokio = components.iter().find(|component| component["name"] == "tokio").expect("tokio is in all of them");
    assert_eq!(tokio["hashes"][0]["content"].as_str().unwrap().len(), 64);
    let uses_sqlite = components.iter().any(|component| component["name"] == "rusqlite");
    assert_eq!(uses_sqlite, service == "store", "only the store has a database");
    let here = std::env::var("HOME").unwrap_or_else(|_| "/home".into());
    assert!(!sbom.to_string().contains(&here), "a path of this machine");
}

/// As CycloneDX publishes it.
fn bills_follow_their_schema(folder: &Path) {
    let Ok(python) = std::env::var("RAINCELL_TEST_SBOM") else {
        println!("skipped: no schema of CycloneDX (RAINCELL_TEST_SBOM)");
        return;
    };
    let bill = |inside: &str| folder.join(format!("{inside}-{VERSION}/sbom.cdx.json"));
    let mut bills: Vec<PathBuf> = SERVICES.iter().map(|service| bill(&format!("raincell-{service}"))).collect();
    bills.push(bill("whole/raincell"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sbom.py");
    let output = Command::new(python).arg(script).args(bills).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn the_store_starts(inside: &Path) {
    let mut child = Command::new(inside.join("bin/raincell-store"))
        .current_dir(inside)
        .env("RAINCELL_STORE__TOKEN", "a-token-for-tests")
        .env("RAINCELL_STORE__BIND", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").expect("it says where it listens").to_owned();
    let mut answer = String::new();
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    stream.read_to_string(&mut answer).unwrap();
    let _ = child.kill();
    let _ = child.wait();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
