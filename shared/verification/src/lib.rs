//! Scores of nowcasts against what then fell.
