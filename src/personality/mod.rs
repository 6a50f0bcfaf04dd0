//! The names of the MongoDB Database Tools: what mongoark does when it is called by one of them.

pub mod bsondump;
pub mod log;
pub mod progress;
