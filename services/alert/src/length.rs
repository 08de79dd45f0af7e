//! How long a text is as X counts it.

pub use raincell_words::{LONGEST_POST, weighted_length};
