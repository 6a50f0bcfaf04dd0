//! What was measured, as a table and as JSON.

use super::BenchArgs;
use crate::terminal::text;
use mongoark_engine::bench::{Measured, median};
use mongoark_engine::container::Codec;
use serde_json::{Value, json};
use std::fmt;

pub use mongoark_engine::bench::Sample;

/// A measurement, where there was one.
pub type Figures = Option<Sample>;

const COLUMNS: [&str; 9] =
    ["CODEC", "JOBS", "TIME", "MB/S", "DOCUMENTS/S", "ARCHIVE", "RATIO", "CPU", "PEAK RSS"];

/// What a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// This program, with a codec and a number of cursors.
    Mongoark { codec: Codec, jobs: u16 },
    /// mongodump.
    Mongodump { gzip: bool },
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mongoark { codec, jobs: 1 } => write!(f, "{codec} with 1 cursor"),
            Self::Mongoark { codec, jobs } => write!(f, "{codec} with {jobs} cursors"),
            Self::Mongodump { gzip: false } => f.write_str("mongodump"),
            Self::Mongodump { gzip: true } => f.write_str("mongodump --gzip"),
        }
    }
}

/// A row: one sample a round.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is of.
    pub program: Program,
    /// What was measured so far.
    pub samples: Vec<Sample>,
}

/// All that was measured, and on what.
pub struct Report {
    /// The first read, which is not in the table.
    pub warm: Measured,
    /// The table.
    pub rows: Vec<Row>,
    /// mongodump's version, where it was measured.
    pub peer_version: Option<String>,
    /// What a reader of the table must know.
    pub notes: Vec<String>,
    encrypted: bool,
    to_file: bool,
    generated: bool,
    cores: usize,
}

/// What is measured: `MongoDB 6.0.5, standalone, read from h:1; 10 documents, 1.0 MB, in 3 namespaces`.
pub fn subject(warm: &Measured) -> String {
    let documents = text::plural(warm.documents, "document");
    let namespaces = text::plural(warm.namespaces as u64, "namespace");
    format!("{}: {documents}, {}, in {namespaces}", warm.server, text::bytes(warm.bytes))
}

/// Millions of raw bytes a second, with three digits.
pub fn megabytes_per_second(sample: &Sample) -> String {
    let rate = sample.bytes_per_second() / 1e6;
    match rate {
        ..9.995 => format!("{rate:.2}"),
        ..99.95 => format!("{rate:.1}"),
        _ => format!("{rate:.0}"),
    }
}

impl Report {
    /// A report without figures.
    pub fn new(args: &BenchArgs, warm: Measured, rows: Vec<Row>) -> Self {
        Self {
            warm,
            rows,
            peer_version: None,
            notes: Vec::new(),
            encrypted: !args.no_encryption,
            to_file: args.to.is_some(),
            generated: args.generate.is_some(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }

    /// Whether anything was measured.
    pub fn has_figures(&self) -> bool {
        self.rows.iter().any(|row| !row.samples.is_empty())
    }

    /// The table, under two lines that say on what, and above the notes.
    pub fn text(&self) -> String {
        let mut lines = vec![COLUMNS.map(ToOwned::to_owned)];
        lines.extend(self.rows.iter().filter_map(|row| Some(cells(row.program, &median(&row.samples)?))));
        let mut out = vec![subject(&self.warm), self.conditions(), String::new()];
        out.extend(aligned(&lines));
        let notes: Vec<String> = self.peer_note().into_iter().chain(self.notes.clone()).collect();
        if !notes.is_empty() {
            out.push(String::new());
            out.extend(notes);
        }
        out.join("\n") + "\n"
    }

    /// `mongoark 0.1.0, 2 cores, encrypted, archives discarded, 1 round`.
    fn conditions(&self) -> String {
        let rounds = self.rounds();
        format!(
            "mongoark {}, {}, {}, archives {}, {}",
            env!("CARGO_PKG_VERSION"),
            text::plural(self.cores as u64, "core"),
            if self.encrypted { "encrypted" } else { "not encrypted" },
            if self.to_file { "to a file" } else { "discarded" },
            if rounds == 1 { "1 round".to_owned() } else { format!("medians of {rounds} rounds") },
        )
    }

    /// Rounds that were measured, the last perhaps in part.
    fn rounds(&self) -> usize {
        self.rows.iter().map(|row| row.samples.len()).max().unwrap_or(0)
    }

    fn peer_note(&self) -> Option<String> {
        self.peer_version.as_ref().map(|version| format!("mongodump {version}: --archive, never encrypted"))
    }

    /// The same with units in the names.
    pub fn json(&self) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "server": self.warm.server,
            "cores": self.cores,
            "rounds": self.rounds(),
            "encrypted": self.encrypted,
            "toFile": self.to_file,
            "generated": self.generated,
            "namespaces": self.warm.namespaces,
            "documents": self.warm.documents,
            "bytes": self.warm.bytes,
            "cells": self.figures(|program| !matches!(program, Program::Mongodump { .. })),
            "mongodump": self.peer_version.as_ref().map(|version| json!({
                "version": version,
                "runs": self.figures(|program| matches!(program, Program::Mongodump { .. })),
            })),
            "notes": self.notes,
        })
    }

    fn figures(&self, of: fn(Program) -> bool) -> Vec<Value> {
        let rows = self.rows.iter().filter(|row| of(row.program));
        rows.filter_map(|row| Some(figures(row, &median(&row.samples)?))).collect()
    }
}

/// The first column to the left, figures to the right.
fn aligned(lines: &[[String; COLUMNS.len()]]) -> Vec<String> {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS.len()] = std::array::from_fn(width);
    let aligned = |line: &[String; COLUMNS.len()]| {
        let [codec, figures @ ..] = line;
        let figures = figures.iter().zip(&widths[1..]).map(|(figure, &width)| format!("  {figure:>width$}"));
        format!("{codec:0$}", widths[0]) + &figures.collect::<String>()
    };
    lines.iter().map(aligned).collect()
}

fn cells(program: Program, sample: &Sample) -> [String; COLUMNS.len()] {
    let unknown = || "-".to_owned();
    let (codec, jobs) = match program {
        Program::Mongoark { codec, jobs } => (codec.to_string(), jobs.to_string()),
        Program::Mongodump { .. } => (program.to_string(), unknown()),
    };
    [
        codec,
        jobs,
        text::seconds(sample.seconds),
        megabytes_per_second(sample),
        text::count(whole(sample.documents_per_second())),
        text::bytes(sample.archive_bytes),
        format!("{:.2}", sample.ratio()),
        sample.cpu_seconds.map_or_else(unknown, text::seconds),
        sample.rss_bytes.map_or_else(unknown, text::bytes),
    ]
}

fn figures(row: &Row, sample: &Sample) -> Value {
    let (codec, jobs, gzip) = match row.program {
        Program::Mongoark { codec, jobs } => (Some(codec.to_string()), Some(jobs), None),
        Program::Mongodump { gzip } => (None, None, Some(gzip)),
    };
    let mut value = json!({
        "codec": codec, "jobs": jobs, "gzip": gzip,
        "rounds": row.samples.len(),
        "seconds": sample.seconds,
        "documents": sample.documents,
        "bytes": sample.bytes,
        "archiveBytes": sample.archive_bytes,
        "bytesPerSecond": sample.bytes_per_second(),
        "documentsPerSecond": sample.documents_per_second(),
        "ratio": sample.ratio(),
        "cpuSeconds": sample.cpu_seconds,
        "peakRssBytes": sample.rss_bytes,
    });
    if let Some(fields) = value.as_object_mut() {
        let of_the_other = if gzip.is_some() { &["codec", "jobs"][..] } else { &["gzip"] };
        fields.retain(|name, _| !of_the_other.contains(&name.as_str()));
    }
    value
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate, never negative")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}
