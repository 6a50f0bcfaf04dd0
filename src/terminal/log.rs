//! Log lines: text or JSON, filtered by verbosity, kept clear of the progress bars.

use super::progress::Progress;
use super::text;
use jiff::{Timestamp, Zoned};
use mongoark_monitor::{Notice, Observer};
use serde_json::json;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A time and a sentence.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors and failures alone.
    Quiet,
    /// Steps and warnings too.
    Normal,
    /// Each namespace too.
    Verbose,
    /// Details too.
    Debug,
}

/// The observer of a run: turns notices into lines.
#[derive(Clone)]
pub struct Logger {
    format: LogFormat,
    verbosity: Verbosity,
    progress: Progress,
}

impl Logger {
    /// A logger that prints above the progress bars.
    pub fn new(format: LogFormat, verbosity: Verbosity, progress: Progress) -> Self {
        Self { format, verbosity, progress }
    }

    /// The end of the run in a line or two.
    pub fn summary(&self, line: &str) {
        self.line(Verbosity::Normal, "info", "", line);
    }

    /// Why the run failed. Always printed.
    pub fn error(&self, message: &str) {
        self.line(Verbosity::Quiet, "error", "", message);
    }

    fn line(&self, from: Verbosity, level: &str, subject: &str, message: &str) {
        if self.verbosity < from {
            return;
        }
        let line = match self.format {
            LogFormat::Json => {
                let time = Timestamp::now().to_string();
                json!({ "time": time, "level": level, "subject": subject, "message": message }).to_string()
            }
            LogFormat::Text => {
                let time = Zoned::now().strftime("%H:%M:%S").to_string();
                let level = if level == "info" { String::new() } else { format!("{level}: ") };
                let subject = if subject.is_empty() { String::new() } else { format!("{subject}: ") };
                format!("{time}  {level}{subject}{message}")
            }
        };
        self.progress.print(&line);
    }
}

impl Observer for Logger {
    fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Step(message) => self.line(Verbosity::Normal, "info", "", message),
            Notice::Detail(message) => self.line(Verbosity::Debug, "info", "", message),
            Notice::Started(item) => self.line(Verbosity::Debug, "info", &item.name, "begun"),
            Notice::Finished(item) => {
                let (documents, bytes) = (text::count(item.documents), text::bytes(item.bytes));
                let message = format!("{documents} done, {bytes}, {}", text::seconds(item.seconds));
                self.line(Verbosity::Verbose, "info", &item.name, &message);
            }
            Notice::Warning(warning) => {
                self.line(Verbosity::Normal, "warning", &warning.subject, &warning.message);
            }
            Notice::Failure(failure) => {
                self.line(Verbosity::Quiet, "failure", &failure.subject, &failure.message);
            }
        }
    }
}
