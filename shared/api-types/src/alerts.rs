//! Rain events at watched places, and the posts they lead to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the alert service says of a watched place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RainEventKind {
    /// Rain is on its way.
    #[default]
    Coming,
    /// It has begun.
    Begun,
    /// It has become stronger than was said.
    Intensifying,
    /// Its end is near.
    Ending,
    /// It has ended.
    Ended,
    /// The warned rain did not come.
    FalseAlarm,
    /// A cell of heavy rain, anywhere in the domain.
    HeavyRain,
    /// It has weakened, or left the domain.
    HeavyRainOver,
    /// What the next hours bring at a place, told on a schedule.
    Outlook,
    /// Where it rains now, told on a schedule.
    Digest,
    /// How right the warnings were, told on a schedule.
    Score,
}

/// A change at a watched place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RainEvent {
    /// Name of the place.
    pub place: String,
    /// What happened.
    pub kind: RainEventKind,
    /// When it was known (valid time of the data).
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// When the rain starts or started, ends or ended.
    #[schema(value_type = String, format = DateTime)]
    pub about: Timestamp,
    /// Strongest rate expected or seen, mm/h.
    pub rate_mm_h: f32,
    /// What it says, whole: for X, in the language of the place, without a countdown.
    pub text: String,
    /// What the picture of it shows, for those who do not see it; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub alt: String,
    /// Language of the text (BCP 47); empty for English.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub language: String,
    /// Id of the watched place; empty where it is about no watched place.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place_id: String,
    /// Middle of its picture where it is about no watched place: degrees north and east.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub centre: Option<[f64; 2]>,
    /// Key of the first event of the same rain, which this one follows; null for the first itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Content hash of the frame that it was known from, which is the trace id of all that the frame has caused (32 hex
    /// digits); empty where it is known from no single frame.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace_id: String,
    /// What the text is made of; `None` in posts that older versions stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Box<EventFacts>>,
}

/// What the text of a post is made of, so that it can be written again for the length of each target and for the moment
/// of sending.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct EventFacts {
    /// IANA time zone of the times in the text.
    pub time_zone: String,
    /// Credit of the data; empty for none.
    pub credit: String,
    /// Earliest start that is likely.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub earliest: Option<Timestamp>,
    /// Latest start that is likely.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub latest: Option<Timestamp>,
    /// When the rain is expected to end.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Probability of the rain, 0–1, where the nowcast gives one.
    pub probability: Option<f32>,
    /// The rate is that at which the radar of this source sees hail and not more rain.
    pub hail: bool,
    /// Where the rain moves to, degrees clockwise from north, and how fast, km/h.
    pub motion: Option<EventMotion>,
}

/// How the rain of an event moves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventMotion {
    /// Degrees clockwise from north.
    pub towards_deg: f32,
    /// km/h.
    pub speed_km_h: f32,
}

/// How right the warnings of the past weeks were: each is verified against what the radar then saw at its place.
///
/// Scores after Wilks, Statistical Methods in the Atmospheric Sciences, 8.2: a hit is a warned rain that came, a miss one
/// that came unwarned, a false alarm one that was warned of and did not come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct AlertSkill {
    /// Warnings and rains counted from then on.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Time of the newest news that were counted.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Warned rains that came.
    pub hits: u32,
    /// Rains that came unwarned.
    pub misses: u32,
    /// Warnings that no rain followed.
    pub false_alarms: u32,
    /// Warnings whose outcome is not known yet, or never will be (the radar did not see).
    pub open: u32,
    /// Probability of detection, hits ÷ (hits + misses); null before the first rain.
    pub pod: Option<f64>,
    /// False alarm ratio, false alarms ÷ (hits + false alarms); null before the first warning.
    pub far: Option<f64>,
    /// Critical success index, hits ÷ (hits + misses + false alarms).
    pub csi: Option<f64>,
    /// Median time from warning to rain, minutes.
    pub lead_time_min: Option<f64>,
    /// Median distance of the announced start from the start, minutes.
    pub start_error_min: Option<f64>,
    /// Median of start minus announced start, minutes: positive when rain comes later than announced.
    pub start_bias_min: Option<f64>,
}

/// The state of one watched place with its revision, for compare-and-set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertState {
    /// Id of the place.
    pub place: String,
    /// Rises by one with every change; 0 where nothing is stored yet.
    pub revision: u64,
    /// What the alert service wrote.
    #[schema(value_type = Object)]
    pub state: serde_json::Value,
}

/// A change of state together with the posts that it leads to: written in one transaction, or not at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertTransition {
    /// The revision that the change was computed from; another one stored meanwhile means 409.
    pub expected_revision: u64,
    /// The new state.
    #[schema(value_type = Object)]
    pub state: serde_json::Value,
    /// Posts to put into the outbox; one already there under its key is left as it is.
    #[serde(default)]
    pub posts: Vec<NewPost>,
}

/// A post to be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewPost {
    /// Idempotency key: event, place, time, and the target that it goes to.
    pub key: String,
    /// What it tells.
    pub event: RainEvent,
    /// Whether the log tells of its event. Of the posts of one event to several targets, only one does.
    #[serde(default = "announced_unless_told")]
    pub announced: bool,
}

fn announced_unless_told() -> bool {
    true
}

/// The target whose posts are the feed of the api service.
pub const FEED: &str = "feed";

/// The key of the post of an event to one target. Files of a dry run are named after the event alone.
pub fn post_key(event_key: &str, target: &str) -> String {
    if target == "dry-run" { event_key.to_owned() } else { format!("{event_key}@{target}") }
}

/// The key of an event and the target, from the key of a post.
pub fn event_and_target(post_key: &str) -> (&str, &str) {
    post_key.rsplit_once('@').unwrap_or((post_key, "dry-run"))
}

/// Where a post stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PostStatus {
    /// Waits to be sent.
    Pending,
    /// Was sent.
    Sent,
    /// Could not be sent, or was too old to be sent.
    Failed,
}

/// A post in the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutboxPost {
    /// Idempotency key.
    pub key: String,
    /// What it tells.
    pub event: RainEvent,
    /// Where it stands.
    pub status: PostStatus,
    /// Tries so far.
    pub attempts: u32,
    /// Why the last try failed, or where the post went: what its target calls it (an id, a path).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When it was put into the outbox.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// The outcome of a try to send a post.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PostOutcome {
    /// Its new status.
    pub status: PostStatus,
    /// Why, or where it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
