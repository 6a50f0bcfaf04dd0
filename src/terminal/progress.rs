//! Progress: on a terminal one line for each running item, with bytes, rate and time left;
//! elsewhere a plain line every few seconds.

use super::escape::escaped;
use super::text;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use mongoark_monitor::{ItemSnapshot, Monitor};
use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Lines drawn at most; a run over thousands of small collections shows the oldest.
const LINES_MAX: usize = 12;
/// How often a terminal is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(200);
/// How often a plain line is printed.
const PRINT_EVERY: Duration = Duration::from_secs(3);

/// Where progress goes, and the way for log lines to stay clear of it.
#[derive(Clone)]
pub struct Progress {
    bars: MultiProgress,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    None,
    Lines,
    Bars,
}

/// A running display; it ends with [`Display::finish`].
pub struct Display {
    task: JoinHandle<()>,
    bars: MultiProgress,
}

impl Progress {
    /// Progress for stderr as it is: bars on a terminal, lines elsewhere, nothing when quiet.
    pub fn new(quiet: bool, plain: bool) -> Self {
        let kind = match (quiet, std::io::stderr().is_terminal() && !plain) {
            (true, _) => Kind::None,
            (false, true) => Kind::Bars,
            (false, false) => Kind::Lines,
        };
        Self { bars: MultiProgress::new(), kind }
    }

    /// Prints a line on stderr, above the bars.
    pub fn print(&self, line: &str) {
        if self.kind == Kind::Bars {
            // The terminal may be gone; the run matters more.
            let _ = self.bars.println(escaped(line));
        } else {
            say(line);
        }
    }

    /// Begins to show what the monitor's run does.
    pub fn show(&self, monitor: Monitor) -> Display {
        let (bars, kind) = (self.bars.clone(), self.kind);
        let shown = bars.clone();
        let task = tokio::spawn(async move {
            match kind {
                Kind::None => {}
                Kind::Lines => print_lines(&monitor).await,
                Kind::Bars => draw_bars(&shown, &monitor).await,
            }
        });
        Display { task, bars }
    }
}

/// A line on stderr. Where nobody takes it, since the pipe is closed or the disk of the log is full, the run matters more.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", escaped(line));
}

impl Display {
    /// Ends the display and clears the bars.
    pub fn finish(self) {
        self.task.abort();
        // As above: a terminal that is gone is no failure.
        let _ = self.bars.clear();
    }
}

async fn print_lines(monitor: &Monitor) {
    loop {
        tokio::time::sleep(PRINT_EVERY).await;
        for item in monitor.running().iter().take(LINES_MAX) {
            say(&format!("{}  {}", jiff::Zoned::now().strftime("%H:%M:%S"), line(item)));
        }
    }
}

async fn draw_bars(bars: &MultiProgress, monitor: &Monitor) {
    let mut drawn: HashMap<String, ProgressBar> = HashMap::new();
    loop {
        let running = monitor.running();
        let shown = &running[..running.len().min(LINES_MAX)];
        drawn.retain(|name, bar| {
            let keeps = shown.iter().any(|item| item.name == *name);
            if !keeps {
                bar.finish_and_clear();
                bars.remove(bar);
            }
            keeps
        });
        for item in shown {
            let bar = drawn.entry(item.name.clone()).or_insert_with(|| bars.add(new_bar(item)));
            let expected = expected(item);
            bar.set_length(expected.max(1));
            bar.set_position(position(item).min(expected.max(1)));
            bar.set_message(escaped(&line(item)).into_owned());
        }
        tokio::time::sleep(DRAW_EVERY).await;
    }
}

fn new_bar(item: &ItemSnapshot) -> ProgressBar {
    let bar = ProgressBar::new(expected(item).max(1));
    if let Ok(style) = ProgressStyle::with_template("{bar:20} {wide_msg}") {
        bar.set_style(style.progress_chars("##."));
    }
    bar
}

/// Bytes where they are known, documents (or indexes) elsewhere.
fn expected(item: &ItemSnapshot) -> u64 {
    if item.expected_bytes > 0 { item.expected_bytes } else { item.expected_documents }
}

fn position(item: &ItemSnapshot) -> u64 {
    if item.expected_bytes > 0 { item.bytes } else { item.documents }
}

/// `db.c  12.3 MB of 45.6 MB (27%), 100 MB/s, 0.33 s left`.
#[expect(clippy::cast_precision_loss, reason = "a percentage and an estimate")]
fn line(item: &ItemSnapshot) -> String {
    let done = position(item);
    let expected = expected(item);
    if item.expected_bytes == 0 && expected == 0 {
        return format!("{}  {}, {}", item.name, text::count(done), text::bytes(item.bytes));
    }
    if item.expected_bytes == 0 {
        return format!("{}  {} of {}", item.name, text::count(done), text::count(expected));
    }
    let share = (done as f64 / expected as f64).min(1.0);
    let left = if share > 0.01 && share < 1.0 {
        format!(", {} left", text::seconds(item.seconds * (1.0 - share) / share))
    } else {
        String::new()
    };
    format!(
        "{}  {} of {} ({:.0}%), {}{left}",
        item.name,
        text::bytes(done),
        text::bytes(expected),
        share * 100.0,
        text::rate(item.bytes, item.seconds)
    )
}
