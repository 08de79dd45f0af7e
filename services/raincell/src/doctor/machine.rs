//! This machine: room on its disks, certificates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use raincell_store::Backend;

use super::{Finding, Sections};

const DISK: &str = "disk";
const CERTIFICATE: &str = "certificate";
/// Less room than that is told of: some days of frames and nowcasts of one radar.
const LITTLE_MB: u64 = 1024;
/// Less than that, and writing fails soon.
const TOO_LITTLE_MB: u64 = 100;
/// Certificates are renewed some weeks before their end; so late, that has failed.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Where the playbook of ansible/ puts the certificate of nginx.
const USUAL_CERTIFICATE: &str = "/etc/raincell/tls/fullchain.pem";

/// The disks that are written to, each once.
pub(super) fn disks(sections: &Sections) -> Vec<Finding> {
    let mut folders = Vec::new();
    if let Some(store) = &sections.store
        && store.backend == Backend::Sqlite
    {
        folders.push(store.database.parent().unwrap_or(Path::new("")).to_owned());
    }
    folders.extend(sections.alert.iter().map(|alert| alert.posts_folder.clone()));
    let prepare = sections.prepare.iter().flat_map(raincell_prepare::Config::enabled_sources);
    folders.extend(prepare.map(|source| source.dead_letter_folder()));
    let mut seen = BTreeMap::new();
    for folder in folders {
        let folder = existing(&folder);
        match rustix::fs::statvfs(&folder) {
            Ok(disk) => {
                let mb = |blocks: u64| (blocks * disk.f_frsize) >> 20;
                let (room_mb, total_mb) = (mb(disk.f_bavail), mb(disk.f_blocks));
                seen.entry(disk.f_fsid).or_insert_with(|| room(&folder, room_mb, total_mb));
            }
            Err(error) => return vec![Finding::wrong(DISK, folder.display().to_string(), error.to_string(), "")],
        }
    }
    seen.into_values().collect()
}

/// The folder, or the nearest one above it that is there.
fn existing(folder: &Path) -> PathBuf {
    let there = folder.ancestors().find(|above| !above.as_os_str().is_empty() && above.exists());
    there.unwrap_or(Path::new(".")).to_owned()
}

fn room(folder: &Path, room_mb: u64, total_mb: u64) -> Finding {
    let subject = folder.display().to_string();
    let found = format!("{room_mb} MB of {total_mb} MB are free");
    let advice = "lower `retention_hours` of [store], take old backups and logs away, or enlarge the disk";
    if room_mb < TOO_LITTLE_MB {
        Finding::wrong(DISK, subject, found, advice)
    } else if room_mb < LITTLE_MB || room_mb * 20 < total_mb {
        Finding::warning(DISK, subject, found, advice)
    } else {
        Finding::well(DISK, subject, found)
    }
}

/// The certificates that were named, else the one where it usually is.
pub(super) fn certificates(files: &[PathBuf], now: Timestamp) -> Vec<Finding> {
    let usual = PathBuf::from(USUAL_CERTIFICATE);
    let files = if files.is_empty() && usual.exists() { vec![usual] } else { files.to_vec() };
    if files.is_empty() {
        let found = format!("none named (--certificate FILE), and there is no {USUAL_CERTIFICATE}");
        return vec![Finding::skipped(CERTIFICATE, found)];
    }
    files.iter().map(|file| certificate(file, now)).collect()
}

fn certificate(file: &Path, now: Timestamp) -> Finding {
    let subject = file.display().to_string();
    let renew = "renew it (`certbot renew`, or as it was made) and reload nginx: `systemctl reload nginx`";
    let end = match end_of(file) {
        Ok(end) => end,
        Err(error) => {
            return Finding::wrong(
                CERTIFICATE,
                subject,
                format!("{error:#}"),
                "it must be a PEM file with the certificate first",
            );
        }
    };
    let left = end.duration_since(now);
    let days = left.as_hours() / 24;
    if left.is_negative() {
        Finding::wrong(CERTIFICATE, subject, format!("has ended at {end}, {} days ago", -days), renew)
    } else if left < SOON {
        Finding::warning(CERTIFICATE, subject, format!("ends in {days} days, at {end}"), renew)
    } else {
        Finding::well(CERTIFICATE, subject, format!("good for {days} days"))
    }
}

/// As openssl reads it, which is on every machine that has certificates.
fn end_of(file: &Path) -> anyhow::Result<Timestamp> {
    std::fs::metadata(file)?;
    let output = Command::new("openssl").args(["x509", "-noout", "-enddate", "-in"]).arg(file).output();
    let output = output.context("openssl cannot be started")?;
    if !output.status.success() {
        bail!("openssl finds no certificate in it");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let end = text.trim().strip_prefix("notAfter=").and_then(|end| end.strip_suffix(" GMT"));
    let end = end.with_context(|| format!("openssl says `{}`", text.trim()))?;
    let end = strtime::parse("%b %e %H:%M:%S %Y", end).and_then(|end| end.to_datetime());
    Ok(end.and_then(|end| end.to_zoned(TimeZone::UTC)).context("openssl's date")?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn little_room_is_told_of_before_it_is_too_little() {
        let state = |room_mb, total_mb| room(Path::new("/x"), room_mb, total_mb).state;
        assert_eq!(state(50, 1000), State::Wrong);
        assert_eq!((state(500, 1000), state(4000, 100_000)), (State::Warning, State::Warning));
        assert_eq!(state(6000, 100_000), State::Well);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_on_the_disk_of_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(existing(&folder.path().join("a/b")), folder.path());
        assert_eq!(existing(Path::new("not-there-yet")), Path::new("."));
    }

    #[test]
    fn a_certificate_ends() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tls.pem");
        std::fs::write(&file, include_str!("example.pem")).unwrap();
        let end = end_of(&file).unwrap();
        let state = |before: i64| certificate(&file, end - SignedDuration::from_hours(24 * before)).state;
        assert_eq!((state(20), state(10), state(-1)), (State::Well, State::Warning, State::Wrong));
        std::fs::write(&file, "nonsense").unwrap();
        assert!(certificate(&file, end).found.contains("no certificate in it"));
        assert!(certificate(&folder.path().join("gone"), end).found.contains("No such file"));
    }
}
