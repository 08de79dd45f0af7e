//! Typed HTTP client of the store service.
