//! Configuration, tracing, metrics, health and graceful drain for every service.
