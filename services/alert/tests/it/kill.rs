//! The real process, killed at any moment.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use raincell_api_types::alerts::{PostStatus, RainEventKind};

use crate::weather::Weather;
use crate::world::{World, eventually};

/// A running alert process; it goes when the test does, also by a failed assertion.
pub struct Process(Child);

impl Process {
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Most are dead by now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn start(config: &std::path::Path) -> Process {
    let child = Command::new(env!("CARGO_BIN_EXE_raincell-alert"))
        .arg("--config")
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Process(child.unwrap())
}

/// SIGKILL.
pub fn kill(process: &mut Process) {
    process.0.kill().unwrap();
    process.0.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_again_and_again_posts_everything_once() {
    // The process lives by the real clock, so that its weather is that of the last twenty minutes.
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let weather = Weather::band(now - SignedDuration::from_mins(18), 4, 6, 12.0);
    let world = World::new(now).await;
    let config = world.folder.path().join("raincell.toml");
    std::fs::write(&config, world.toml("agreeing_nowcasts = 1\ngive_up_after_min = 60")).unwrap();
    for minute in 0..=18 {
        world.client.put_frame(&weather.frame(minute)).await.unwrap();
        world.client.put_run(&weather.run(minute)).await.unwrap();
        // Killed anywhere between the start of the process and its last post …
        let mut child = start(&config);
        tokio::time::sleep(Duration::from_millis(20 + minute as u64 * 211 % 700)).await;
        kill(&mut child);
        // … and again right after the state was written, when the post is on its way.
        let mut child = start(&config);
        let seen = Some(weather.time(minute));
        let is_seen = async || world.state().await.is_some_and(|state| state.observed_at == seen);
        eventually("the minute is seen", is_seen).await;
        kill(&mut child);
    }
    let mut child = start(&config);
    let posts = world.settled_outbox().await;
    kill(&mut child);

    let kinds: Vec<_> = posts.iter().map(|post| post.event.kind).collect();
    assert_eq!(kinds, [RainEventKind::Coming, RainEventKind::Begun, RainEventKind::Ended], "{posts:?}");
    assert!(posts.iter().all(|post| post.status == PostStatus::Sent), "{posts:?}");
    let mut expected: Vec<_> =
        posts.iter().flat_map(|post| [format!("{}.gif", post.key), format!("{}.txt", post.key)]).collect();
    expected.sort();
    let files: Vec<_> = world.files().into_iter().filter(|name| !name.starts_with('.')).collect();
    assert_eq!(files, expected);
}
