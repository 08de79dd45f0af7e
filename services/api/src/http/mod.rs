//! What all paths share: parameters, conditional answers, the limit of requests.

pub mod language;
pub mod limit;
pub mod parameters;
pub mod reply;
