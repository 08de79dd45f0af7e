//! What OGC API – Environmental Data Retrieval 1.1 (OGC 19-086r6) asks of a service, for `routes::edr`.
//!
//! Each source is a collection: its observed frames, then the steps of its newest nowcast. Answers are `CoverageJSON`
//! (OGC 21-069r2), places are longitude and latitude (CRS84).

pub mod collections;
pub mod coverage;
pub mod extent;
pub mod parameter;
pub mod query;
pub mod sampling;
