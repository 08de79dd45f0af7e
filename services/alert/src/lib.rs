//! Rain events at watched places become posts.
