//! The one service that remembers: frames, nowcasts, alert states.
