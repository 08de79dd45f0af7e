//! The service as a process of its own, which can be killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::world::World;

pub struct Process {
    child: Child,
    pub url: String,
}

impl Process {
    /// Starts the binary with one source; `more` are further lines of its block.
    pub fn start(world: &World, more: &str) -> Self {
        let config = world.path("prepare.toml");
        let text = world.config_of(more).replacen("[prepare]\n", "[prepare]\nbind = '127.0.0.1:0'\n", 1);
        std::fs::write(&config, text).unwrap();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(world.path("prepare.log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_raincell-prepare"))
            .args(["--config".as_ref(), config.as_os_str()])
            .envs([
                ("AWS_ACCESS_KEY_ID", "a-test"),
                ("AWS_SECRET_ACCESS_KEY", "a-secret"),
                ("RAINCELL_LOG_FORMAT", "text"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url =
            lines.by_ref().map_while(Result::ok).find_map(|line| Some(line[line.find("http://")?..].trim().to_owned()));
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: url.expect("it listens") }
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The sum of all series of a metric whose labels hold `part`.
    pub async fn metric(&self, name: &str, part: &str) -> f64 {
        let client = raincell_http_client::builder().build().unwrap();
        let text = client.get(format!("{}/metrics", self.url)).send().await.unwrap().text().await.unwrap();
        text.lines()
            .filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(part))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
