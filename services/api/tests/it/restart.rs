//! The real binary on a socket that is handed to it, as systemd does: told of, restarted under load.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::scene::{Scene, TOKEN};

const BINARY: &str = env!("CARGO_BIN_EXE_raincell-api");
const RESTARTS: usize = 3;
const CLIENTS: usize = 4;
/// Answers between two restarts.
const ANSWERS: usize = 400;

/// What systemd is to a service.
struct Supervisor {
    socket: TcpListener,
    told: UnixDatagram,
    folder: tempfile::TempDir,
    store_url: String,
}

impl Supervisor {
    fn new(store_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let told = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        told.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { socket, told, folder, store_url: store_url.to_owned() }
    }

    /// The socket as file descriptor 3, which only the new process itself can name as its own by its process id.
    fn start(&self) -> Service {
        let child = Command::new("sh")
            .args(["-c", "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\"", BINARY])
            .current_dir(self.folder.path())
            .env("NOTIFY_SOCKET", self.folder.path().join("notify"))
            .env("WATCHDOG_USEC", "300000")
            .env("RAINCELL_API__STORE_URL", &self.store_url)
            .env("RAINCELL_API__STORE_TOKEN", TOKEN)
            .env("RAINCELL_API__RATE_LIMIT__ENABLED", "false")
            .stdin(OwnedFd::from(self.socket.try_clone().unwrap()))
            .stdout(Stdio::null())
            .stderr(log(self.folder.path()))
            .spawn()
            .unwrap();
        Service(child)
    }

    fn wait_until_told(&self, what: &str) -> String {
        let mut message = [0; 4096];
        loop {
            let length = self.told.recv(&mut message).unwrap_or_else(|error| panic!("never told {what}: {error}"));
            let text = String::from_utf8_lossy(&message[..length]).into_owned();
            if text.lines().any(|line| line == what) {
                return text;
            }
        }
    }
}

struct Service(Child);

impl Service {
    fn stop(&mut self) {
        let told = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        assert!(told.success());
        let status = self.0.wait().unwrap();
        assert!(status.success(), "it ended with {status}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn log(folder: &Path) -> std::fs::File {
    std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap()
}

/// Asks for `path` again and again on connections that it keeps as long as the server does. Anything but a whole answer
/// with 200 is an error. As HTTP clients do (RFC 9112, 9.3.1), a connection that ends before a byte of the answer is not one
/// yet: the request goes out once more on a new one. Where many processes share few processors, a thread may lie idle for
/// longer than the service waits for those it bids farewell.
fn ask(address: SocketAddr, path: &str, stop: &AtomicBool, answers: &AtomicUsize) -> Result<(), String> {
    let mut connection: Option<BufReader<TcpStream>> = None;
    let mut unanswered = false;
    while !stop.load(Ordering::Relaxed) {
        let mut open = match connection.take() {
            Some(open) => open,
            None => BufReader::new(TcpStream::connect(address).map_err(|e| format!("connect: {e}"))?),
        };
        match exchange(&mut open, path) {
            Ok(goes_on) => {
                answers.fetch_add(1, Ordering::Relaxed);
                unanswered = false;
                connection = goes_on.then_some(open);
            }
            Err(Failure::Unanswered(_)) if !unanswered => unanswered = true,
            Err(Failure::Unanswered(error)) => return Err(format!("{path}: unanswered twice: {error}")),
            Err(Failure::Answer(error)) => return Err(format!("{path}: {error}")),
        }
    }
    Ok(())
}

enum Failure {
    /// The connection ended before a byte of the answer.
    Unanswered(std::io::Error),
    Answer(std::io::Error),
}

/// One request; whether the server keeps the connection.
fn exchange(open: &mut BufReader<TcpStream>, path: &str) -> Result<bool, Failure> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    open.get_mut().write_all(request.as_bytes()).map_err(Failure::Unanswered)?;
    if open.fill_buf().map_err(Failure::Unanswered)?.is_empty() {
        return Err(Failure::Unanswered(ErrorKind::UnexpectedEof.into()));
    }
    answer(open).map_err(Failure::Answer)
}

fn answer(open: &mut BufReader<TcpStream>) -> std::io::Result<bool> {
    let wrong = |what: &str| std::io::Error::other(what.to_owned());
    let mut line = String::new();
    open.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 200") {
        return Err(wrong(&format!("answer begins with {line:?}")));
    }
    let (mut length, mut keeps) = (None, true);
    loop {
        line.clear();
        open.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().ok();
        }
        keeps &= header != "connection: close";
    }
    let mut body = vec![0; length.ok_or_else(|| wrong("no content-length"))?];
    open.read_exact(&mut body)?;
    Ok(keeps)
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_under_load_fail_no_request() {
    let scene = Scene::new().await;
    let supervisor = Supervisor::new(&scene.store.url);
    let address = supervisor.socket.local_addr().unwrap();
    let path = format!("/v1/rain?{}", Scene::query());
    let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let restarting = tokio::task::spawn_blocking(move || {
        let mut service = supervisor.start();
        supervisor.wait_until_told("READY=1");
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (path, stop, answers) = (path.clone(), Arc::clone(&stop), Arc::clone(&answers));
                thread::spawn(move || ask(address, &path, &stop, &answers))
            })
            .collect();
        for round in 1..=RESTARTS {
            while answers.load(Ordering::Relaxed) < round * ANSWERS
                && !clients.iter().any(thread::JoinHandle::is_finished)
            {
                thread::sleep(Duration::from_millis(5));
            }
            service.stop();
            service = supervisor.start();
            supervisor.wait_until_told("READY=1");
        }
        while answers.load(Ordering::Relaxed) < (RESTARTS + 1) * ANSWERS
            && !clients.iter().any(thread::JoinHandle::is_finished)
        {
            thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, Ordering::Relaxed);
        let failed: Vec<String> = clients.into_iter().filter_map(|client| client.join().unwrap().err()).collect();
        assert!(failed.is_empty(), "{failed:?} after {answers:?} answers");
    });
    restarting.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_is_told_of_life_and_trouble_and_the_end() {
    let scene = Scene::new().await;
    let supervisor = Supervisor::new(&scene.store.url);
    let supervising = tokio::task::spawn_blocking(move || {
        let mut service = supervisor.start();
        supervisor.wait_until_told("READY=1");
        // The frames of the scene are of long ago.
        let alive = supervisor.wait_until_told("WATCHDOG=1");
        assert!(alive.contains("STATUS=data degraded: test: newest frame "), "{alive}");
        supervisor.wait_until_told("WATCHDOG=1");
        service.stop();
        supervisor.wait_until_told("STOPPING=1");
    });
    supervising.await.unwrap();
}
