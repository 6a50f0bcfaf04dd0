//! What a deployment lends to a safe backup: [`examine`] collects the facts, [`judge`] makes findings of them, each ok,
//! a warning or a problem with its remedy, and [`Follower`] tells what changes in a set.
//!
//! Judging is pure: facts and limits in, findings out. `docs/doctor.md` describes each check.

mod change;
mod examine;
mod facts;
mod finding;
mod follow;
mod judge;
mod pace;
mod words;

pub use change::{Event, EventKind};
pub use examine::{Examination, examine};
pub use facts::{Chosen, Data, Facts, Figures, Space, lags};
pub use finding::{Check, Finding, Level, worst};
pub use follow::Follower;
pub use judge::{Limits, judge, unreachable};
pub use pace::Pace;
