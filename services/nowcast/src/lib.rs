//! Extrapolates every new frame two hours ahead.
