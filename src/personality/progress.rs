//! Progress lines as the MongoDB Database Tools print them: every three seconds a group of bars in the log,
//! one for each running item, and one more when an item ends whose bar was shown.

use super::log::{ALWAYS, Log};
use mongoark_monitor::{ItemSnapshot, Monitor};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

const PRINT_EVERY: Duration = Duration::from_secs(3);
const CELLS: usize = 24;
const GAP: &str = "  ";

/// What the bars count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Documents, as `mongodump` shows them.
    Documents,
    /// Bytes, as `mongorestore` shows them.
    Bytes,
}

/// The bars of a run; clones share which items were shown.
#[derive(Clone, Debug)]
pub struct Progress {
    log: Log,
    unit: Unit,
    /// Names of the running items that were shown. Held while lines are printed, so that the last line of an
    /// item comes after all its others.
    shown: Arc<Mutex<HashSet<String>>>,
}

/// Progress that is being printed, until it is dropped.
#[derive(Debug)]
pub struct Display(JoinHandle<()>);

impl Drop for Display {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Progress {
    /// Progress in this log. Nothing is printed before [`Progress::show`].
    pub fn new(log: Log, unit: Unit) -> Self {
        Self { log, unit, shown: Arc::default() }
    }

    /// Begins to print what the monitor's run does; needs a runtime. Its observer tells of ended items by
    /// [`Progress::finished`].
    pub fn show(&self, monitor: Monitor) -> Display {
        self.show_every(PRINT_EVERY, monitor)
    }

    fn show_every(&self, period: Duration, monitor: Monitor) -> Display {
        let progress = self.clone();
        Display(tokio::spawn(async move {
            let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                progress.print(&monitor);
            }
        }))
    }

    /// Prints all that runs now; an empty line ends a group of more than one.
    fn print(&self, monitor: &Monitor) {
        let mut shown = self.shown();
        let running = monitor.running();
        shown.extend(running.iter().map(|item| item.name.clone()));
        for line in grid(&running, self.unit) {
            self.log.line(ALWAYS, &line);
        }
        if running.len() > 1 {
            self.log.line(ALWAYS, "");
        }
    }

    /// Prints the last line of an item that ended, if it was shown before.
    pub fn finished(&self, item: &ItemSnapshot) {
        let mut shown = self.shown();
        if shown.remove(&item.name) {
            for line in grid(std::slice::from_ref(item), self.unit) {
                self.log.line(ALWAYS, &line);
            }
        }
    }

    fn shown(&self) -> MutexGuard<'_, HashSet<String>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines of some items, their columns right-aligned. A name that holds a newline makes two lines.
fn grid(items: &[ItemSnapshot], unit: Unit) -> Vec<String> {
    let rows: Vec<Vec<String>> = items.iter().map(|item| row(item, unit)).collect();
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            // The tools measure in bytes, and fill up by characters.
            *width = (*width).max(cell.len());
        }
    }
    rows.iter().flat_map(|row| lines(row, &widths)).collect()
}

fn lines(row: &[String], widths: &[usize]) -> Vec<String> {
    let mut line = String::new();
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        let gap = if column == 0 { "" } else { GAP };
        // Writing into a String cannot fail.
        _ = write!(line, "{gap}{cell:>width$}");
    }
    line.lines().map(ToOwned::to_owned).collect()
}

/// `[###...]`, `db.c`, `1.39GB/1.91GB`, `(73.0%)`; without an expected total `db.c`, `1234`.
fn row(item: &ItemSnapshot, unit: Unit) -> Vec<String> {
    let (done, expected, figure): (_, _, fn(u64) -> String) = match unit {
        Unit::Documents => (item.documents, item.expected_documents, |count| count.to_string()),
        Unit::Bytes => (item.bytes, item.expected_bytes, bytes),
    };
    if expected == 0 {
        return vec![item.name.clone(), figure(done)];
    }
    let share = done as f64 / expected as f64;
    vec![
        bar(share),
        item.name.clone(),
        format!("{}/{}", figure(done), figure(expected)),
        format!("({:.1}%)", share * 100.0),
    ]
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the cells")]
fn bar(share: f64) -> String {
    let full = (share * CELLS as f64).clamp(0.0, CELLS as f64) as usize;
    format!("[{}{}]", "#".repeat(full), ".".repeat(CELLS - full))
}

/// Bytes in units of 1024 with three digits at least: `0B`, `1023B`, `1.39GB`, `12.0KB`, `1024MB`.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KB", "MB", "GB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    // Rounded twice, as the tools do: to hundredths here, to the places that are shown below.
    let value = (value * 100.0 + 0.5).floor() / 100.0;
    let places = match value {
        _ if unit == 0 => 0,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.places$}{}", UNITS.get(unit).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::personality::log::Watcher;
    use crate::personality::log::captured::Captured;

    #[test]
    fn bytes_read_as_those_of_the_tools() {
        let cases = [
            (0, "0B"),
            (999, "999B"),
            (1023, "1023B"),
            (1024, "1.00KB"),
            (1029, "1.00KB"),
            (1030, "1.01KB"),
            (10_234, "9.99KB"),
            (10_235, "10.0KB"),
            (102_300, "99.9KB"),
            (102_399, "100KB"),
            (1_023_999, "1000KB"),
            (1_048_575, "1024KB"),
            (1_048_576, "1.00MB"),
            (1_492_501_135, "1.39GB"),
            (2_050_000_000, "1.91GB"),
            (5_497_558_138_880, "5120GB"),
        ];
        for (size, text) in cases {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn columns_are_aligned_to_the_right() {
        let monitor = Monitor::silent();
        monitor.item("db.c", 0, 2_050_000_000).add(7, 1_492_501_135);
        monitor.item("longer.name", 0, 200).add(7, 300);
        monitor.item("é", 5, 0).add(7, 12);
        let lines = grid(&monitor.running(), Unit::Bytes);
        let expected = [
            "[#################.......]         db.c  1.39GB/1.91GB   (72.8%)",
            "[########################]  longer.name      300B/200B  (150.0%)",
            "                         é          12B",
        ];
        assert_eq!(lines, expected);
        let counts = grid(&monitor.running()[2..], Unit::Documents);
        assert_eq!(counts, ["[########################]   é  7/5  (140.0%)"]);
        assert_eq!(grid(&monitor.running()[..1], Unit::Documents), ["db.c  7"]);
    }

    fn running() -> (Captured, Progress, Monitor) {
        let captured = Captured::default();
        let log = captured.log(0, false);
        let progress = Progress::new(log.clone(), Unit::Bytes);
        let monitor = Monitor::new(Watcher::new(log, progress.clone()));
        (captured, progress, monitor)
    }

    #[test]
    fn an_item_that_was_shown_has_a_last_line() {
        let (captured, progress, monitor) = running();
        let (a, b) = (monitor.item("db.a", 0, 10), monitor.item("db.b", 0, 0));
        progress.print(&monitor);
        let late = monitor.item("db.late", 0, 10);
        a.add(1, 10);
        for item in [&late, &a, &b] {
            monitor.finish(item);
        }
        progress.print(&monitor);
        let expected = [
            "[........................]  db.a  0B/10B  (0.0%)",
            "                      db.b    0B",
            "",
            "[########################]  db.a  10B/10B  (100.0%)",
            "db.b  0B",
        ];
        assert_eq!(captured.messages(), expected);
    }

    #[tokio::test]
    async fn lines_come_again_and_again() {
        let (captured, progress, monitor) = running();
        let _item = monitor.item("db.a", 0, 0);
        let display = progress.show_every(Duration::from_millis(1), monitor);
        while captured.messages().len() < 3 {
            tokio::task::yield_now().await;
        }
        drop(display);
        assert_eq!(captured.messages()[..3], ["db.a  0B"; 3]);
    }
}
