//! Another maker's S3, which checks signatures.

use std::process::Child;

use raincell_tests::cloud::{program, start_server, until_it_answers};
use raincell_tests::free_port;

use crate::process::Process;
use crate::scans::{expected, whole};
use crate::world::{World, eventually, health_of};

struct Seaweed {
    _server: Child,
    s3: String,
    filer: String,
}

/// Its buckets: `open` may be read by anybody, `closed` by who signs as `a-test`.
async fn seaweed(world: &World) -> Option<Seaweed> {
    let program = program("weed")?;
    let identities = serde_json::json!({ "identities": [
        { "name": "anonymous", "actions": ["Read:open", "List:open"] },
        { "name": "test", "credentials": [{ "accessKey": "a-test", "secretKey": "a-secret" }],
          "actions": ["Read", "List", "Write", "Admin"] },
    ] });
    std::fs::write(world.path("s3.json"), identities.to_string()).unwrap();
    let ports: Vec<String> = (0..4).map(|_| free_port().unwrap().to_string()).collect();
    let option = |name: &str, value: &str| format!("-{name}={value}");
    let mut arguments = vec!["server".to_owned(), "-s3".into(), "-ip=127.0.0.1".into(), "-ip.bind=127.0.0.1".into()];
    for (name, port) in ["master.port", "volume.port", "filer.port", "s3.port"].iter().zip(&ports) {
        arguments.push(option(name, port));
        // The second port of each is ten thousand above the first unless it is named.
        arguments.push(option(&format!("{name}.grpc"), &free_port().unwrap().to_string()));
    }
    let folder = world.path("weed");
    std::fs::create_dir_all(&folder).unwrap();
    arguments.push(option("dir", &folder.display().to_string()));
    arguments.push(option("s3.config", &world.path("s3.json").display().to_string()));
    // Volumes enough for two buckets; a master alone, which need not wait to be elected; no catalogues on fixed ports.
    for option in ["-volume.max=30", "-master.raftHashicorp", "-master.raftBootstrap", "-master.electionTimeout=1s"] {
        arguments.push(option.into());
    }
    arguments.extend(["-s3.port.iceberg=0".into(), "-s3.port.lance=0".into()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let server = start_server(&program, &arguments, &[], &folder);
    let at = |port: &String| format!("http://127.0.0.1:{port}");
    let seaweed = Seaweed { _server: server, s3: at(&ports[3]), filer: at(&ports[2]) };
    until_it_answers(&seaweed.filer).await;
    until_it_answers(&seaweed.s3).await;
    Some(seaweed)
}

impl Seaweed {
    /// Past S3 and its signatures.
    async fn put(&self, bucket: &str, (name, bytes): &(String, Vec<u8>)) {
        let client = raincell_http_client::builder().build().unwrap();
        let url = format!("{}/buckets/{bucket}/{name}", self.filer);
        eventually("the file is written", async || {
            let put = client.put(&url).body(bytes.clone()).send().await;
            put.is_ok_and(|response| response.status().is_success())
        })
        .await;
    }

    fn source(&self, bucket: &str, anonymous: bool) -> String {
        format!("kind = 's3-poll'\nbucket = '{bucket}'\nendpoint = '{}'\nanonymous = {anonymous}", self.s3)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn public_buckets_are_read_unsigned_and_closed_ones_signed() {
    let world = World::new().await;
    let Some(seaweed) = seaweed(&world).await else { return };
    let files: Vec<_> = (0..2).map(whole).collect();
    seaweed.put("open", &files[0]).await;
    seaweed.put("closed", &files[1]).await;
    let unsigned = Process::start(&world, &seaweed.source("open", true));
    world.until_frames(&expected(&files[..1])).await;
    unsigned.kill();
    let refused = Process::start(&world, &seaweed.source("closed", true));
    eventually("it is told", async || {
        let (condition, detail) = health_of(&refused.url, "source").await;
        condition == "degraded" && detail.contains("AccessDenied")
    })
    .await;
    refused.kill();
    let _signed = Process::start(&world, &seaweed.source("closed", false));
    world.until_frames(&expected(&files)).await;
}
