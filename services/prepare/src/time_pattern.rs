//! Names that hold the time: `%Y`, `%m`, `%d` and `%H` in the address of a folder or the prefix of a key.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const PARTS: [&str; 4] = ["%Y", "%m", "%d", "%H"];
/// The finest part is the hour.
const STEP: SignedDuration = SignedDuration::from_hours(1);

/// True when a text holds a part of the time.
pub fn holds_time(text: &str) -> bool {
    PARTS.iter().any(|part| text.contains(part))
}

/// The text at a time (UTC). Percent signs that stand for no part of the time stay as they are.
pub fn at(text: &str, time: Timestamp) -> String {
    let zoned = time.to_zoned(TimeZone::UTC);
    PARTS.into_iter().fold(text.to_owned(), |text, part| text.replace(part, &zoned.strftime(part).to_string()))
}

/// All that the text is at some time from `begin` to `end`; a text without the time is one.
pub fn between(text: &str, begin: Timestamp, end: Timestamp) -> BTreeSet<String> {
    let mut texts = BTreeSet::from([at(text, end)]);
    let mut time = begin;
    while time < end && holds_time(text) {
        texts.insert(at(text, time));
        time = time.saturating_add(STEP).unwrap_or(end);
    }
    texts
}

/// True when a name begins with the text, at whatever time.
pub fn begins(name: &str, text: &str) -> bool {
    let (mut name, mut text) = (name.as_bytes(), text.as_bytes());
    while let [first, rest @ ..] = text {
        let (digits, left) = match text {
            [b'%', b'Y', left @ ..] => (4, left),
            [b'%', b'm' | b'd' | b'H', left @ ..] => (2, left),
            _ => (0, rest),
        };
        let taken = digits.max(1);
        let fits = match name.get(..taken) {
            Some(part) if digits == 0 => part[0] == *first,
            Some(part) => part.iter().all(u8::is_ascii_digit),
            None => false,
        };
        if !fits {
            return false;
        }
        (name, text) = (&name[taken..], left);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_begins_with_a_pattern_at_any_time() {
        for (name, text, expected) in [
            ("2021/07/29/KLOT/a", "%Y/%m/%d/KLOT/", true),
            ("2021/07/29/KLOX/a", "%Y/%m/%d/KLOT/", false),
            ("2021/7/29/KLOT/a", "%Y/%m/%d/KLOT/", false),
            ("anything", "", true),
            ("100%x", "100%", true),
            ("20", "%Y", false),
        ] {
            assert_eq!(begins(name, text), expected, "{name} {text}");
        }
    }

    #[test]
    fn each_folder_between_two_times_is_named_once() {
        let texts = |text, begin: &str, end: &str| -> Vec<String> {
            between(text, begin.parse().unwrap(), end.parse().unwrap()).into_iter().collect()
        };
        assert_eq!(
            texts("%Y/%m/%d/KLOT/", "2026-11-30T23:30:00Z", "2026-12-01T01:30:00Z"),
            ["2026/11/30/KLOT/", "2026/12/01/KLOT/"]
        );
        assert_eq!(texts("%H", "2026-12-01T00:40:00Z", "2026-12-01T03:10:00Z"), ["00", "01", "02", "03"]);
        assert_eq!(texts("100%/x", "2026-12-01T00:00:00Z", "2026-12-09T00:00:00Z"), ["100%/x"]);
        assert_eq!(texts("%d", "2026-12-02T00:00:00Z", "2026-12-01T00:00:00Z"), ["01"]);
    }
}
