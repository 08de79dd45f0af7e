//! The Atom feed of alert posts.

use std::time::Duration;

use raincell_api_types::alerts::{AlertTransition, FEED, NewPost, RainEvent, RainEventKind, post_key};

use crate::scene::{Scene, header, minutes_after, newest};

fn post(key: &str, target: &str, text: &str, thread: Option<&str>) -> NewPost {
    let event = RainEvent {
        place: "Jan's <pier> & co".into(),
        kind: RainEventKind::Begun,
        time: newest(),
        about: minutes_after(newest(), 5),
        text: text.into(),
        thread: thread.map(str::to_owned),
        ..RainEvent::default()
    };
    NewPost { key: post_key(key, target), event, announced: target == FEED }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_tells_each_event_once_newest_first_and_what_it_follows() {
    let scene = Scene::empty("public_host = 'https://rain.example.org'").await;
    assert!(scene.get("/feeds/alerts.atom").await.text().await.unwrap().contains("</feed>"));
    let first = [post("a", FEED, "Rain < 3 mm/h.", None), post("a", "x", "Rain < 3 mm/h.", None)];
    let second = [post("b", FEED, "It is over.", Some("a")), post("b", "x", "It is over.", Some("a"))];
    for (revision, posts) in (0..).zip([first, second]) {
        let change =
            AlertTransition { expected_revision: revision, state: revision.into(), posts: posts.into_iter().collect() };
        scene.client.transition("pier", &change).await.unwrap();
    }
    let mut text = String::new();
    for _ in 0..500 {
        let response = scene.get("/feeds/alerts.atom").await;
        assert_eq!(header(&response, "content-type"), "application/atom+xml; charset=utf-8");
        text = response.text().await.unwrap();
        if text.contains("It is over.") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(text.matches("<entry").count(), 2, "{text}");
    assert!(text.find("It is over.").unwrap() < text.find("Rain &lt; 3 mm/h.").unwrap());
    assert!(text.contains("<title>Jan's &lt;pier&gt; &amp; co</title>"), "{text}");
    assert!(text.contains("href=\"https://rain.example.org/feeds/alerts.atom\""));
    let id = text.rsplit("<id>").next().unwrap().split("</id>").next().unwrap();
    assert!(text.contains(&format!("ref=\"{id}\"")), "{id} {text}");
}
