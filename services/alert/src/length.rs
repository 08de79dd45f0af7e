//! How long a text is as X counts it.
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
}
