//! Watches for raw scans and turns them into sparse frames.
