//! The client over real HTTP against servers that fail on purpose, on a clock that the test moves.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use raincell_http_client::reqwest::Method;
use raincell_http_client::time::Time;
use raincell_http_client::{BreakerSettings, CallError, Circuit, Client, Request, RetryPolicy, parse_addresses};
use tokio::sync::watch;

/// A clock that stands still until it is moved. Connections and answers take no time on it.
#[derive(Debug)]
struct Clock {
    began: Instant,
    passed: watch::Sender<Duration>,
    /// Each wait that was begun, in order.
    waits: Mutex<Vec<Duration>>,
}

impl Clock {
    fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), passed: watch::channel(Duration::ZERO).0, waits: Mutex::default() })
    }

    fn advance(&self, by: Duration) {
        self.passed.send_modify(|passed| *passed += by);
    }

    fn passed(&self) -> Duration {
        *self.passed.borrow()
    }
}

impl Time for Clock {
    fn now(&self) -> Instant {
        self.began + self.passed()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.waits.lock().unwrap().push(duration);
        let until = self.passed() + duration;
        let mut passed = self.passed.subscribe();
        Box::pin(async move {
            let _ = passed.wait_for(|passed| *passed >= until).await;
        })
    }
}

/// What a server does with each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Answer(StatusCode),
    /// Busy, come back after so many seconds.
    Later(u64),
    /// Answers after a second of the clock, which it moves by itself.
    InASecond,
    /// Takes the request and says nothing.
    Silent,
}

const OK: Manner = Manner::Answer(StatusCode::OK);
const BROKEN: Manner = Manner::Answer(StatusCode::INTERNAL_SERVER_ERROR);

#[derive(Clone)]
struct Server {
    url: String,
    manner: Arc<Mutex<Manner>>,
    requests: Arc<AtomicU32>,
}

impl Server {
    async fn start(manner: Manner) -> Self {
        Self::start_with_clock(manner, Clock::new()).await
    }

    async fn start_with_clock(manner: Manner, clock: Arc<Clock>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { url, manner: Arc::new(Mutex::new(manner)), requests: Arc::default() };
        let (manner, requests) = (server.manner.clone(), server.requests.clone());
        let router = Router::new().fallback(move || {
            requests.fetch_add(1, Ordering::SeqCst);
            let manner = *manner.lock().unwrap();
            if manner == Manner::InASecond {
                clock.advance(Duration::from_secs(1));
            }
            async move {
                match manner {
                    Manner::InASecond => StatusCode::OK.into_response(),
                    Manner::Answer(status) => (status, "body").into_response(),
                    Manner::Later(seconds) => {
                        (StatusCode::TOO_MANY_REQUESTS, [("retry-after", seconds.to_string())]).into_response()
                    }
                    Manner::Silent => std::future::pending().await,
                }
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    fn requests(&self) -> u32 {
        self.requests.load(Ordering::SeqCst)
    }

    /// Waits in real time until so many requests have come.
    async fn has_had(&self, requests: u32) {
        while self.requests() < requests {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

const POLICY: RetryPolicy = RetryPolicy {
    attempt_timeout: Duration::from_secs(10),
    deadline: Duration::from_secs(60),
    first_pause: Duration::from_secs(1),
    longest_pause: Duration::from_secs(4),
};

const BREAKER: BreakerSettings =
    BreakerSettings { failures: 3, first_wait: Duration::from_secs(100), longest_wait: Duration::from_secs(400) };

fn client(servers: &[&Server], clock: &Arc<Clock>) -> Client {
    let list = servers.iter().map(|server| server.url.as_str()).collect::<Vec<_>>().join(",");
    let http = raincell_http_client::builder().no_proxy().build().unwrap();
    Client::with_settings("test", parse_addresses(&list).unwrap(), http, BREAKER, clock.clone()).with_policy(POLICY)
}

fn read() -> Request {
    Request::new("read", Method::GET, &["x"])
}

fn write() -> Request {
    Request::new("write", Method::PUT, &["x"]).body("text/plain", "content".into())
}

/// Lets the clock run (a second a millisecond) until the call is done.
async fn while_time_runs<T>(clock: &Clock, call: impl Future<Output = T>) -> T {
    let run = async {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            clock.advance(Duration::from_secs(1));
        }
    };
    tokio::select! {
        outcome = call => outcome,
        () = run => unreachable!(),
    }
}

/// A policy with which each call is one try.
fn one_try() -> RetryPolicy {
    RetryPolicy { deadline: Duration::from_millis(500), ..POLICY }
}

#[tokio::test]
async fn failures_in_a_row_open_the_circuit_and_a_probe_closes_it() {
    let (server, clock) = (Server::start(BROKEN).await, Clock::new());
    let client = client(&[&server], &clock).with_policy(one_try());
    for _ in 0..3 {
        assert!(matches!(client.send(&read()).await, Err(CallError::Unavailable { attempts: 1, .. })));
    }
    let wait = BREAKER.first_wait;
    assert_eq!(client.circuits()[0].circuit, Circuit::Open(wait));
    // Nothing is sent any more.
    for _ in 0..5 {
        let error = client.send(&read()).await.unwrap_err();
        assert!(matches!(error, CallError::CircuitOpen { wait: found, .. } if found == wait), "{error}");
    }
    assert_eq!(server.requests(), 3);
    // A probe that fails keeps it open for twice as long.
    clock.advance(wait);
    assert_eq!(client.circuits()[0].circuit, Circuit::HalfOpen);
    assert!(matches!(client.send(&read()).await, Err(CallError::Unavailable { .. })));
    assert_eq!((server.requests(), client.circuits()[0].circuit), (4, Circuit::Open(wait * 2)));
    // One that is answered closes it.
    server.behave(OK);
    assert!(matches!(client.send(&read()).await, Err(CallError::CircuitOpen { .. })));
    clock.advance(wait * 2);
    assert_eq!(client.send(&read()).await.unwrap().status, 200);
    assert_eq!(client.circuits()[0].circuit, Circuit::Closed);
    assert_eq!(client.circuits()[0].to_string(), format!("{} closed", &server.url["http://".len()..]));
}

#[tokio::test]
async fn half_open_lets_one_through_however_many_ask() {
    let (server, clock) = (Server::start(BROKEN).await, Clock::new());
    let client = client(&[&server], &clock).with_policy(one_try());
    for _ in 0..3 {
        client.send(&write()).await.unwrap_err();
    }
    clock.advance(BREAKER.first_wait);
    server.behave(Manner::Silent);
    let probe = tokio::spawn({
        let client = client.clone();
        async move { client.send(&write()).await }
    });
    server.has_had(4).await;
    for _ in 0..5 {
        // With one try each, as pausing does not fit their deadline.
        assert!(matches!(client.send(&read()).await, Err(CallError::CircuitOpen { .. })));
    }
    assert_eq!(server.requests(), 4);
    // The probe is given up: the next call may be one.
    probe.abort();
    assert!(probe.await.unwrap_err().is_cancelled());
    server.behave(OK);
    client.send(&read()).await.unwrap();
}

#[tokio::test]
async fn a_call_waits_for_the_probe_where_its_deadline_allows() {
    let (server, clock) = (Server::start(BROKEN).await, Clock::new());
    let client = client(&[&server], &clock);
    for _ in 0..3 {
        client.with_policy(one_try()).send(&read()).await.unwrap_err();
    }
    server.behave(OK);
    let patient = RetryPolicy { deadline: BREAKER.first_wait * 2, ..POLICY };
    let answer = while_time_runs(&clock, client.with_policy(patient).send(&read())).await.unwrap();
    assert_eq!((answer.attempt, server.requests()), (1, 4));
    assert!(clock.passed() >= BREAKER.first_wait);
}

#[tokio::test]
async fn no_try_and_no_pause_goes_beyond_the_deadline() {
    let (server, clock) = (Server::start(Manner::Silent).await, Clock::new());
    let client = client(&[&server], &clock);
    // Ten seconds each until the circuit opens for longer than there is left.
    let error = while_time_runs(&clock, client.send(&read())).await.unwrap_err();
    assert!(matches!(&error, CallError::Unreachable { attempts: 3, .. }), "{error}");
    assert!(error.to_string().contains("in 10.0 s"), "{error}");
    assert!(clock.passed() < POLICY.deadline + Duration::from_secs(1), "{:?}", clock.passed());
    // A try under way is given up at the deadline.
    let (server, clock) = (Server::start(Manner::Silent).await, Clock::new());
    let short = RetryPolicy { deadline: Duration::from_secs(4), ..POLICY };
    let call = self::client(&[&server], &clock).with_policy(short);
    while_time_runs(&clock, call.send(&write())).await.unwrap_err();
    assert_eq!((clock.passed(), server.requests()), (Duration::from_secs(4), 1));
}

#[tokio::test]
async fn pauses_grow_and_retry_after_is_respected() {
    let (server, clock) = (Server::start(Manner::Later(20)).await, Clock::new());
    let client = client(&[&server], &clock);
    let error = while_time_runs(&clock, client.send(&write())).await.unwrap_err();
    // At 0, 20 and 40 s; a fourth would come at the deadline. A server that says "later" is well.
    assert!(matches!(&error, CallError::Unavailable { attempts: 3, .. }), "{error}");
    assert_eq!(client.circuits()[0].circuit, Circuit::Closed);
    let pauses: Vec<_> = clock.waits.lock().unwrap().iter().copied().filter(|wait| wait.as_secs() == 20).collect();
    assert_eq!(pauses.len(), 2);
}

#[tokio::test]
async fn a_call_that_is_to_be_tried_twice_is_tried_twice() {
    let (server, clock) = (Server::start(BROKEN).await, Clock::new());
    let client = client(&[&server], &clock).with_tries(2);
    while_time_runs(&clock, client.send(&read())).await.unwrap_err();
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn another_address_takes_over_at_once_and_the_first_comes_back() {
    let (first, second, clock) = (Server::start(BROKEN).await, Server::start(OK).await, Clock::new());
    let client = client(&[&first, &second], &clock);
    // The clock stands: there is no pause before the other address.
    for _ in 0..10 {
        assert_eq!(client.send(&write()).await.unwrap().status, 200);
    }
    assert_eq!((first.requests(), second.requests()), (BREAKER.failures, 10));
    first.behave(OK);
    clock.advance(BREAKER.first_wait);
    // A read probes; from then on all go to the preferred one.
    client.send(&read()).await.unwrap();
    client.send(&write()).await.unwrap();
    assert_eq!((first.requests(), second.requests()), (BREAKER.failures + 2, 10));
}

#[tokio::test]
async fn a_refused_connection_is_a_failure_like_any_other() {
    let (server, clock) = (Server::start(OK).await, Clock::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = Server { url: format!("http://{}", listener.local_addr().unwrap()), ..server.clone() };
    drop(listener);
    let answer = client(&[&gone, &server], &clock).send(&write()).await.unwrap();
    assert_eq!(answer.attempt, 2);
    let error = client(&[&gone], &clock).with_policy(one_try()).send(&write()).await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_slow_read_is_hedged_and_the_faster_answer_counts() {
    let clock = Clock::new();
    let first = Server::start_with_clock(Manner::InASecond, clock.clone()).await;
    let second = Server::start(OK).await;
    let client = client(&[&first, &second], &clock);
    // Nothing is known of the tail yet: no hedge.
    for _ in 0..19 {
        client.send(&read()).await.unwrap();
    }
    assert_eq!((first.requests(), second.requests(), clock.passed().as_secs()), (19, 0, 19));
    client.send(&read()).await.unwrap();
    first.behave(Manner::Silent);
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.send(&read()).await }
    });
    first.has_had(21).await;
    assert_eq!(second.requests(), 0);
    clock.advance(Duration::from_secs(1));
    assert_eq!((call.await.unwrap().unwrap().status, second.requests()), (StatusCode::OK, 1));
    // It was not the time-out that helped, and the slow one has not failed.
    assert_eq!((clock.passed().as_secs(), client.circuits()[0].circuit), (21, Circuit::Closed));
}

#[tokio::test]
async fn writes_are_never_hedged() {
    let (first, second, clock) = (Server::start(OK).await, Server::start(OK).await, Clock::new());
    let client = client(&[&first, &second], &clock);
    for _ in 0..30 {
        client.send(&write()).await.unwrap();
    }
    first.behave(Manner::Silent);
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.send(&write()).await }
    });
    first.has_had(31).await;
    assert_eq!(second.requests(), 0);
    // Only its time-out sends it to the other.
    clock.advance(POLICY.attempt_timeout);
    assert_eq!(call.await.unwrap().unwrap().attempt, 2);
    assert_eq!(second.requests(), 1);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_and_not_asked_for_again() {
    let (server, clock) = (Server::start(OK).await, Clock::new());
    let client = client(&[&server], &clock);
    let error = client.send(&read().largest_answer(3)).await.unwrap_err();
    assert!(matches!(error, CallError::TooLarge { most: 3, .. }), "{error}");
    assert_eq!(client.send(&read().largest_answer(4)).await.unwrap().body, "body");
    assert_eq!((server.requests(), client.circuits()[0].circuit), (2, Circuit::Closed));
}

#[tokio::test]
async fn a_stream_goes_to_the_address_that_lets_it_in_and_tells_the_circuits() {
    let (first, second, clock) = (Server::start(BROKEN).await, Server::start(OK).await, Clock::new());
    let client = client(&[&first, &second], &clock);
    for _ in 0..4 {
        assert_eq!(client.open(&read()).await.unwrap().status(), 200);
    }
    assert_eq!(client.circuits()[0].circuit, Circuit::Open(BREAKER.first_wait));
    // Nobody is there: the reason says so; a stream that is let in again closes the circuit.
    second.behave(BROKEN);
    assert!(client.open(&read()).await.unwrap_err().contains("500"));
    first.behave(OK);
    client.open(&read()).await.unwrap();
    assert_eq!(client.circuits()[0].circuit, Circuit::Closed);
}
