//! Rain events at watched places become posts.

pub mod config;
pub mod length;
pub mod machine;
pub mod observe;
pub mod words;
