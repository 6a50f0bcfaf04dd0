//! What a person sees: log lines, progress, and the summary, on stderr; stdout is for data.

mod log;
mod progress;
pub mod text;

pub use log::{LogFormat, Logger, Verbosity};
pub use progress::{Progress, say};
