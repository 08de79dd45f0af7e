//! Multipart forms (RFC 7578), read by hand.

use super::Request;

/// The parts by their names, with their contents.
pub fn parts(request: &Request) -> Vec<(String, Vec<u8>)> {
    let boundary = request.header("content-type").split_once("boundary=").expect("a boundary").1;
    let delimiter = format!("--{boundary}");
    split(&request.body, delimiter.as_bytes())
        .into_iter()
        .filter(|part| part.starts_with(b"\r\n"))
        .map(|part| {
            let end = find(part, b"\r\n\r\n").expect("the head of a part ends");
            let head = String::from_utf8(part[..end].to_vec()).unwrap();
            let name = head.split("name=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
            (name, part[end + 4..].strip_suffix(b"\r\n").expect("a part ends with a line").to_vec())
        })
        .collect()
}

fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    text.windows(pattern.len()).position(|window| window == pattern)
}

fn split<'a>(mut text: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    while let Some(at) = find(text, delimiter) {
        parts.push(&text[..at]);
        text = &text[at + delimiter.len()..];
    }
    parts.push(text);
    parts
}
