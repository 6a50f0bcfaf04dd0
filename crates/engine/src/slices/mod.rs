//! Continuous capture of an oplog into slices, and the times that slices hold.
//!
//! A slice is an archive of its own whose only stream is a part of the oplog: every entry after one time up to
//! another. [`capture()`] writes them one behind the other, [`Folder`] reads what a folder of them holds, [`ranges`]
//! says from when to when they go on without a gap, and [`SlicePlan`] hands them to a restore.

mod capture;
mod folder;
mod plan;
mod ranges;
mod slice;
mod tailing;

pub use capture::{CaptureOptions, CaptureReport, capture};
pub use folder::{Folder, ReplicaSet, SliceAccess, SliceInfo};
pub use plan::SlicePlan;
pub use ranges::{Break, Range, Reach, chain, ranges};
