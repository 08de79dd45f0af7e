//! The place that is a directory of a web server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use glob::Pattern;
use jiff::Timestamp;
use raincell_http_client::{Client, Request, RetryPolicy};
use reqwest::{Certificate, Method, StatusCode, Url};

use crate::config::SourceConfig;
use crate::dead_letters;
use crate::index_page;
use crate::ledger::Stamp;
use crate::place::{Listing, Place, Window};
use crate::time_pattern;

/// How long it may be silent in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(15);
/// How long one file may take.
const CALLS: RetryPolicy = RetryPolicy {
    attempt_timeout: Duration::from_secs(300),
    deadline: Duration::from_secs(310),
    first_pause: Duration::from_millis(500),
    longest_pause: Duration::from_secs(2),
};
/// How often a file is asked for before the next look, which asks again anyway.
const TRIES: u32 = 3;
/// A listing is not larger than this.
const LARGEST_LISTING: usize = 32 << 20;
/// A raw file is not larger than this.
const LARGEST_FILE: usize = 512 << 20;

/// Files that appear in a directory that a web server lists.
#[derive(Clone, Debug)]
pub struct HttpIndex {
    source: String,
    /// May hold `%Y`, `%m`, `%d`, `%H`.
    url: String,
    pattern: Pattern,
    dead: PathBuf,
    client: Client,
}

/// What is wrong with the settings of such a source.
pub fn check(source: &SourceConfig) -> Vec<String> {
    let (url, pattern, mut problems) = (&source.url, &source.pattern, Vec::new());
    match directory(&time_pattern::at(url, Timestamp::UNIX_EPOCH)) {
        Ok(directory) if matches!(directory.scheme(), "http" | "https") && directory.has_host() => {}
        _ => problems.push(format!("url is `{url}`, expected one of a directory: https://host/path/")),
    }
    if let Err(error) = Pattern::new(pattern) {
        problems.push(format!("pattern `{pattern}`: {error}"));
    }
    if let Err(error) = trusted(&source.ca_file) {
        problems.push(format!("{error:#}"));
    }
    problems
}

/// The certificates of a file; none where no file is named.
fn trusted(ca_file: &Path) -> anyhow::Result<Vec<Certificate>> {
    if ca_file.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let name = || format!("ca_file is {}", ca_file.display());
    let certificates = Certificate::from_pem_bundle(&std::fs::read(ca_file).with_context(name)?).with_context(name)?;
    if certificates.is_empty() {
        bail!("{}, which holds no certificate, expected PEM", name());
    }
    Ok(certificates)
}

/// The directory at an address.
fn directory(url: &str) -> anyhow::Result<Url> {
    let mut url = Url::parse(url).with_context(|| format!("url {url}"))?;
    // A name with an ending is that of a file with a list.
    if !url.path().ends_with('/') && Path::new(url.path()).extension().is_none() {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

impl HttpIndex {
    /// The directory of a source.
    ///
    /// # Errors
    /// When the pattern is none, or the HTTP client cannot be made with the certificates of `ca_file`.
    pub fn new(source: &SourceConfig) -> anyhow::Result<Self> {
        let http = raincell_http_client::builder().read_timeout(SILENCE).tls_certs_merge(trusted(&source.ca_file)?);
        let http = http.build()?;
        let address = Url::parse(&Url::parse(&source.url)?.origin().ascii_serialization())?;
        let client = Client::new("index", vec![address], http).with_policy(CALLS).with_tries(TRIES);
        Ok(Self {
            source: source.name.clone(),
            url: source.url.clone(),
            pattern: Pattern::new(&source.pattern)?,
            dead: source.dead_letter_folder(),
            client,
        })
    }

    /// All directories that hold files from within the window.
    fn directories(&self, window: Window) -> anyhow::Result<BTreeSet<Url>> {
        time_pattern::between(&self.url, window.begin, window.end).iter().map(|url| directory(url)).collect()
    }

    /// What the server has there; `None` for 404 and 410.
    async fn get(&self, url: Url, largest: usize) -> anyhow::Result<Option<Vec<u8>>> {
        let began = Instant::now();
        let outcome = self.try_get(&url, largest).await;
        let label = match &outcome {
            Ok(Some(_)) => "ok",
            Ok(None) => "gone",
            Err(_) => "failed",
        };
        metrics::counter!("raincell_prepare_fetches_total", "source" => self.source.clone(), "outcome" => label)
            .increment(1);
        metrics::histogram!("raincell_prepare_fetch_seconds", "source" => self.source.clone())
            .record(began.elapsed().as_secs_f64());
        outcome.with_context(|| format!("cannot get {url}"))
    }

    async fn try_get(&self, url: &Url, largest: usize) -> anyhow::Result<Option<Vec<u8>>> {
        let request = Request::to_path_of("fetch a file", Method::GET, url).largest_answer(largest);
        let answer = self.client.send(&request).await?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            status if status.is_success() => Ok(Some(answer.body.into())),
            status => bail!("the server answers {status}"),
        }
    }

    /// Where a file of a listing is.
    fn url_of(&self, name: &str) -> anyhow::Result<Url> {
        let base = directory(&time_pattern::at(&self.url, Timestamp::UNIX_EPOCH))?;
        base.join(&format!("/{name}")).with_context(|| format!("file {name}"))
    }
}

impl Place for HttpIndex {
    const KIND: &'static str = "http-index";
    const WINDOWED: bool = true;
    const ATOMIC: bool = false;

    async fn list(&self, window: Window) -> anyhow::Result<Listing> {
        let mut listing = Listing::default();
        for directory in self.directories(window)? {
            let Some(body) = self.get(directory.clone(), LARGEST_LISTING).await? else {
                // The folder of a new day comes with its first file; one with a fixed name should be there.
                if !time_pattern::holds_time(&self.url) {
                    bail!("{directory} is not there");
                }
                continue;
            };
            for entry in index_page::entries(&directory, &String::from_utf8_lossy(&body)) {
                if self.pattern.matches(&entry.file_name()) && entry.time().is_none_or(|time| time >= window.begin) {
                    // The whole path, as folders of several days may hold files of the same name.
                    listing.files.insert(entry.url.path().trim_start_matches('/').to_owned(), entry.stamp);
                }
            }
        }
        Ok(listing)
    }

    /// Only what a server lists has a size and an age.
    async fn stamp(&self, _name: &str) -> anyhow::Result<Option<Stamp>> {
        Ok(Some(Stamp { bytes: 0, changed_ms: 0 }))
    }

    async fn fetch(&self, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        self.get(self.url_of(name)?, LARGEST_FILE).await
    }

    /// The server keeps what it has: a copy goes to the dead letters.
    async fn set_aside(&self, names: &[String], reason: &str, now: Timestamp) -> anyhow::Result<Option<PathBuf>> {
        std::fs::create_dir_all(&self.dead).with_context(|| self.dead.display().to_string())?;
        let copies = tempfile::tempdir_in(&self.dead)?;
        let (mut paths, mut urls) = (Vec::new(), Vec::new());
        for name in names {
            let file_name = name.rsplit('/').next().unwrap_or(name);
            let path = copies.path().join(file_name);
            let content = self.fetch(name).await?.unwrap_or_default();
            std::fs::write(&path, content).with_context(|| path.display().to_string())?;
            paths.push(path);
            urls.push(self.url_of(name)?.to_string());
        }
        let reason = format!("{reason}\n{}", urls.join("\n"));
        dead_letters::bury(&paths, &self.dead, &reason, now).map(Some).with_context(|| self.dead.display().to_string())
    }

    /// The server has it still.
    async fn bring_back(&self, _names: &[String]) -> anyhow::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directories(url: &str, begin: &str, end: &str) -> Vec<String> {
        let source = serde_json::json!({ "name": "x", "kind": "http-index", "url": url });
        let index = HttpIndex::new(&serde_json::from_value(source).unwrap()).unwrap();
        let window = Window { begin: begin.parse().unwrap(), end: end.parse().unwrap() };
        index.directories(window).unwrap().into_iter().map(String::from).collect()
    }

    #[test]
    fn folders_named_after_the_time_are_looked_at_as_far_back_as_wanted() {
        assert_eq!(
            directories("https://h/a%20b/%Y/%m/%d", "2026-11-30T23:30:00Z", "2026-12-01T01:30:00Z"),
            ["https://h/a%20b/2026/11/30/", "https://h/a%20b/2026/12/01/"]
        );
        assert_eq!(directories("http://h/x", "2020-11-30T23:30:00Z", "2026-12-01T03:10:00Z"), ["http://h/x/"]);
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let check = |url: &str, pattern: &str, ca_file: &str| {
            let source = serde_json::json!({
                "name": "x", "kind": "http-index", "url": url, "pattern": pattern, "ca_file": ca_file
            });
            super::check(&serde_json::from_value(source).unwrap())
        };
        assert!(check("http://h/x", "*.h5", "").is_empty() && check("https://h/x", "*.h5", "").is_empty());
        for (url, pattern) in [("ftp://h/", "*"), ("x", "*"), ("", "*"), ("http://h/", "[")] {
            assert_eq!(check(url, pattern, "").len(), 1, "{url} {pattern}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "no certificate").unwrap();
        for ca_file in ["/no/such/file", &file.path().to_string_lossy()] {
            let problems = check("https://h/", "*", ca_file);
            assert!(problems.len() == 1 && problems[0].contains(ca_file), "{problems:?}");
        }
    }
}
