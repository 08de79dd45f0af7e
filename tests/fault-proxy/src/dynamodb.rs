//! DynamoDB's own ways to say that it is busy.

use anyhow::Context;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

const MEDIA_TYPE: &str = "application/x-amz-json-1.0";

/// As when a partition has more to do than it may.
pub(crate) fn throttled() -> Response {
    let error = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
        "message": "The level of configured provisioned throughput for the table was exceeded."
    });
    let mut response = Response::new(Body::from(error.to_string()));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(MEDIA_TYPE));
    response
}

/// What of a batch is left undone, under its name in the answer.
pub(crate) struct Left {
    name: &'static str,
    requests: Value,
}

/// The half of a batch that is passed on, and the other one. `None` for what is no batch, or one of one.
pub(crate) fn halved(headers: &HeaderMap, body: &[u8]) -> Option<(Bytes, Left)> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    let name = match target.rsplit('.').next()? {
        "BatchWriteItem" => "UnprocessedItems",
        "BatchGetItem" => "UnprocessedKeys",
        _ => return None,
    };
    let mut request: Value = serde_json::from_slice(body).ok()?;
    let tables = request.get_mut("RequestItems")?.as_object_mut()?;
    let (table, wanted) = tables.iter_mut().next()?;
    let mut rest = wanted.clone();
    let list = |value: &mut Value| -> Option<Vec<Value>> {
        let list = if value.is_array() { value } else { value.get_mut("Keys")? };
        list.as_array_mut().map(std::mem::take)
    };
    let all = list(wanted)?;
    list(&mut rest)?;
    if all.len() < 2 {
        return None;
    }
    let (first, second) = all.split_at(all.len() / 2);
    put(wanted, first)?;
    put(&mut rest, second)?;
    let left = Left { name, requests: json!({ table.clone(): rest }) };
    Some((request.to_string().into(), left))
}

fn put(value: &mut Value, items: &[Value]) -> Option<()> {
    let list = if value.is_array() { value } else { value.get_mut("Keys")? };
    *list.as_array_mut()? = items.to_vec();
    Some(())
}

/// The answer, with what was left undone in it.
pub(crate) fn with_unprocessed(answer: &[u8], left: Left) -> anyhow::Result<Bytes> {
    let mut answer: Value = serde_json::from_slice(answer).context("the answer to a batch")?;
    if let Some(answer) = answer.as_object_mut()
        && !answer.contains_key("__type")
    {
        answer.insert(left.name.to_owned(), left.requests);
    }
    Ok(answer.to_string().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn half_of_a_batch_is_passed_on_and_the_other_half_comes_back() {
        let headers = HeaderMap::from_iter([(
            "x-amz-target".parse().unwrap(),
            "DynamoDB_20120810.BatchGetItem".parse().unwrap(),
        )]);
        let body = json!({"RequestItems": {"t": {"ConsistentRead": true, "Keys": [1, 2, 3]}}}).to_string();
        let (sent, left) = halved(&headers, body.as_bytes()).unwrap();
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(sent["RequestItems"]["t"], json!({"ConsistentRead": true, "Keys": [1]}));
        let answer: Value = serde_json::from_slice(&with_unprocessed(b"{\"Responses\": {}}", left).unwrap()).unwrap();
        assert_eq!(answer["UnprocessedKeys"], json!({"t": {"ConsistentRead": true, "Keys": [2, 3]}}));
    }
}
