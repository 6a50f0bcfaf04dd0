//! Log lines as the MongoDB Database Tools print them: a local time, a tab and a message, on stderr.

use super::progress::Progress;
use crate::terminal::without_controls;
use jiff::Zoned;
use mongoark_monitor::{Notice, Observer};
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Printed unless `--quiet` was given: results, errors, progress.
pub const ALWAYS: u8 = 0;
/// Printed from `-v` on.
pub const INFO: u8 = 1;
/// Printed from `-vv` on.
pub const DEBUG_LOW: u8 = 2;
/// Printed from `-vvv` on.
pub const DEBUG_HIGH: u8 = 3;

/// The one writer of log lines; clones share it.
#[derive(Clone)]
pub struct Log {
    /// Lines up to this level are printed; nothing is with `None`.
    level_max: Option<u8>,
    out: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("level_max", &self.level_max).finish_non_exhaustive()
    }
}

impl Log {
    /// A log on stderr. `verbosity` is the number of `-v`, or the number that `--verbose=N` gives; `quiet`
    /// silences everything, errors too.
    pub fn new(verbosity: u8, quiet: bool) -> Self {
        Self::to(Box::new(io::stderr()), verbosity, quiet)
    }

    /// A log into `out`.
    pub fn to(out: Box<dyn Write + Send>, verbosity: u8, quiet: bool) -> Self {
        let level_max = (!quiet).then_some(verbosity);
        Self { level_max, out: Arc::new(Mutex::new(out)) }
    }

    /// Whether lines of this level are printed.
    pub fn prints(&self, level: u8) -> bool {
        self.level_max.is_some_and(|max| level <= max)
    }

    /// Prints one line of this level ([`ALWAYS`] to [`DEBUG_HIGH`]).
    pub fn line(&self, level: u8, message: &str) {
        if self.prints(level) {
            let line = line_at(&Zoned::now(), &without_controls(message));
            let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
            // Who reads the log may be gone; the run matters more.
            _ = out.write_all(line.as_bytes());
        }
    }
}

/// `2006-01-02T15:04:05.000-0700<TAB>message<LF>`
fn line_at(time: &Zoned, message: &str) -> String {
    format!("{}\t{message}\n", time.strftime("%Y-%m-%dT%H:%M:%S.%3f%z"))
}

/// What a run of a personality says: its steps, warnings and failures as log lines, and the last line of
/// an item whose progress was shown.
#[derive(Clone, Debug)]
pub struct Watcher {
    log: Log,
    progress: Progress,
}

impl Watcher {
    /// An observer for the monitor of a run.
    pub fn new(log: Log, progress: Progress) -> Self {
        Self { log, progress }
    }
}

impl Observer for Watcher {
    fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Step(message) => self.log.line(ALWAYS, message),
            Notice::Detail(message) => self.log.line(INFO, message),
            Notice::Started(_) => {}
            Notice::Finished(item) => self.progress.finished(item),
            Notice::Warning(warning) => {
                self.log.line(ALWAYS, &about("warning: ", &warning.subject, &warning.message));
            }
            Notice::Failure(failure) => {
                self.log.line(ALWAYS, &about("", &failure.subject, &failure.message));
            }
        }
    }
}

/// A message without a subject has the tools' own words and stays as it is.
fn about(prefix: &str, subject: &str, message: &str) -> String {
    if subject.is_empty() { message.to_owned() } else { format!("{prefix}{subject}: {message}") }
}

/// A log that a test can read.
#[cfg(test)]
pub mod captured {
    use super::{Arc, Log, Mutex, Write, io};

    /// What was written.
    #[derive(Clone, Default)]
    pub struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Captured {
        /// The log that writes here.
        pub fn log(&self, verbosity: u8, quiet: bool) -> Log {
            Log::to(Box::new(self.clone()), verbosity, quiet)
        }

        /// The messages up to now, without their times.
        pub fn messages(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| line.split_once('\t').unwrap().1.to_owned()).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::captured::Captured;
    use super::*;
    use crate::personality::progress::Unit;
    use mongoark_monitor::Monitor;

    #[test]
    fn the_time_is_local_with_its_offset() {
        let time: Zoned = "2026-08-12T12:39:51.0079-04:00[-04:00]".parse().unwrap();
        assert_eq!(line_at(&time, "4 objects found"), "2026-08-12T12:39:51.007-0400\t4 objects found\n");
        let time: Zoned = "2026-01-02T03:04:05Z[UTC]".parse().unwrap();
        assert_eq!(line_at(&time, ""), "2026-01-02T03:04:05.000+0000\t\n");
    }

    #[test]
    fn levels_are_those_of_the_flags() {
        for (verbosity, quiet, printed) in [(0, false, 1), (2, false, 3), (5, false, 4), (5, true, 0)] {
            let captured = Captured::default();
            let log = captured.log(verbosity, quiet);
            for level in [ALWAYS, INFO, DEBUG_LOW, DEBUG_HIGH] {
                log.line(level, "x");
            }
            assert_eq!(captured.messages().len(), printed, "-v {verbosity}, quiet: {quiet}");
        }
    }

    #[test]
    fn notices_become_lines() {
        let captured = Captured::default();
        let log = captured.log(0, false);
        let progress = Progress::new(log.clone(), Unit::Bytes);
        let monitor = Monitor::new(Watcher::new(log, progress));
        monitor.step("writing `db.c` to `dump/db/c.bson`");
        monitor.detail("not shown");
        monitor.warn("", "restoring users from /x");
        monitor.warn("db.c", "odd");
        monitor.fail("", "Failed: x", 0);
        monitor.fail("db.c", "lost", 1);
        let item = monitor.item("db.c", 1, 1);
        monitor.finish(&item);
        let expected = [
            "writing `db.c` to `dump/db/c.bson`",
            "restoring users from /x",
            "warning: db.c: odd",
            "Failed: x",
            "db.c: lost",
        ];
        assert_eq!(captured.messages(), expected);
    }
}
