//! The targets of posts in the configuration: a table and a switch for each.

use serde::Deserialize;

use crate::poster::PictureKind;
use crate::poster::x::has_link;
use crate::secret::Secret;

/// `[alert.x]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XConfig {
    /// Posts go there.
    pub enabled: bool,
    /// Where the API answers.
    pub api_url: String,
    /// Key of the app.
    pub consumer_key: Secret,
    /// Secret of the app.
    pub consumer_secret: Secret,
    /// Token of the account that posts.
    pub access_token: Secret,
    /// Secret of that token.
    pub access_token_secret: Secret,
    /// Texts with links are posted.
    pub links: bool,
    /// The most that is spent in a day (UTC), US dollars.
    pub daily_budget_usd: f64,
    /// What a post costs, US dollars.
    pub post_usd: f64,
    /// What a post with a link costs.
    pub link_post_usd: f64,
    /// What an alt text costs.
    pub alt_text_usd: f64,
}

/// `[alert.mastodon]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MastodonConfig {
    /// Posts go there.
    pub enabled: bool,
    /// The server of the account.
    pub server: String,
    /// Token of the account.
    pub access_token: Secret,
    /// Who sees the posts: public, unlisted or private.
    pub visibility: String,
    /// The most characters that the server takes.
    pub most_characters: usize,
    /// What is attached.
    pub picture: PictureChoice,
}

/// `[alert.bluesky]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlueskyConfig {
    /// Posts go there.
    pub enabled: bool,
    /// The personal data server of the account.
    pub server: String,
    /// Handle or DID of the account.
    pub identifier: String,
    /// An app password of it.
    pub app_password: Secret,
    /// What is attached.
    pub picture: PictureChoice,
}

/// `[alert.ntfy]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NtfyConfig {
    /// Posts go there.
    pub enabled: bool,
    /// The server.
    pub server: String,
    /// The topic; who knows it reads along.
    pub topic: Secret,
    /// Access token, for servers that want one.
    pub token: Secret,
    /// What is attached.
    pub picture: PictureChoice,
}

/// `[alert.webhook]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Posts go there.
    pub enabled: bool,
    /// The receiver; may hold a token.
    pub url: Secret,
    /// Key of the signature.
    pub secret: Secret,
    /// What goes along.
    pub picture: PictureChoice,
}

/// The picture that a target gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PictureChoice {
    /// None.
    #[default]
    None,
    /// An animated GIF.
    Gif,
    /// The same as a video.
    Mp4,
    /// A still.
    Png,
}

impl PictureChoice {
    /// What is tried, one after the other: a still where the video does not work out.
    pub(crate) fn kinds(self) -> Vec<PictureKind> {
        match self {
            Self::None => Vec::new(),
            Self::Gif => vec![PictureKind::Gif],
            Self::Mp4 => vec![PictureKind::Mp4, PictureKind::Png],
            Self::Png => vec![PictureKind::Png],
        }
    }
}

/// Collects sentences about one table.
struct Check<'a> {
    table: &'static str,
    problems: &'a mut Vec<String>,
}

impl Check<'_> {
    fn that(&mut self, good: bool, problem: impl FnOnce() -> String) {
        if !good {
            self.problems.push(format!("{}.{}", self.table, problem()));
        }
    }

    fn given(&mut self, key: &str, secret: &Secret) {
        self.that(!secret.is_empty(), || format!("{key} is empty"));
    }

    fn url(&mut self, key: &str, url: &str) {
        let good = url.starts_with("http://") || url.starts_with("https://");
        self.that(good, || format!("{key} is no http://… or https://… address"));
    }
}

impl XConfig {
    /// What is wrong with it, where it is switched on. `credit` is at the end of every post.
    pub(super) fn problems(&self, credit: &str, problems: &mut Vec<String>) {
        if !self.enabled {
            return;
        }
        let mut check = Check { table: "x", problems };
        check.url("api_url", &self.api_url);
        check.given("consumer_key", &self.consumer_key);
        check.given("consumer_secret", &self.consumer_secret);
        check.given("access_token", &self.access_token);
        check.given("access_token_secret", &self.access_token_secret);
        for (key, dollars) in [
            ("daily_budget_usd", self.daily_budget_usd),
            ("post_usd", self.post_usd),
            ("link_post_usd", self.link_post_usd),
            ("alt_text_usd", self.alt_text_usd),
        ] {
            check.that((0.0..=10_000.0).contains(&dollars), || format!("{key} is {dollars}, expected 0 to 10000"));
        }
        check.that(self.links || !has_link(credit), || {
            format!("links is false, but X makes a link of the credit `{credit}`")
        });
    }
}

impl MastodonConfig {
    pub(super) fn problems(&self, problems: &mut Vec<String>) {
        if !self.enabled {
            return;
        }
        let mut check = Check { table: "mastodon", problems };
        check.url("server", &self.server);
        check.given("access_token", &self.access_token);
        let visibility = &self.visibility;
        check.that(["public", "unlisted", "private"].contains(&visibility.as_str()), || {
            format!("visibility is `{visibility}`, expected public, unlisted or private")
        });
        let most = self.most_characters;
        check.that((140..=100_000).contains(&most), || format!("most_characters is {most}, expected 140 to 100000"));
    }
}

impl BlueskyConfig {
    pub(super) fn problems(&self, problems: &mut Vec<String>) {
        if !self.enabled {
            return;
        }
        let mut check = Check { table: "bluesky", problems };
        check.url("server", &self.server);
        check.that(!self.identifier.is_empty(), || "identifier is empty".into());
        check.given("app_password", &self.app_password);
        // Such a GIF would be a still to everybody.
        check.that(self.picture != PictureChoice::Gif, || "picture is gif, expected mp4, png or none".into());
    }
}

impl NtfyConfig {
    pub(super) fn problems(&self, problems: &mut Vec<String>) {
        if !self.enabled {
            return;
        }
        let mut check = Check { table: "ntfy", problems };
        check.url("server", &self.server);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let topic = self.topic.reveal();
        check.that(!topic.is_empty() && topic.len() <= 64 && topic.chars().all(plain), || {
            "topic is not of 1 to 64 letters, digits, hyphens and underscores".into()
        });
    }
}

impl WebhookConfig {
    pub(super) fn problems(&self, problems: &mut Vec<String>) {
        if !self.enabled {
            return;
        }
        let mut check = Check { table: "webhook", problems };
        check.url("url", self.url.reveal());
        check.that(self.secret.reveal().len() >= 16, || "secret is shorter than 16 characters".into());
    }
}
