//! The machine against weather that is made up: what is told when.

mod life;
mod likely;
mod properties;
mod quiet_hours;
mod stages;

use jiff::tz::TimeZone;

use super::*;

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(1_767_268_800 + minute * 60).unwrap()
}

fn outlook(issued: i64, rate_at: impl Fn(i64) -> Option<f32>) -> Outlook {
    let steps = (1..=24).map(|k| issued + 5 * k);
    Outlook {
        issued: minute(issued),
        steps: steps.map(|m| PlaceRain { time: minute(m), rate_mm_h: rate_at(m), probability: None }).collect(),
    }
}

fn thread(news: &News) -> Timestamp {
    news.follows.map_or(news.time, |first| first.time)
}

/// A place that is looked at every five minutes, with a nowcast each time.
struct Watch {
    rules: Rules,
    state: PlaceState,
    news: Vec<News>,
}

impl Watch {
    fn new() -> Self {
        Self { rules: Rules::default(), state: PlaceState::default(), news: Vec::new() }
    }

    fn look(&mut self, at: i64, rate_mm_h: Option<f32>, outlook: Option<&Outlook>) -> &Phase {
        let observation = PlaceRain { time: minute(at), rate_mm_h, probability: None };
        let (state, news) = step(&self.state, &self.rules, observation, outlook, minute(at + 1));
        let (again, nothing) = step(&state, &self.rules, observation, outlook, minute(at + 2));
        assert_eq!((&again, nothing), (&state, None), "the same input again changes something");
        self.state = state;
        self.news.extend(news);
        &self.state.phase
    }

    /// Looks from `from` to `to` with nowcasts that know `truth`.
    fn live(&mut self, from: i64, to: i64, truth: impl Fn(i64) -> Option<f32> + Copy) {
        for at in (from..=to).step_by(5) {
            self.look(at, truth(at), Some(&outlook(at, truth)));
        }
    }

    /// Time of the first news of the event that each news belongs to.
    fn threads(&self) -> Vec<Timestamp> {
        self.news.iter().map(thread).collect()
    }

    fn told(&self) -> Vec<(RainEventKind, i64)> {
        let minutes = |t: Timestamp| t.duration_since(minute(0)).as_secs() / 60;
        self.news.iter().map(|n| (n.kind, minutes(n.about))).collect()
    }
}

use RainEventKind::{Begun, Coming, Ended, Ending, FalseAlarm, Intensifying};

fn shower(from: i64, to: i64, rate: f32) -> impl Fn(i64) -> Option<f32> + Copy {
    move |m| Some(if (from..to).contains(&m) { rate } else { 0.0 })
}

fn quiet(from: i64, until: i64) -> QuietHours {
    let time = |m| minute(m).to_zoned(TimeZone::UTC).time();
    QuietHours { from: time(from), until: time(until), zone: TimeZone::UTC }
}
