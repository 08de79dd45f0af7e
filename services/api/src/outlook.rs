//! When rain comes and goes, and the sentence that says so.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::forecast::Arrival;
use raincell_words::{Intensity, Language, RainEnd, Summary};

/// From this rate on it rains.
pub const WET_MM_H: f32 = 0.1;
/// A gap shorter than this does not end the rain.
const GAP_MIN: usize = 10;

/// What is known of the rain ahead, minute by minute.
#[derive(Debug)]
pub struct Outlook {
    now: Timestamp,
    /// One rate a minute from `now` on, mm/h; `None` where unknown.
    minutes: Vec<Option<f32>>,
}

/// What the members of the ensemble say of the first rain of a run at a place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spell {
    /// Probability of any rain, 0–1.
    pub probability: Option<f32>,
    /// 10th and 90th percentile of its beginning; `None` where it does not begin.
    pub begins: [Option<Timestamp>; 2],
    /// The same of its end; `None` where that is not in sight.
    pub ends: [Option<Timestamp>; 2],
}

/// How a spell of rain ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// After so many minutes.
    At(usize),
    /// Not before the end of the forecast.
    Beyond,
    /// What comes after so many minutes is unknown.
    Unknown(usize),
}

impl Outlook {
    /// Looks from `now` to `horizon` (both included) at the rates that `rate_at` gives.
    pub fn new(now: Timestamp, horizon: Timestamp, rate_at: impl Fn(Timestamp) -> Option<f32>) -> Self {
        let count = horizon.duration_since(now).as_mins();
        let minute = |i: i64| rate_at(after(now, i));
        Self { now, minutes: if count < 0 { Vec::new() } else { (0..=count).map(minute).collect() } }
    }

    /// When rain comes; `None` when none is in sight or it rains already.
    pub fn arrival(&self) -> Option<Arrival> {
        let start = self.first_wet().filter(|&minute| minute > 0)?;
        let end = self.end_of(start);
        let until = match end {
            End::At(minute) | End::Unknown(minute) => minute,
            End::Beyond => self.minutes.len(),
        };
        let peak_mm_h = self.minutes[start..until].iter().flatten().copied().fold(0.0, f32::max);
        Some(Arrival {
            starts_at: after(self.now, start as i64),
            earliest: None,
            latest: None,
            ends_at: if let End::At(minute) = end { Some(after(self.now, minute as i64)) } else { None },
            ends_earliest: None,
            ends_latest: None,
            peak_mm_h,
            intensity: Intensity::of(peak_mm_h).id().into(),
            probability: None,
        })
    }

    /// An arrival with how sure it is, from the chances of rain (time, 0–1) at the steps ahead: the chance that it rains
    /// is the highest of them; a tenth of that is reached at the early end of the range, nine tenths at the late one.
    pub fn with_chances(&self, arrival: Arrival, chances: &[(Timestamp, f32)]) -> Arrival {
        let until = arrival.ends_at.unwrap_or(Timestamp::MAX);
        let ahead: Vec<(Timestamp, f32)> =
            chances.iter().copied().filter(|(time, _)| *time >= self.now && *time <= until).collect();
        let highest = ahead.iter().fold(0.0_f32, |most, (_, chance)| most.max(*chance));
        if highest <= 0.0 {
            return arrival;
        }
        let reached = |share: f32| ahead.iter().find(|(_, chance)| *chance >= share * highest).map(|(time, _)| *time);
        Arrival {
            earliest: reached(0.1).map(|time| time.min(arrival.starts_at)),
            latest: reached(0.9).map(|time| time.max(arrival.starts_at)),
            probability: Some(highest),
            ..arrival
        }
    }

    /// An arrival with how sure it is, as the members of the ensemble say; as it is where they see no rain begin, or only
    /// in the past.
    pub fn with_spell(&self, arrival: Arrival, spell: &Spell) -> Arrival {
        let [Some(earliest), Some(latest)] = spell.begins else { return arrival };
        if latest < self.now {
            return arrival;
        }
        let [ends_earliest, ends_latest] = spell.ends;
        Arrival {
            earliest: Some(earliest.clamp(self.now, arrival.starts_at.max(self.now))),
            latest: Some(latest.max(arrival.starts_at)),
            ends_earliest: ends_earliest.map(|time| {
                let time = time.max(arrival.starts_at);
                arrival.ends_at.map_or(time, |end| time.min(end))
            }),
            // Where the likeliest end is beyond the forecast, so is the late one.
            ends_latest: ends_latest.zip(arrival.ends_at).map(|(time, end)| time.max(end)),
            // Rain at any time is no less likely than rain at the likeliest.
            probability: spell.probability.map(|p| p.max(arrival.probability.unwrap_or(0.0))).or(arrival.probability),
            ..arrival
        }
    }

    /// One sentence for people, its times in a zone, with the chance (0–1) that the rain comes where it is known.
    pub fn summary(&self, chance: Option<f32>, language: Language, zone: &TimeZone) -> String {
        self.known(chance).sentence(language, zone)
    }

    fn known(&self, chance: Option<f32>) -> Summary {
        let at = |minute: usize| after(self.now, minute as i64);
        if self.minutes.iter().all(Option::is_none) {
            return if self.minutes.is_empty() { Summary::NoForecast } else { Summary::NoData };
        }
        let reach = SignedDuration::from_mins(self.minutes.len() as i64 - 1);
        let Some(start) = self.first_wet() else {
            return match self.minutes.iter().position(Option::is_none) {
                None => Summary::Dry(reach),
                Some(0) => Summary::DryPartly(reach),
                Some(first) => Summary::DryUntil(at(first)),
            };
        };
        let end = match self.end_of(start) {
            End::At(minute) => RainEnd::At(at(minute)),
            End::Beyond if start == 0 => RainEnd::ForAtLeast(reach),
            End::Beyond => RainEnd::Beyond(at(self.minutes.len() - 1)),
            End::Unknown(minute) => RainEnd::UnknownAfter(at(minute)),
        };
        if start == 0 {
            return Summary::Now { rate_mm_h: self.minutes[0].unwrap_or(0.0), end };
        }
        let rate_mm_h = self.arrival().map_or(0.0, |arrival| arrival.peak_mm_h);
        Summary::Expected { start: at(start), minutes: start as i64, rate_mm_h, end, chance }
    }

    fn first_wet(&self) -> Option<usize> {
        self.minutes.iter().position(|rate| rate.is_some_and(|rate| rate >= WET_MM_H))
    }

    fn end_of(&self, start: usize) -> End {
        let mut last_wet = start;
        for (minute, rate) in self.minutes.iter().enumerate().skip(start) {
            match rate {
                None => return End::Unknown(minute),
                Some(rate) if *rate >= WET_MM_H => last_wet = minute,
                Some(_) if minute - last_wet >= GAP_MIN => return End::At(last_wet + 1),
                Some(_) => {}
            }
        }
        // A gap that the horizon cuts short still ended, as far as can be seen.
        if last_wet + 1 < self.minutes.len() { End::At(last_wet + 1) } else { End::Beyond }
    }
}

/// `HH:MM` in a zone.
pub fn clock_time(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%H:%M").to_string()
}

/// An instant some minutes later.
pub fn after(time: Timestamp, minutes: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_mins(minutes)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlook(rates: &[(usize, Option<f32>)]) -> Outlook {
        let now: Timestamp = "2026-06-01T12:23:00Z".parse().unwrap();
        let minutes = rates.iter().flat_map(|&(count, rate)| std::iter::repeat_n(rate, count)).collect();
        Outlook { now, minutes }
    }

    #[test]
    fn chances_give_an_arrival_its_range_and_its_probability() {
        let outlook = outlook(&[(20, Some(0.0)), (20, Some(2.0)), (30, Some(0.0))]);
        let chances: Vec<_> = [(2, 0.0), (7, 0.1), (12, 0.3), (17, 0.6), (22, 0.75), (27, 0.8), (57, 0.9)]
            .map(|(minute, chance)| (after(outlook.now, minute), chance))
            .to_vec();
        let arrival = outlook.with_chances(outlook.arrival().unwrap(), &chances);
        assert_eq!(arrival.earliest, Some(after(outlook.now, 7)));
        assert_eq!(arrival.latest, Some(after(outlook.now, 22)));
        // What comes after the rain has ended is another rain.
        assert_eq!(arrival.probability, Some(0.8));
        let unsure = outlook.with_chances(outlook.arrival().unwrap(), &[]);
        assert_eq!((unsure.earliest, unsure.probability), (None, None));
    }

    #[test]
    fn members_give_an_arrival_and_its_end_their_ranges() {
        let outlook = outlook(&[(20, Some(0.0)), (20, Some(2.0)), (30, Some(0.0))]);
        let at = |minute: i64| Some(after(outlook.now, minute));
        let spell = Spell { probability: Some(0.9), begins: [at(-2), at(31)], ends: [at(10), at(55)] };
        let arrival = Arrival { probability: Some(0.7), earliest: at(5), latest: at(22), ..outlook.arrival().unwrap() };
        let told = outlook.with_spell(arrival.clone(), &spell);
        assert_eq!((told.earliest, told.latest, told.probability), (at(0), at(31), Some(0.9)));
        assert_eq!((told.ends_earliest, told.ends_at, told.ends_latest), (at(20), at(40), at(55)));
        // What came and went before, or never comes in any member, says nothing of what is to come.
        for begins in [[at(-9), at(-1)], [None, None]] {
            assert_eq!(outlook.with_spell(arrival.clone(), &Spell { begins, ..spell }), arrival);
        }
        let unsure = Spell { probability: Some(0.6), ends: [at(35), None], ..spell };
        let told = outlook.with_spell(arrival, &unsure);
        assert_eq!((told.probability, told.ends_earliest, told.ends_latest), (Some(0.7), at(35), None));
    }

    fn sentence(rates: &[(usize, Option<f32>)]) -> String {
        outlook(rates).summary(None, Language::En, &TimeZone::get("Europe/Amsterdam").unwrap())
    }

    const DRY: Option<f32> = Some(0.0);

    #[test]
    fn rain_to_come_is_told_with_its_start_strength_and_end() {
        let rates = [(12, DRY), (5, Some(0.4)), (30, Some(4.0)), (74, DRY)];
        assert_eq!(sentence(&rates), "Rain expected at 14:35 (in 12 min), moderate, until about 15:10.");
        let arrival = outlook(&rates).arrival().unwrap();
        assert_eq!(arrival.starts_at.to_string(), "2026-06-01T12:35:00Z");
        assert_eq!(arrival.ends_at.unwrap().to_string(), "2026-06-01T13:10:00Z");
        assert_eq!((arrival.peak_mm_h, arrival.intensity.as_str()), (4.0, "moderate"));
        assert_eq!((arrival.probability, arrival.earliest), (None, None));
    }

    #[test]
    fn dry_is_said_only_where_everything_is_known() {
        assert_eq!(sentence(&[(121, DRY)]), "Dry for the next 2 hours.");
        assert_eq!(sentence(&[(116, DRY)]), "Dry for the next 2 hours.");
        assert_eq!(sentence(&[(61, DRY)]), "Dry for the next 60 min.");
        assert_eq!(sentence(&[(57, DRY), (64, None)]), "Dry until 15:20, unknown after that.");
        assert_eq!(sentence(&[(20, None), (101, DRY)]), "No rain in sight, but part of the next 2 hours is unknown.");
        assert_eq!(sentence(&[(121, None)]), "No radar data here.");
        assert_eq!(sentence(&[]), "No current forecast here.");
    }

    #[test]
    fn rain_that_falls_already_is_no_arrival() {
        let rates = [(47, Some(12.0)), (74, DRY)];
        assert_eq!(sentence(&rates), "Raining now, heavy, until about 15:10.");
        assert!(outlook(&rates).arrival().is_none());
        assert_eq!(sentence(&[(121, Some(0.5))]), "Raining now, light, for at least the next 2 hours.");
    }

    #[test]
    fn a_short_gap_does_not_end_the_rain_and_the_unknown_does_not_either() {
        let gap = [(10, DRY), (5, Some(1.0)), (9, DRY), (6, Some(1.0)), (91, DRY)];
        assert_eq!(outlook(&gap).arrival().unwrap().ends_at.unwrap().to_string(), "2026-06-01T12:53:00Z");
        let cut = [(10, DRY), (5, Some(1.0)), (106, None)];
        assert_eq!(outlook(&cut).arrival().unwrap().ends_at, None);
        assert_eq!(sentence(&cut), "Rain expected at 14:33 (in 10 min), light, unknown after 14:38.");
        let beyond = [(60, DRY), (61, Some(60.0))];
        assert_eq!(sentence(&beyond), "Rain expected at 15:23 (in 60 min), violent, lasting beyond 16:23.");
    }
}
