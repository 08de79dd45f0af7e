//! What a message of the queue says: which objects are new.
//!
//! Read are S3 event notifications, straight or through SNS (in its envelope or by raw delivery), and the messages of the
//! public topic `NewNEXRADLevel2ObjectFilterable` (`S3Bucket` and `Key`, with the radar's fields beside them).

use percent_encoding::percent_decode_str;
use serde_json::Value;
use thiserror::Error;

/// Envelopes are not nested deeper than this.
const DEEPEST: usize = 3;

/// An object that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its bucket.
    pub bucket: String,
    /// Its key, as S3 has it.
    pub key: String,
}

/// A message that cannot be read.
#[derive(Debug, Error)]
pub enum NotificationError {
    /// Not JSON.
    #[error("expected a notification as JSON, found `{found}`")]
    Json {
        /// Its beginning.
        found: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// JSON of another kind.
    #[error("expected Records, S3Bucket and Key, or an SNS envelope with these; found {found}")]
    Kind {
        /// The fields that it has.
        found: String,
    },
    /// A record that lacks something.
    #[error("record {index} has no {field}")]
    Field {
        /// Which record.
        index: usize,
        /// What it lacks.
        field: &'static str,
    },
    /// A key that is no text.
    #[error("record {index}: the key `{key}` is not UTF-8 when it is decoded")]
    Key {
        /// Which record.
        index: usize,
        /// The key as it came.
        key: String,
    },
}

/// The objects that a message tells of; none for a test event, a deletion, or a note of SNS about itself.
///
/// # Errors
/// [`NotificationError`] for anything else.
pub fn parse(body: &str) -> Result<Vec<Created>, NotificationError> {
    let mut message = json(body)?;
    for _ in 0..DEEPEST {
        match message.get("Type").and_then(Value::as_str) {
            Some("Notification") => match message.get("Message").and_then(Value::as_str) {
                Some(inner) => message = json(inner)?,
                None => break,
            },
            Some("SubscriptionConfirmation" | "UnsubscribeConfirmation") => return Ok(Vec::new()),
            _ => break,
        }
    }
    if message.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Ok(Vec::new());
    }
    if let Some(records) = message.get("Records").and_then(Value::as_array) {
        return records.iter().enumerate().filter_map(|(index, record)| created(index, record).transpose()).collect();
    }
    let text = |field: &str| message.get(field).and_then(Value::as_str).map(str::to_owned);
    match (text("S3Bucket"), text("Key")) {
        (Some(bucket), Some(key)) => Ok(vec![Created { bucket, key }]),
        _ => Err(NotificationError::Kind { found: fields(&message) }),
    }
}

fn json(text: &str) -> Result<Value, NotificationError> {
    serde_json::from_str(text)
        .map_err(|source| NotificationError::Json { found: text.chars().take(60).collect(), source })
}

/// The object of a record, or `None` where nothing was created.
fn created(index: usize, record: &Value) -> Result<Option<Created>, NotificationError> {
    let field = |pointer: &str, field| {
        record.pointer(pointer).and_then(Value::as_str).ok_or(NotificationError::Field { index, field })
    };
    // `s3:` stands before it in some implementations.
    if !field("/eventName", "eventName")?.trim_start_matches("s3:").starts_with("ObjectCreated") {
        return Ok(None);
    }
    let bucket = field("/s3/bucket/name", "s3.bucket.name")?.to_owned();
    let escaped = field("/s3/object/key", "s3.object.key")?;
    // As in a form: `+` is a space; some escape `/` too.
    let key = percent_decode_str(&escaped.replace('+', " ")).decode_utf8().map(std::borrow::Cow::into_owned);
    match key {
        Ok(key) => Ok(Some(Created { bucket, key })),
        Err(_) => Err(NotificationError::Key { index, key: escaped.to_owned() }),
    }
}

fn fields(message: &Value) -> String {
    match message.as_object() {
        Some(object) if object.is_empty() => "an empty object".to_owned(),
        Some(object) => object.keys().take(10).cloned().collect::<Vec<_>>().join(", "),
        None => "no object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn keys(body: &Value) -> Vec<String> {
        parse(&body.to_string())
            .unwrap()
            .into_iter()
            .map(|created| format!("{}|{}", created.bucket, created.key))
            .collect()
    }

    fn event(name: &str, key: &str) -> Value {
        json!({ "Records": [{ "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": name,
            "s3": { "bucket": { "name": "b" }, "object": { "key": key, "size": 7 } } }] })
    }

    #[test]
    fn keys_are_decoded_as_in_a_form() {
        for (escaped, key) in [
            ("2026/11/21/KLOT/KLOT20261121_120000_V06", "b|2026/11/21/KLOT/KLOT20261121_120000_V06"),
            ("2026%2F11%2FKLOT", "b|2026/11/KLOT"),
            ("a+b%2Bc%20d", "b|a b+c d"),
            ("OPERA%4020261121T1200%400%40RATE.h5", "b|OPERA@20261121T1200@0@RATE.h5"),
            ("gr%C3%B6%C3%9Fe", "b|größe"),
            ("100%", "b|100%"),
        ] {
            assert_eq!(keys(&event("ObjectCreated:Put", escaped)), [key]);
            assert_eq!(keys(&event("s3:ObjectCreated:CompleteMultipartUpload", escaped)), [key]);
        }
    }

    #[test]
    fn envelopes_are_opened() {
        let inner = event("ObjectCreated:Put", "x");
        let envelope = json!({ "Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": inner.to_string() });
        assert_eq!(keys(&envelope), ["b|x"]);
        let twice = json!({ "Type": "Notification", "Message": envelope.to_string() });
        assert_eq!(keys(&twice), ["b|x"]);
    }

    #[test]
    fn the_public_topic_of_chunks_is_read() {
        let message = json!({ "S3Bucket": "unidata-nexrad-level2-chunks", "Key": "KTLX/399/20261009-043037-048-I",
            "SiteID": "KTLX", "DateTime": "2026-10-09T04:30:37", "VolumeID": 399, "ChunkID": 48, "ChunkType": "I" });
        let envelope = json!({ "Type": "Notification", "Message": message.to_string() });
        assert_eq!(keys(&envelope), ["unidata-nexrad-level2-chunks|KTLX/399/20261009-043037-048-I"]);
    }

    #[test]
    fn what_creates_nothing_names_nothing() {
        for body in [
            json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b" }),
            event("ObjectRemoved:Delete", "x"),
            json!({ "Type": "SubscriptionConfirmation", "Message": "You have chosen" }),
            json!({ "Records": [] }),
        ] {
            assert!(keys(&body).is_empty(), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (body, part) in [
            ("hello".to_owned(), "found `hello`"),
            (json!({ "a": 1, "b": 2 }).to_string(), "found a, b"),
            (json!([1]).to_string(), "no object"),
            (json!({ "Records": [{}] }).to_string(), "record 0 has no eventName"),
            (json!({ "Records": [{ "eventName": "ObjectCreated:Put" }] }).to_string(), "s3.bucket.name"),
            (event("ObjectCreated:Put", "%FF").to_string(), "not UTF-8"),
            (json!({ "Type": "Notification", "Message": "hello" }).to_string(), "found `hello`"),
        ] {
            let error = parse(&body).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
