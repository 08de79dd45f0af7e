//! `GET /feeds/alerts.atom`: the posts of the alert service for feed readers (RFC 4287).

use std::fmt::Write;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use raincell_api_types::alerts::{OutboxPost, event_and_target};

use crate::app::App;
use crate::http::reply::{Keep, Reply};

/// Entries of the feed.
pub(crate) const LONGEST_FEED: usize = 100;
const KEEP: Keep = Keep::Seconds(60);

/// Rain events at the watched places, newest first.
#[utoipa::path(
    get, path = "/feeds/alerts.atom", tag = "points",
    responses((status = 200, description = "Atom 1.0", body = String, content_type = "application/atom+xml"))
)]
pub async fn alerts(State(app): State<App>, headers: HeaderMap) -> Response {
    let posts = app.posts();
    let host = app.host(&headers);
    let text = feed(&posts, &host);
    Reply::bytes("application/atom+xml; charset=utf-8", text, KEEP).to(&headers)
}

fn feed(posts: &[OutboxPost], host: &str) -> String {
    let updated = posts.iter().map(|post| post.created_at).max().unwrap_or(Timestamp::UNIX_EPOCH);
    let host = escaped(host);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <id>{host}/feeds/alerts.atom</id>\n<title>Rain alerts</title>\n<updated>{}</updated>\n\
         <author><name>Raincell</name></author>\n\
         <link rel=\"self\" type=\"application/atom+xml\" href=\"{host}/feeds/alerts.atom\"/>\n\
         <link rel=\"alternate\" type=\"text/html\" href=\"{host}/\"/>\n",
        seconds(updated)
    );
    for post in posts {
        text.push_str(&entry(post));
    }
    text.push_str("</feed>\n");
    text
}

fn entry(post: &OutboxPost) -> String {
    let event = &post.event;
    let key = event_and_target(&post.key).0;
    let language = if event.language.is_empty() { "en" } else { &event.language };
    let thread = event.thread.as_deref().map(|thread| {
        // RFC 4685: which entry this one follows.
        format!("<in-reply-to xmlns=\"http://purl.org/syndication/thread/1.0\" ref=\"{}\"/>\n", urn(thread))
    });
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "<entry xml:lang=\"{}\">\n<id>{}</id>\n<title>{}</title>\n<published>{}</published>\n<updated>{}</updated>\n\
         {}<content type=\"text\">{}</content>\n</entry>\n",
        escaped(language),
        urn(key),
        escaped(&event.place),
        seconds(post.created_at),
        seconds(post.created_at),
        thread.unwrap_or_default(),
        escaped(&event.text),
    );
    text
}

/// A name that stays whatever the service is called: a UUID of version 8 (RFC 9562) from the hash of the event's key.
fn urn(key: &str) -> String {
    let hash = raincell_frame::content_hash(key.as_bytes());
    let digits: String = hash.chars().chain("0".repeat(32).chars()).take(32).collect();
    format!(
        "urn:uuid:{}-{}-8{}-8{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[13..16],
        &digits[17..20],
        &digits[20..32]
    )
}

fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As character data and in attributes; what XML 1.0 cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(character),
            _ if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {}
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_uuids_and_text_is_escaped() {
        let name = urn("20260101T130500Z-harbour-town-coming");
        assert_eq!(name.len(), "urn:uuid:".len() + 36);
        assert_eq!(name, urn("20260101T130500Z-harbour-town-coming"));
        assert_ne!(name, urn("20260101T130500Z-harbour-town-begun"));
        assert_eq!(escaped("a < \"b\" &\u{1} c"), "a &lt; &quot;b&quot; &amp; c");
    }
}
