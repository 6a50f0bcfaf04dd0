//! `mongoark bench`: how fast a deployment can be dumped, by codec and number of cursors, with
//! mongodump's figures beside them. Each figure is of a process of its own: [`cell`] for ours, [`peer`]
//! for mongodump, [`process`] measures both, [`table`] shows them.

mod cell;
mod corpus;
mod peer;
mod process;
mod size;
mod table;

use super::context::{Context, to_stdout};
use super::dump::{SelectArgs, UriArgs};
use crate::exit::Exit;
use clap::Args;
use mongoark_engine::bench::Measured;
use mongoark_engine::container::Codec;
use mongoark_engine::deployment::{self, ErrorKind};
use mongoark_engine::{Error, Result};
use peer::Peer;
use serde_json::Value;
use size::Size;
use std::path::{Path, PathBuf};
use table::{Program, Report, Row};

/// Flags of `mongoark bench`.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct BenchArgs {
    #[command(flatten)]
    uri: UriArgs,
    #[command(flatten)]
    select: SelectArgs,
    /// Measure on a generated corpus of this size: 500MB, 2GB. It is loaded into a database of its
    /// own, which is dropped afterwards
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["db", "collection", "include", "exclude"])]
    generate: Option<Size>,
    /// A compression to measure: none, zstd:1 to zstd:19, gzip:1 to gzip:9; repeatable
    #[arg(
        long, value_name = "CODEC", value_delimiter = ',', default_values = ["none", "zstd:1", "zstd:2", "zstd:3", "gzip:1"]
    )]
    codec: Vec<Codec>,
    /// Numbers of cursors to measure
    #[arg(
        long, short, value_name = "LIST", value_delimiter = ',', default_values = ["1", "2", "4"],
        value_parser = clap::value_parser!(u16).range(1..=256)
    )]
    jobs: Vec<u16>,
    /// How often everything is measured; the table shows medians
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Encrypt, with a key that is thrown away (the default)
    #[arg(long, overrides_with = "no_encryption", help_heading = "Encryption")]
    encrypt: bool,
    /// Measure without encryption
    #[arg(long, help_heading = "Encryption")]
    no_encryption: bool,
    /// Write each archive to this file, or to a file in this directory, and remove it [default: discard]
    #[arg(long, value_name = "FILE|DIR")]
    to: Option<PathBuf>,
    /// Do not measure mongodump, even where it is on PATH
    #[arg(long)]
    no_peer: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Do one measurement in this process: what every cell of the table is made by
    #[arg(long, hide = true, conflicts_with_all = ["generate", "json"])]
    cell: bool,
}

/// Runs `mongoark bench`.
pub async fn run(args: BenchArgs, context: &Context) -> Exit {
    if args.cell {
        return cell::run(&args, context).await;
    }
    context.end("bench", bench(&args, context).await)
}

async fn bench(args: &BenchArgs, context: &Context) -> Result<Value> {
    let file = args.to.as_deref().map(archive_file).transpose()?;
    match args.generate {
        Some(size) => corpus::with(args, size, file, context).await,
        None => Bench { args, select: &args.select, file, expected: None, context }.measure().await,
    }
}

/// Where `--to` puts archives: a name that nothing has.
fn archive_file(to: &Path) -> Result<PathBuf> {
    let path = if to.is_dir() { to.join(format!("{}.archive", fresh_name())) } else { to.to_owned() };
    if path.exists() {
        let message = format!("{} exists; give a directory, or a file that does not exist", path.display());
        return Err(Error::Usage(message));
    }
    Ok(path)
}

/// A name that no other run takes.
fn fresh_name() -> String {
    format!("mongoark_bench_{}", bson::oid::ObjectId::new())
}

/// One run over one selection.
struct Bench<'a> {
    args: &'a BenchArgs,
    select: &'a SelectArgs,
    file: Option<PathBuf>,
    /// Documents that must be there, where they were generated.
    expected: Option<u64>,
    context: &'a Context,
}

impl Bench<'_> {
    /// Warms the server's cache, measures everything, and prints what was measured even when the
    /// run ends early.
    async fn measure(&self) -> Result<Value> {
        let warm = self.warm_up().await?;
        let (peer, note) = self.peer();
        let mut report = Report::new(self.args, warm, self.rows(peer.is_some()));
        report.peer_version = peer.as_ref().map(|peer| peer.version.clone());
        report.notes.extend(note);
        let ended = self.rounds(&mut report, peer.as_ref()).await;
        if ended.is_err() {
            report.notes.push("the run ended early: this is what was measured until then".to_owned());
        }
        if report.has_figures() {
            let out = if self.args.json { format!("{:#}", report.json()) } else { report.text() };
            to_stdout(out.lines())?;
        }
        ended.map(|()| report.json())
    }

    /// Reads everything once. A secondary may lag behind what was just generated.
    async fn warm_up(&self) -> Result<Measured> {
        self.context.monitor.step("reading everything once, so that all figures are of a warm cache");
        let jobs = self.args.jobs.iter().copied().max().unwrap_or(1);
        let warm_up = cell::Cell { codec: Codec::None, jobs, encrypted: false, file: None };
        let mut warm = cell::measure(self, &warm_up).await?.0;
        for _ in 0..corpus::LOOKS_MAX {
            if self.expected.is_none_or(|documents| documents == warm.documents) {
                break;
            }
            tokio::time::sleep(corpus::LOOK_EVERY).await;
            warm = cell::measure(self, &warm_up).await?.0;
        }
        for failure in &warm.failures {
            self.context.monitor.fail("", failure, 0);
        }
        if warm.documents == 0 {
            return Err(Error::Usage("there is nothing to measure: no document is selected".to_owned()));
        }
        self.context.monitor.step(table::subject(&warm));
        Ok(warm)
    }

    /// mongodump where it can be measured, and what there is to say where it cannot.
    fn peer(&self) -> (Option<Peer>, Option<String>) {
        if self.args.no_peer {
            return (None, None);
        }
        match Peer::find(&self.args.uri.uri, self.select) {
            Ok(peer) => (Some(peer), None),
            Err(why) => {
                self.context.monitor.step(&why);
                (None, Some(why))
            }
        }
    }

    fn rows(&self, peer: bool) -> Vec<Row> {
        let mut programs: Vec<Program> = Vec::new();
        for codec in self.args.codec.iter().copied() {
            programs.extend(self.args.jobs.iter().map(|jobs| Program::Mongoark { codec, jobs: *jobs }));
        }
        if peer {
            programs.extend([Program::Mongodump { gzip: false }, Program::Mongodump { gzip: true }]);
        }
        let mut rows: Vec<Row> = Vec::new();
        for program in programs {
            if rows.iter().all(|row| row.program != program) {
                rows.push(Row { program, samples: Vec::new() });
            }
        }
        rows
    }

    /// Round by round, so that a machine that slows down meanwhile slows down every row.
    async fn rounds(&self, report: &mut Report, peer: Option<&Peer>) -> Result<()> {
        let cells = report.rows.len() * usize::from(self.args.rounds);
        for cell in 0..cells {
            if self.context.stop.is_requested() {
                return Err(Error::Interrupted);
            }
            let place = cell % report.rows.len();
            let program = report.rows[place].program;
            let figures = match (program, peer) {
                (Program::Mongoark { codec, jobs }, _) => self.ours(codec, jobs, report).await?,
                (Program::Mongodump { gzip }, Some(peer)) => self.theirs(peer, gzip, report).await?,
                (Program::Mongodump { .. }, None) => None,
            };
            if let Some(sample) = figures {
                let rate = table::megabytes_per_second(&sample);
                self.context.monitor.step(format!("{} of {cells}: {program}, {rate} MB/s", cell + 1));
                report.rows[place].samples.push(sample);
            }
        }
        Ok(())
    }

    async fn ours(&self, codec: Codec, jobs: u16, report: &mut Report) -> Result<table::Figures> {
        let cell =
            cell::Cell { codec, jobs, encrypted: !self.args.no_encryption, file: self.file.as_deref() };
        let measured = cell::measure(self, &cell).await;
        self.remove_archive();
        let (measured, sample) = measured?;
        if (measured.documents, measured.bytes) != (report.warm.documents, report.warm.bytes) {
            let note = "the collections changed while they were measured: rows are of different documents";
            if !report.notes.iter().any(|other| other == note) {
                self.context.monitor.warn("", note);
                report.notes.push(note.to_owned());
            }
        }
        Ok(Some(sample))
    }

    /// mongodump's failure is told, and its row stays empty: our own figures are worth having.
    async fn theirs(&self, peer: &Peer, gzip: bool, report: &mut Report) -> Result<table::Figures> {
        let outcome = peer.measure(gzip, self.file.as_deref(), &report.warm).await;
        self.remove_archive();
        match outcome {
            Ok(sample) => Ok(Some(sample)),
            Err(_) if self.context.stop.is_requested() => Err(Error::Interrupted),
            Err(why) => {
                self.context.monitor.warn(Program::Mongodump { gzip }.to_string(), &why);
                report.notes.push(format!("{}: {why}", Program::Mongodump { gzip }));
                Ok(None)
            }
        }
    }

    /// What a measurement leaves at `--to`, whole or not.
    fn remove_archive(&self) {
        let Some(file) = &self.file else { return };
        let mut partial = file.clone().into_os_string();
        partial.push(".partial");
        for path in [file.clone(), partial.into()] {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    self.context
                        .monitor
                        .warn(path.display().to_string(), format!("cannot be removed: {error}"));
                }
                _ => {}
            }
        }
    }
}

/// A failure that is of this command alone.
fn failure(action: impl Into<String>, message: impl Into<String>) -> Error {
    deployment::Error::new(ErrorKind::Reply, action, message).into()
}
