//! How long a text is.
//!
//! The weights are those that X publishes for its posts (twitter-text, configuration 3): code points of the ranges below
//! count 1, all others 2, and a post may count 280. X composes characters (NFC) and takes a whole emoji sequence for one
//! before it counts; both can only make a text shorter than the number given here, so that a text that fits by this
//! count fits at X.

/// The longest post at X.
pub const LONGEST_POST: usize = 280;

/// Ranges of code points that count 1.
const SINGLE: [(u32, u32); 4] = [(0, 4351), (8192, 8205), (8208, 8223), (8242, 8247)];

/// Length of a text without URLs as X counts it.
pub fn weighted_length(text: &str) -> usize {
    text.chars()
        .map(|c| if SINGLE.iter().any(|&(first, last)| (first..=last).contains(&u32::from(c))) { 1 } else { 2 })
        .sum()
}

fn characters(text: &str) -> usize {
    text.chars().count()
}

/// The longest text that a target takes, and how it counts.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// By its count.
    pub most: usize,
    /// Its count.
    pub count: fn(&str) -> usize,
}

impl Limit {
    /// A post at X.
    pub const X: Self = Self { most: LONGEST_POST, count: weighted_length };

    /// So many Unicode characters: never fewer than the graphemes that some targets count.
    pub const fn characters(most: usize) -> Self {
        Self { most, count: characters }
    }

    /// So many bytes of UTF-8.
    pub const fn bytes(most: usize) -> Self {
        Self { most, count: str::len }
    }

    /// True if a text may be so long.
    pub fn takes(&self, text: &str) -> bool {
        (self.count)(text) <= self.most
    }

    /// The text, cut before it is too long, with an ellipsis where it was cut.
    pub fn cut(&self, text: &str) -> String {
        if self.takes(text) {
            return text.to_owned();
        }
        let mut cut = text.to_owned();
        while cut.pop().is_some() {
            let marked = format!("{}…", cut.trim_end());
            if self.takes(&marked) {
                return marked;
            }
        }
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin_devanagari_and_quotes_count_one_and_cjk_counts_two() {
        assert_eq!(weighted_length("Zürich 12 mm/h"), 14);
        assert_eq!(weighted_length("मुंबई"), 5);
        assert_eq!(weighted_length("\u{2018}rain\u{2019} \u{2013}"), 8);
        assert_eq!(weighted_length("雨"), 2);
        assert_eq!(weighted_length("…"), 2);
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_and_marked() {
        assert_eq!(Limit::characters(6).cut("Zürich"), "Zürich");
        assert_eq!(Limit::characters(5).cut("Zürich"), "Züri…");
        assert_eq!(Limit::bytes(8).cut("雨雨雨"), "雨…");
        assert_eq!(Limit::bytes(2).cut("雨雨雨"), "");
    }
}
