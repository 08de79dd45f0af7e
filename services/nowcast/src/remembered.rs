//! The frames and runs of the last hours, encoded: what scores are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use raincell_frame::{DecodeError, RunHeader, decode_run_header};

/// A frame.
#[derive(Debug)]
pub struct HeldFrame {
    /// Content hash.
    pub hash: String,
    /// As it was stored.
    pub bytes: Bytes,
}

/// A run.
#[derive(Debug)]
pub struct HeldRun {
    /// What it says of itself.
    pub header: RunHeader,
    /// As it was stored.
    pub bytes: Bytes,
}

impl HeldRun {
    /// Of its bytes.
    ///
    /// # Errors
    /// When they are no run.
    pub fn new(bytes: Bytes) -> Result<Self, DecodeError> {
        Ok(Self { header: decode_run_header(&bytes)?, bytes })
    }
}

/// By valid time and by issue time; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// Frames by valid time.
    pub frames: BTreeMap<Timestamp, Arc<HeldFrame>>,
    /// Runs by issue time.
    pub runs: BTreeMap<Timestamp, Arc<HeldRun>>,
}

impl Remembered {
    /// The frame of a time, if it has this content.
    pub fn frame(&self, valid_time: Timestamp, hash: &str) -> Option<&Arc<HeldFrame>> {
        self.frames.get(&valid_time).filter(|frame| frame.hash == hash)
    }

    /// Lets go of what is older.
    pub fn forget_before(&mut self, time: Timestamp) {
        self.frames = self.frames.split_off(&time);
        self.runs = self.runs.split_off(&time);
    }
}
