//! An ntfy server with one topic.

use std::sync::Mutex;

use serde_json::json;

use super::{Platform, Reply, Request, reply};

pub const TOPIC: &str = "rain-7f3a";

#[derive(Clone, Debug)]
pub struct Message {
    pub text: String,
    pub title: String,
    pub attachment: Vec<u8>,
}

#[derive(Default)]
pub struct Ntfy(Mutex<Vec<Message>>);

pub fn toml(url: &str) -> String {
    format!("[alert.ntfy]\nenabled = true\nserver = '{url}'\ntopic = '{TOPIC}'\ntoken = 'tk_secret'\n")
}

impl Ntfy {
    pub fn messages(&self) -> Vec<Message> {
        self.0.lock().unwrap().clone()
    }
}

impl Platform for Ntfy {
    fn step(&self, request: &Request) -> &'static str {
        match request.path.strip_prefix("/rain-7f3a") {
            Some("") => "post",
            Some("/json") => "own messages",
            _ => "nothing",
        }
    }

    fn answer(&self, step: &'static str, request: &Request) -> Reply {
        if request.header("authorization") != "Bearer tk_secret" {
            return reply(401, "unauthorized");
        }
        let mut messages = self.0.lock().unwrap();
        let line = |index: usize, message: &Message| {
            json!({ "id": format!("m{index}"), "time": 1, "event": "message", "topic": TOPIC, "message": message.text })
                .to_string()
        };
        match step {
            "post" => {
                // With an attachment, the body is that and the text is a parameter.
                let body = request.body.clone();
                let (text, attachment) = request.parameter("message").map_or_else(
                    || (String::from_utf8(body.clone()).unwrap(), Vec::new()),
                    |text| (text, body.clone()),
                );
                let message = Message { text, title: String::new(), attachment };
                messages.push(Message { title: request.parameter("title").unwrap_or_default(), ..message });
                reply(200, line(messages.len() - 1, &messages[messages.len() - 1]))
            }
            "own messages" => {
                assert_eq!(request.parameter("poll").as_deref(), Some("1"));
                assert!(request.parameter("since").unwrap().ends_with('s'));
                let lines: Vec<_> = messages.iter().enumerate().map(|(index, message)| line(index, message)).collect();
                reply(200, lines.join("\n"))
            }
            _ => reply(404, "not found"),
        }
    }

    fn texts(&self) -> Vec<String> {
        self.messages().into_iter().map(|message| message.text).collect()
    }
}
