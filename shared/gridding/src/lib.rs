//! Beam geometry, Z-R relations and polar to Cartesian gridding.
