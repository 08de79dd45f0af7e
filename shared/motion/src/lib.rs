//! Dense motion fields from the last rain-rate fields.
