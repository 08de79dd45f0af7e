//! S3, SNS and SQS on this machine: ministack, one for all tests of a binary, with a bucket and a queue for each.
//!
//! What goes wrong here is the end of the test.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Client;
use serde_json::Value;

use crate::eventually;

/// All that a path of S3 escapes.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
/// Whose everything is, in such a stack.
const ACCOUNT: &str = "000000000000";

/// A server that ends with this process, however this process ends: it reads from a pipe that nobody else holds.
pub fn start_server(
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
    folder: &std::path::Path,
) -> Child {
    let mut child = Command::new("sh")
        .args([
            "-c",
            "\"$0\" \"$@\" </dev/null >server.log 2>&1 & cat >/dev/null; kill $!; sleep 1; kill -9 $!",
            program,
        ])
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    child
}

/// Waits until a server answers.
pub async fn until_it_answers(url: &str) {
    let client = raincell_http_client::builder().build().unwrap();
    eventually(&format!("{url} answers"), async || client.get(url).send().await.ok().map(drop)).await.unwrap();
}

/// A server that `./test` has installed; `None` (and a line that says so) where it is not there.
pub fn program(name: &str) -> Option<String> {
    let Ok(folder) = std::env::var("RAINCELL_TEST_CLOUD") else {
        println!("skipped: no {name} (RAINCELL_TEST_CLOUD)");
        return None;
    };
    Some(format!("{folder}/{name}"))
}

/// Starts ministack on a port.
pub fn start_ministack(port: u16) -> Option<Child> {
    let program = program("ministack")?;
    let folder = tempfile::tempdir().unwrap().keep();
    let port = port.to_string();
    let environment = [("BIND_HOST", "127.0.0.1"), ("MINISTACK_HOST", "127.0.0.1"), ("GATEWAY_PORT", port.as_str())];
    Some(start_server(&program, &[], &environment, &folder))
}

/// One bucket, announced through a topic to one queue with a dead-letter queue behind it.
pub struct Cloud {
    /// Of S3, SNS and SQS alike.
    pub endpoint: String,
    /// Of the bucket, the topic and the queue.
    pub name: String,
    client: Client,
}

impl Cloud {
    /// In the stack that all tests share; `None` (and a line that says so) where there is none.
    pub async fn new() -> Option<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        Self::named(&format!("scans-{}", NUMBER.fetch_add(1, Ordering::Relaxed))).await
    }

    /// The same with a name of its own.
    pub async fn named(name: &str) -> Option<Self> {
        static SHARED: OnceLock<Option<(u16, Child)>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| {
            let port = crate::free_port().unwrap();
            start_ministack(port).map(|child| (port, child))
        });
        Some(Self::at(shared.as_ref()?.0, name).await)
    }

    /// In the stack at a port.
    pub async fn at(port: u16, name: &str) -> Self {
        let endpoint = format!("http://127.0.0.1:{port}");
        until_it_answers(&endpoint).await;
        let client = raincell_http_client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        let cloud = Self { endpoint, name: name.to_owned(), client };
        let put = cloud.client.put(format!("{}/{name}", cloud.endpoint)).send().await.unwrap();
        assert!(put.status().is_success(), "{}", put.status());
        let dead = format!("{name}-dead");
        cloud.ask("sqs", &[("Action", "CreateQueue"), ("QueueName", &dead)]).await;
        let redrive = redrive_policy(name, 5);
        let attribute = [("Attribute.1.Name", "RedrivePolicy"), ("Attribute.1.Value", redrive.as_str())];
        cloud.ask("sqs", &[&[("Action", "CreateQueue"), ("QueueName", name)][..], &attribute].concat()).await;
        cloud
    }

    /// From now on new objects are announced, beginning with a test event.
    pub async fn announce(&self) {
        let (name, endpoint) = (&self.name, &self.endpoint);
        self.ask("sns", &[("Action", "CreateTopic"), ("Name", name)]).await;
        let (topic, queue) = (arn("sns", name), arn("sqs", name));
        let subscription = [("TopicArn", topic.as_str()), ("Protocol", "sqs"), ("Endpoint", queue.as_str())];
        self.ask("sns", &[&[("Action", "Subscribe")][..], &subscription].concat()).await;
        let body = format!(
            "<NotificationConfiguration><TopicConfiguration><Topic>{topic}</Topic><Event>s3:ObjectCreated:*</Event>\
             <Event>s3:ObjectRemoved:*</Event></TopicConfiguration></NotificationConfiguration>"
        );
        let put = self.client.put(format!("{endpoint}/{name}?notification")).body(body).send().await.unwrap();
        assert!(put.status().is_success(), "{}", put.status());
    }

    /// Address of a queue.
    pub fn queue_url(&self, name: &str) -> String {
        format!("{}/{ACCOUNT}/{name}", self.endpoint)
    }

    /// A call of the query protocol.
    pub async fn ask(&self, service: &str, fields: &[(&str, &str)]) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let form: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=x/20261121/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=x"
        );
        let request = self.client.post(&self.endpoint).header("authorization", scope);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.join("&"));
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{fields:?}: {}", response.status());
        response.text().await.unwrap()
    }

    /// Puts a message into the queue by hand.
    pub async fn send(&self, body: &str) {
        let url = self.queue_url(&self.name);
        self.ask("sqs", &[("Action", "SendMessage"), ("QueueUrl", &url), ("MessageBody", body)]).await;
    }

    /// From now on a message that was received so often goes to the dead-letter queue instead of once more.
    pub async fn give_up_after(&self, receives: u32) {
        let url = self.queue_url(&self.name);
        let redrive = redrive_policy(&self.name, receives);
        let attribute = [("Attribute.1.Name", "RedrivePolicy"), ("Attribute.1.Value", redrive.as_str())];
        self.ask("sqs", &[&[("Action", "SetQueueAttributes"), ("QueueUrl", &url)][..], &attribute].concat()).await;
    }

    /// The body of a message that a reader of the queue gets now, if there is one; it is hidden from others for a while.
    pub async fn receive(&self, queue: &str) -> Option<String> {
        let answer = self.ask("sqs", &[("Action", "ReceiveMessage"), ("QueueUrl", &self.queue_url(queue))]).await;
        let (_, body) = answer.split_once("<Body>")?;
        Some(body.split("</Body>").next()?.to_owned())
    }

    /// Messages of a queue: visible and in somebody's hand.
    pub async fn messages(&self, queue: &str) -> usize {
        let url = self.queue_url(queue);
        let all = [("Action", "GetQueueAttributes"), ("QueueUrl", url.as_str()), ("AttributeName.1", "All")];
        let answer = self.ask("sqs", &all).await;
        ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            .iter()
            .map(|name| {
                let (_, rest) = answer.split_once(&format!("<Name>{name}</Name><Value>")).unwrap();
                rest.split('<').next().unwrap().parse::<usize>().unwrap()
            })
            .sum()
    }

    /// Puts an object into the bucket.
    pub async fn put(&self, key: &str, bytes: &[u8]) {
        let response = self.client.put(self.url_of(key)).body(bytes.to_vec()).send().await.unwrap();
        assert!(response.status().is_success(), "{key}: {}", response.status());
    }

    /// An object of the bucket; `None` where there is none.
    pub async fn object(&self, key: &str) -> Option<Vec<u8>> {
        let response = self.client.get(self.url_of(key)).send().await.unwrap();
        if response.status().is_success() { Some(response.bytes().await.unwrap().to_vec()) } else { None }
    }

    /// Takes an object away.
    pub async fn delete(&self, key: &str) {
        assert!(self.client.delete(self.url_of(key)).send().await.unwrap().status().is_success());
    }

    fn url_of(&self, key: &str) -> String {
        format!("{}/{}/{}", self.endpoint, self.name, utf8_percent_encode(key, PATH))
    }

    /// The block of a source that lists the bucket.
    pub fn poll(&self, more: &str) -> String {
        format!("kind = 's3-poll'\nbucket = '{}'\nendpoint = '{}'\n{more}", self.name, self.endpoint)
    }

    /// The block of a source that listens to the queue.
    pub fn sqs(&self, more: &str) -> String {
        let queue = if more.contains("queue_url") {
            String::new()
        } else {
            format!("queue_url = '{}'\n", self.queue_url(&self.name))
        };
        format!("kind = 's3-sqs'\nbucket = '{}'\nendpoint = '{}'\n{queue}{more}", self.name, self.endpoint)
    }
}

/// A notification that S3 itself would send.
pub fn created(bucket: &str, key: &str) -> Value {
    serde_json::json!({ "Records": [{ "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": bucket }, "object": { "key": key } } }] })
}

/// Of a queue whose dead-letter queue is named after it.
fn redrive_policy(name: &str, receives: u32) -> String {
    let dead = arn("sqs", &format!("{name}-dead"));
    serde_json::json!({ "deadLetterTargetArn": dead, "maxReceiveCount": receives.to_string() }).to_string()
}

fn arn(service: &str, name: &str) -> String {
    format!("arn:aws:{service}:us-east-1:{ACCOUNT}:{name}")
}
