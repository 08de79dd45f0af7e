//! End-to-end tests of the real binaries; see `tests/` beside this file. Here is what they share: finding and running
//! the binaries, waiting for something to become true, and the real data.

pub mod cloud;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// A process of ours. Ended (SIGKILL) when dropped, so that a failing test leaves nothing behind.
pub struct Running {
    child: Child,
    name: String,
    log: PathBuf,
    /// Base URL that it announced on its standard output.
    pub url: String,
}

impl Running {
    /// Starts a binary of the workspace and waits until it says where it listens. Its log goes to `<folder>/<name>.log`.
    ///
    /// # Errors
    /// When the binary is not there, ends early, or does not listen within a minute.
    pub fn start(name: &str, arguments: &[&str], folder: &Path) -> anyhow::Result<Self> {
        Self::start_with(name, arguments, &[], folder)
    }

    /// The same with more in its environment.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(
        name: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let log_file = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let mut child = Command::new(binary(name)?)
            .args(arguments)
            .current_dir(folder)
            .env("RAINCELL_LOG_FORMAT", "text")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let output = child.stdout.take().context("no standard output")?;
        let mut running = Self { child, name: name.to_owned(), log, url: String::new() };
        let mut lines = BufReader::new(output).lines();
        for line in &mut lines {
            let line = line?;
            if let Some(at) = line.find("http://") {
                line[at..].trim().clone_into(&mut running.url);
                // Somebody has to go on reading.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(running);
            }
        }
        bail!("{} ended before it listened; its log:\n{}", running.name, running.log_text())
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits until it has drained.
    ///
    /// # Errors
    /// When it does not end well within 30 seconds.
    pub fn terminate(&mut self) -> anyhow::Result<()> {
        let killed = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        anyhow::ensure!(killed.success(), "cannot signal {}", self.name);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.child.try_wait()? {
                anyhow::ensure!(status.success(), "{} ended with {status}:\n{}", self.name, self.log_text());
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{} did not end after SIGTERM:\n{}", self.name, self.log_text())
    }

    /// The most memory that it has had, MB (Linux).
    pub fn most_memory_mb(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
    }

    /// All that it has logged.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A built binary of the workspace, beside the running test.
///
/// # Errors
/// When it has not been built.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.ancestors().nth(2).context("the test has no target folder")?;
    let path = folder.join(name);
    anyhow::ensure!(path.exists(), "{} is not built: run `cargo build --workspace --bins` first", path.display());
    Ok(path)
}

/// Runs the `raincell` command; gives (exit code, standard output, standard error).
///
/// # Errors
/// When it cannot be started.
pub fn raincell(arguments: &[&str]) -> anyhow::Result<(i32, String, String)> {
    let output = Command::new(binary("raincell")?).args(arguments).stdin(Stdio::null()).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
}

/// Asks again and again until there is an answer; fails with what `wanted` says after two minutes.
///
/// # Errors
/// When there is no answer in time.
pub async fn eventually<T>(wanted: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> anyhow::Result<T> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(120) {
        if let Some(answer) = ask().await {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("not within two minutes: {wanted}")
}

/// A JSON answer, or `None` while there is none.
pub async fn json(url: &str) -> Option<serde_json::Value> {
    let response = raincell_http_client::builder().build().ok()?.get(url).send().await.ok()?;
    if !response.status().is_success() {
        return None;
    }
    response.json().await.ok()
}

/// A port of loopback that was free a moment ago.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The folder of real radar data, or `None` (and a line that says so) where it is missing.
pub fn test_data() -> Option<PathBuf> {
    let folder = std::env::var_os("RAINCELL_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    if folder.join("raw").is_dir() {
        return Some(folder);
    }
    println!("skipped: no data");
    None
}
