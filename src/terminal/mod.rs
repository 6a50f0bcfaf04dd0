//! What a person sees: log lines, progress, and the summary, on stderr; stdout is for data.

mod escape;
mod log;
mod progress;
pub mod stdout;
pub mod text;

pub use escape::{escaped, without_controls};
pub use log::{LogFormat, Logger, Verbosity};
pub use progress::{Progress, say};
