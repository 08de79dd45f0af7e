//! The FrameStore trait, its backends and the suite that each of them passes.
