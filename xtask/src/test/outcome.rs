//! Runs `cargo test`, passes its output on as it comes, and adds up the result lines.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Result;
use crate::execute::text;

/// Counts as in the line "test result: ok. 5 passed; 0 failed; ...".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tests {
    passed: u64,
    failed: u64,
    ignored: u64,
    measured: u64,
    filtered: u64,
}

impl Tests {
    pub(super) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.measured += other.measured;
        self.filtered += other.filtered;
    }

    /// The counts of one result line; `None` for any other line.
    fn parse(line: &str) -> Option<Self> {
        let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
        let count = |of: &str| {
            let part = counts.split(';').map(str::trim).find_map(|part| part.strip_suffix(of));
            part.and_then(|number| number.trim().parse().ok())
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
            ignored: count("ignored")?,
            measured: count("measured")?,
            filtered: count("filtered out")?,
        })
    }

    /// All of it in the form of cargo's own result line.
    pub(super) fn line(&self, is_ok: bool, time: Duration) -> String {
        let Self { passed, failed, ignored, measured, filtered } = self;
        let verdict = if is_ok { "ok" } else { "FAILED" };
        format!(
            "test result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored; {measured} measured; \
             {filtered} filtered out; finished in {:.2}s",
            time.as_secs_f64()
        )
    }
}

/// Runs this command and adds its result lines to `tests`.
pub(super) fn run_tests(command: &mut Command, tests: &mut Tests) -> Result<()> {
    let name = text(command);
    println!("$ {name}");
    let failed = |error: std::io::Error| format!("{name}: {error}");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
    let output = child.stdout.take().expect("its output is piped");
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line.map_err(failed)?).into_owned();
        println!("{line}");
        if let Some(counts) = Tests::parse(&line) {
            tests.add(&counts);
        }
    }
    let status = child.wait().map_err(failed)?;
    if status.success() { Ok(()) } else { Err(format!("{name} ended with {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "test result: FAILED. 5 passed; 1 failed; 2 ignored; 3 measured; 4 filtered out; finished in 1.50s";

    #[test]
    fn a_result_line_is_read_and_written_alike() {
        let counts = Tests::parse(LINE).unwrap();
        assert_eq!(counts, Tests { passed: 5, failed: 1, ignored: 2, measured: 3, filtered: 4 });
        assert_eq!(counts.line(false, Duration::from_millis(1500)), LINE);
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(Tests::parse("test compare::tests::equal ... ok"), None);
        assert_eq!(Tests::parse("test result: pending"), None);
    }
}
