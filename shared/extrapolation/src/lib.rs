//! Backward semi-Lagrangian extrapolation along a motion field.
