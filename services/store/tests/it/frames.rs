//! Frames, nowcasts, rain series, refusals.

use raincell_api_types::health::Condition;
use raincell_api_types::problem::ProblemDetails;
use raincell_frame::{MEDIA_TYPE, content_hash, encode};
use raincell_model::{MotionField, NowcastRun, Observation};
use raincell_store_client::{ClientError, FrameQuery, PutOutcome, RetryPolicy, StoreClient};
use reqwest::{Method, StatusCode};

use super::server::{CENTRE, Server, TOKEN, frame, minute};

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_is_stored_once_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let frame = frame("KLOT", 0, 4.0);
    let put = server.client.put_frame(&frame).await.unwrap();
    let PutOutcome::New(info) = put else { panic!("{put:?}") };
    assert_eq!(info.hash, content_hash(&encode(&frame).unwrap()));
    assert_eq!(server.client.put_frame(&frame).await.unwrap(), PutOutcome::Same(info.clone()));
    let back = server.client.frame(&info).await.unwrap();
    assert_eq!((back.source.as_str(), back.field.valid_time), ("KLOT", minute(0)));
    assert_eq!(back.field.at(0, 0), Observation::NoData);
    assert_eq!(back.field.at(1, 1), Observation::Dry);
    assert_eq!(server.client.sources().await.unwrap()[0].newest_valid_time, minute(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_is_409_and_replaces_only_with_the_stored_hash() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let first = server.client.put_frame(&frame("a", 0, 1.0)).await.unwrap().info().clone();
    let error = server.client.put_frame(&frame("a", 0, 2.0)).await.unwrap_err();
    assert!(matches!(&error, ClientError::Conflict { stored_hash, .. } if *stored_hash == first.hash), "{error}");
    let error = server.client.replace_frame(&frame("a", 0, 2.0), "0123").await.unwrap_err();
    assert!(matches!(&error, ClientError::Precondition { found: Some(f), .. } if *f == first.hash), "{error}");
    assert!(server.client.replace_frame(&frame("a", 0, 2.0), &first.hash).await.unwrap().is_new());
    let error = server.client.replace_frame(&frame("a", 5, 2.0), &first.hash).await.unwrap_err();
    assert!(matches!(&error, ClientError::Precondition { found: None, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_carries_its_validators_and_304_needs_no_body() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let info = server.client.put_frame(&frame("a", 0, 1.0)).await.unwrap().info().clone();
    for time in ["2021-07-29T12:00:00Z", "20210729T120000Z", "202107291200"] {
        let answer = server.get(&format!("/v1/frames/a/rate/{time}")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{time}");
        assert_eq!(answer.headers()["etag"], format!("\"{}\"", info.hash));
        assert_eq!(answer.headers()["last-modified"], "Thu, 29 Jul 2021 12:00:00 GMT");
        assert_eq!(answer.headers()["content-type"], MEDIA_TYPE);
        assert_eq!(content_hash(&answer.bytes().await.unwrap()), info.hash);
    }
    let request = server.request(Method::GET, "/v1/frames/a/rate/202107291200");
    let answer = request.header("If-None-Match", format!("\"{}\"", info.hash)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_MODIFIED);
    assert!(answer.bytes().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_page_and_the_latest_come_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    for minutes in [10, 0, 5, 15] {
        server.client.put_frame(&frame("a", minutes, 1.0)).await.unwrap();
    }
    let mut query = FrameQuery { source: Some("a".into()), limit: Some(3), ..FrameQuery::default() };
    let page = server.client.list_frames(&query).await.unwrap();
    assert_eq!(page.frames.len(), 3);
    query.cursor = page.next_cursor;
    let rest = server.client.list_frames(&query).await.unwrap();
    assert_eq!((rest.frames[0].valid_time, rest.frames.len(), rest.next_cursor), (minute(15), 1, None));
    let range = FrameQuery { from: Some(minute(5)), to: Some(minute(10)), ..FrameQuery::default() };
    assert_eq!(server.client.list_frames(&range).await.unwrap().frames.len(), 2);
    let latest = server.client.latest_frames("a", "rate", 2).await.unwrap();
    assert_eq!(latest.iter().map(|f| f.valid_time).collect::<Vec<_>>(), [minute(10), minute(15)]);
    assert!(server.client.latest_frames("b", "rate", 2).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rain_at_a_point_keeps_dry_and_unknown_apart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let missing = server.client.rain(CENTRE.0, CENTRE.1, 60, None).await.unwrap_err();
    assert!(matches!(missing, ClientError::NotFound { .. }), "{missing}");
    for (minutes, rate) in [(0, 9.0), (40, 4.0), (45, 0.0), (50, f32::NAN)] {
        server.client.put_frame(&frame("a", minutes, rate)).await.unwrap();
    }
    let series = server.client.rain(CENTRE.0, CENTRE.1, 10, None).await.unwrap();
    assert_eq!(series.samples.len(), 3, "{series:?}");
    let rate = series.samples[0].rate_mm_h.unwrap();
    assert!((rate / 4.0 - 1.0).abs() < 0.025, "{rate}");
    assert_eq!(series.samples[1].rate_mm_h, Some(0.0));
    assert_eq!(series.samples[2].rate_mm_h, None);
    let outside = server.client.rain(-33.0, 151.0, 10, Some("a")).await.unwrap();
    assert!(outside.samples.iter().all(|s| s.rate_mm_h.is_none()));
    server.client.put_frame(&frame("b", 0, 1.0)).await.unwrap();
    let problem: ProblemDetails = server.get("/v1/rain?lat=52&lon=5").await.json().await.unwrap();
    assert_eq!((problem.parameter.as_deref(), problem.accepted.as_deref()), (Some("source"), Some("a, b")));
}

#[tokio::test(flavor = "multi_thread")]
async fn rain_asked_for_again_is_the_same_and_follows_what_is_new_and_what_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let rates = async |past: u32| {
        let series = server.client.rain(CENTRE.0, CENTRE.1, past, Some("a")).await.unwrap();
        series.samples.iter().map(|sample| sample.rate_mm_h.map(f32::round)).collect::<Vec<_>>()
    };
    for (minutes, rate) in [(0, 3.0), (5, 0.0), (10, f32::NAN)] {
        server.client.put_frame(&frame("a", minutes, rate)).await.unwrap();
    }
    let before = rates(60).await;
    assert_eq!(before, [Some(3.0), Some(0.0), None]);
    assert_eq!(rates(60).await, before);
    server.client.put_frame(&frame("a", 15, 7.0)).await.unwrap();
    assert_eq!(rates(60).await, [Some(3.0), Some(0.0), None, Some(7.0)]);
    let first = server.client.latest_frames("a", "rate", 4).await.unwrap().remove(0);
    let (other, time) = (encode(&frame("a", 0, 12.0)).unwrap(), first.valid_time);
    server.client.put_frame_bytes("a", "rate", time, other.into(), Some(&first.hash)).await.unwrap();
    assert_eq!(rates(60).await, [Some(12.0), Some(0.0), None, Some(7.0)]);
    assert_eq!(rates(5).await, [None, Some(7.0)]);
    // Elsewhere on the same frames.
    let outside = server.client.rain(-33.0, 151.0, 60, Some("a")).await.unwrap();
    assert!(outside.samples.len() == 4 && outside.samples.iter().all(|s| s.rate_mm_h.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nowcast_run_is_stored_whole_and_the_newest_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    assert!(server.client.latest_run("a").await.unwrap().is_none());
    let run = |issued: i64| {
        let fields: Vec<_> = (1..=3).map(|step| frame("a", issued + 5 * step, 2.0).field).collect();
        NowcastRun {
            source: "a".into(),
            issue_time: minute(issued),
            method: "extrapolation".into(),
            model_version: "1".into(),
            based_on: "hash".into(),
            motion: MotionField::at_rest(fields[0].grid.clone()),
            fields,
        }
    };
    for issued in [5, 0] {
        assert!(server.client.put_run(&run(issued)).await.unwrap().is_new());
        assert!(!server.client.put_run(&run(issued)).await.unwrap().is_new());
    }
    let (newest, hash) = server.client.latest_run("a").await.unwrap().unwrap();
    assert_eq!((newest.issue_time, newest.fields.len()), (minute(5), 3));
    let list = server.client.list_runs("a", 10).await.unwrap();
    assert_eq!(list.iter().map(|i| i.issue_time).collect::<Vec<_>>(), [minute(0), minute(5)]);
    assert_eq!(list[1].hash, hash);
    assert_eq!(server.client.run(&list[0]).await.unwrap().issue_time, minute(0));
    let other = NowcastRun { method: "persistence".into(), ..run(5) };
    let error = server.client.put_run(&other).await.unwrap_err();
    assert!(matches!(&error, ClientError::Conflict { stored_hash, .. } if *stored_hash == hash), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_frame_of_its_path_is_refused_with_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let body = encode(&frame("a", 0, 1.0)).unwrap();
    let put = async |path: &str, body: Vec<u8>| {
        let request = server.request(Method::PUT, path).header("content-type", MEDIA_TYPE).body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let status = answer.status().as_u16();
        (status, answer.json::<ProblemDetails>().await.unwrap().detail)
    };
    for (path, differs) in [
        ("/v1/frames/b/rate/202107291200", "source is b in the path, a in the body"),
        ("/v1/frames/a/p50/202107291200", "product is p50 in the path, rate in the body"),
        ("/v1/frames/a/rate/202107291205", "valid_time is 2021-07-29T12:05:00Z in the path, 2021-07-29T12:00:00Z in"),
    ] {
        let (status, detail) = put(path, body.clone()).await;
        assert!(status == 422 && detail.starts_with(differs), "{status} {detail}");
    }
    let path = "/v1/frames/a/rate/202107291200";
    assert_eq!(put(path, body[..body.len() / 2].to_vec()).await.0, 400);
    assert_eq!(put(path, Vec::new()).await.0, 400);
    for position in 0..body.len() {
        let mut flipped = body.clone();
        flipped[position] ^= 0x10;
        let (status, detail) = put(path, flipped).await;
        assert_eq!(status, 400, "byte {position}: {detail}");
    }
    assert_eq!(put("/v1/frames/a/rate/yesterday", body.clone()).await.0, 400);
    assert_eq!(put("/v1/frames/a%20b/rate/202107291200", body.clone()).await.0, 400);
    assert!(server.client.sources().await.unwrap().is_empty());
    let plain = server.request(Method::PUT, path).body(body).send().await.unwrap();
    assert_eq!(plain.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let huge = server.request(Method::PUT, path).header("content-type", MEDIA_TYPE).body(vec![0; 2 << 20]);
    assert_eq!(huge.send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_parameter_is_named_with_what_it_accepts() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    for (path, parameter) in [
        ("/v1/frames?limit=0", "limit"),
        ("/v1/frames?from=now", "from"),
        ("/v1/frames/latest", "source"),
        ("/v1/frames/latest?source=a&n=x", "n"),
        ("/v1/rain?lon=5", "lat"),
        ("/v1/rain?lat=91&lon=5", "lat"),
        ("/v1/rain?lat=NaN&lon=5", "lat"),
        ("/v1/rain?lat=52&lon=5&past=1441", "past"),
        ("/v1/nowcasts", "source"),
        ("/v1/events?after=x", "after"),
        ("/v1/alerts/outbox?status=lost", "status"),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
        let problem: ProblemDetails = answer.json().await.unwrap();
        assert_eq!(problem.parameter.as_deref(), Some(parameter), "{path}");
        assert!(problem.accepted.is_some(), "{path}");
    }
    assert_eq!(server.get("/v1/frames?cursor=x").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(server.get("/v1/nothing").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.get("/v1/frames/a/rate/202107291200").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_health_is_told_without_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let stranger = StoreClient::new(&server.url, "another token").unwrap();
    let refused = |error: ClientError| assert!(matches!(error, ClientError::Unauthorized), "{error}");
    refused(stranger.put_frame(&frame("a", 0, 1.0)).await.unwrap_err());
    refused(stranger.sources().await.unwrap_err());
    refused(stranger.alert_state("home").await.unwrap_err());
    refused(stranger.checkpoint("x").await.unwrap_err());
    assert_eq!(stranger.ready().await.unwrap().condition, Condition::Ok);
    server.client.put_frame(&frame("a", 0, 1.0)).await.unwrap();
    let http = raincell_http_client::builder().no_proxy().build().unwrap();
    let metrics = http.get(format!("{}/metrics", server.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("raincell_frames_stored_total{source=\"a\"}"), "{metrics}");
    assert!(!metrics.contains(TOKEN));
}

#[tokio::test]
async fn a_store_that_is_not_there_is_unreachable_after_some_tries() {
    let policy = RetryPolicy { deadline: std::time::Duration::from_millis(500), ..RetryPolicy::default() };
    // Nobody listens on the discard port of the loopback.
    let client = StoreClient::new("http://127.0.0.1:9", TOKEN).unwrap().with_policy(policy);
    let error = client.sources().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { attempts: 2.., .. }), "{error}");
    assert!(error.is_temporary());
    for bad in ["127.0.0.1:8081", "", "ftp://x"] {
        assert!(matches!(StoreClient::new(bad, TOKEN), Err(ClientError::Address { .. })), "{bad}");
    }
}
