//! A run of `bsondump`: one thread reads, two turn documents into text, and the caller's writes it in order.
//!
//! Batches go to the printing threads in turn, and their text is taken in turn, so nothing has to be sorted.
//! Every channel has a bound. The reader is not waited for when the output fails: it may hang in a read
//! of a pipe that stays open.

use super::print::{Gone, Outcome, Printer, Sink};
use super::source::{Fault, Source};
use crate::personality::go_text::Errno;
use crate::personality::log::{ALWAYS, DEBUG_LOW, Log};
use crate::personality::stdio;
use crate::same_file::{Use, refuse_same};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

const PRINTERS: usize = 2;
/// Pieces of text that wait to be written, for each printing thread.
const PIECES_MAX: usize = 4;

/// What is printed of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Canonical Extended JSON.
    #[default]
    Json,
    /// Types and sizes.
    Debug,
}

/// What a run does.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What is printed.
    pub kind: Kind,
    /// JSON over several lines, indented by tabs.
    pub pretty: bool,
    /// The first document that is no BSON ends the run.
    pub objcheck: bool,
    /// The file that is read; stdin if there is none.
    pub input: Option<PathBuf>,
    /// The file that is written; stdout if there is none.
    pub output: Option<PathBuf>,
}

/// Why a run failed. The words are those of `bsondump`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input cannot be opened.
    #[error("getting BSON reader failed: couldn't open BSON file: open {}: {}", path.display(), Errno(source))]
    Input {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The output cannot be opened.
    #[error("getting Writer failed: open {}: {}", path.display(), Errno(source))]
    Output {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The output would go over the input.
    #[error("getting Writer failed: {0}")]
    Same(String),
    /// The output cannot be written.
    #[error("write {name}: {}", Errno(source))]
    Write {
        /// The file, or `/dev/stdout`.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The input is damaged or cannot be read.
    #[error(transparent)]
    Read(Fault),
    /// `--objcheck` found a document that is no BSON.
    #[error("{0}")]
    Refused(String),
    /// A thread of this program ended too early.
    #[error("not everything was printed: a thread of this program failed")]
    Thread,
}

/// Runs to the end, logs what was found and why it failed, and gives the exit code: 0, or 1 after a
/// failure. Documents that cannot be printed are named in the log and change the exit code with `objcheck` alone.
pub fn run(options: &Options, log: &Log) -> u8 {
    let (input, output) = match open(options) {
        Ok(opened) => opened,
        Err(error) => {
            log.line(ALWAYS, &error.to_string());
            return 1;
        }
    };
    log.line(DEBUG_LOW, &format!("running bsondump with --objcheck: {}", options.objcheck));
    let mut output = Output { file: output, name: name(options.output.as_deref(), "/dev/stdout") };
    let mut found = 0;
    let result = print_all(input, options, &mut output, log, &mut found);
    log.line(ALWAYS, &format!("{found} objects found"));
    match result {
        Ok(()) => 0,
        Err(error) => {
            log.line(ALWAYS, &error.to_string());
            1
        }
    }
}

fn open(options: &Options) -> Result<(File, File), Error> {
    if let (Some(input), Some(output)) = (&options.input, &options.output) {
        refuse_same(&[Use::reads("the input", input), Use::writes("the output", output)])
            .map_err(Error::Same)?;
    }
    let input = match &options.input {
        Some(path) => File::open(path).map_err(|source| Error::Input { path: path.clone(), source })?,
        None => stdio::input().map_err(|source| Error::Input { path: "/dev/stdin".into(), source })?,
    };
    let output = match &options.output {
        Some(path) => File::create(path).map_err(|source| Error::Output { path: path.clone(), source })?,
        None => stdio::output().map_err(|source| Error::Output { path: "/dev/stdout".into(), source })?,
    };
    Ok((input, output))
}

fn name(path: Option<&Path>, standard: &str) -> String {
    path.map_or_else(|| standard.to_owned(), |path| path.display().to_string())
}

struct Output {
    file: File,
    name: String,
}

impl Output {
    fn write(&mut self, text: &[u8]) -> Result<(), Error> {
        let written = self.file.write_all(text);
        written.map_err(|source| Error::Write { name: self.name.clone(), source })
    }
}

/// Documents for a printing thread.
struct Batch {
    bytes: Vec<u8>,
    /// Documents before them.
    before: u64,
}

/// What a printing thread hands on.
enum Piece {
    Text(Vec<u8>),
    Note(String),
    End(Outcome),
}

impl Sink for SyncSender<Piece> {
    fn text(&mut self, text: Vec<u8>) -> Result<(), Gone> {
        self.send(Piece::Text(text)).map_err(|_| Gone)
    }

    fn note(&mut self, note: String) -> Result<(), Gone> {
        self.send(Piece::Note(note)).map_err(|_| Gone)
    }
}

/// What the reading thread ends with.
struct ReadOutcome {
    batches: usize,
    fault: Option<Fault>,
}

fn print_all(
    input: File,
    options: &Options,
    output: &mut Output,
    log: &Log,
    found: &mut u64,
) -> Result<(), Error> {
    let (mut batches, mut pieces) = (Vec::new(), Vec::new());
    for _ in 0..PRINTERS {
        let (batch_sender, batch_receiver) = sync_channel(1);
        let (piece_sender, piece_receiver) = sync_channel(PIECES_MAX);
        let options = options.clone();
        thread::spawn(move || print_batches(&batch_receiver, piece_sender, &options));
        batches.push(batch_sender);
        pieces.push(piece_receiver);
    }
    let source = Source::new(input, name(options.input.as_deref(), "/dev/stdin"));
    let reader = thread::spawn(move || read_batches(source, &batches));
    let mut printed = 0;
    for receiver in pieces.iter().cycle() {
        let Some(outcome) = write_batch(receiver, output, log)? else { break };
        *found += outcome.documents;
        if let Some(refused) = outcome.refused {
            return Err(Error::Refused(refused));
        }
        printed += 1;
    }
    drop(pieces);
    end(reader, printed)
}

/// Hands batches to the printing threads in turn, until one of them is gone.
fn read_batches(mut source: Source<impl Read>, printers: &[SyncSender<Batch>]) -> ReadOutcome {
    let mut outcome = ReadOutcome { batches: 0, fault: None };
    let mut before = 0;
    for printer in printers.iter().cycle() {
        match source.batch() {
            Ok(Some(bytes)) => {
                let documents = super::print::count(&bytes);
                if printer.send(Batch { bytes, before }).is_err() {
                    break;
                }
                before += documents;
                outcome.batches += 1;
            }
            Ok(None) => break,
            Err(fault) => {
                outcome.fault = Some(fault);
                break;
            }
        }
    }
    outcome
}

/// Prints batches until there are no more, or nobody takes the text.
fn print_batches(batches: &Receiver<Batch>, mut pieces: SyncSender<Piece>, options: &Options) {
    for batch in batches {
        let Ok(outcome) = Printer::new(options, &mut pieces).batch(&batch.bytes, batch.before) else {
            return;
        };
        if pieces.send(Piece::End(outcome)).is_err() {
            return;
        }
    }
}

/// Writes the text of one batch; `None` when there is no batch any more.
fn write_batch(pieces: &Receiver<Piece>, output: &mut Output, log: &Log) -> Result<Option<Outcome>, Error> {
    for piece in pieces {
        match piece {
            Piece::Text(text) => output.write(&text)?,
            Piece::Note(note) => log.line(ALWAYS, &note),
            Piece::End(outcome) => return Ok(Some(outcome)),
        }
    }
    Ok(None)
}

/// Everything that was read must have been printed, whatever became of the threads.
fn end(reader: JoinHandle<ReadOutcome>, printed: usize) -> Result<(), Error> {
    let outcome = reader.join().map_err(|_| Error::Thread)?;
    match outcome.fault {
        _ if outcome.batches != printed => Err(Error::Thread),
        Some(fault) => Err(Error::Read(fault)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::personality::log::captured::Captured;
    use std::os::fd::OwnedFd;

    #[test]
    fn a_closed_output_ends_the_run_though_the_input_stays_open() {
        let (nobody, output) = io::pipe().unwrap();
        let (input, mut feed) = io::pipe().unwrap();
        feed.write_all(&[5, 0, 0, 0, 0]).unwrap();
        drop(nobody);
        let mut output = Output { file: OwnedFd::from(output).into(), name: "/dev/stdout".to_owned() };
        let (log, mut found) = (Captured::default().log(0, false), 0);
        let input = OwnedFd::from(input).into();
        let result = print_all(input, &Options::default(), &mut output, &log, &mut found);
        assert_eq!(result.unwrap_err().to_string(), "write /dev/stdout: broken pipe");
        drop(feed);
    }

    #[test]
    fn a_slow_pipe_is_printed_as_it_comes() {
        let (mut text, output) = io::pipe().unwrap();
        let (input, mut feed) = io::pipe().unwrap();
        let mut output = Output { file: OwnedFd::from(output).into(), name: String::new() };
        let printing = thread::spawn(move || {
            let (log, mut found) = (Captured::default().log(0, false), 0);
            let input = OwnedFd::from(input).into();
            print_all(input, &Options::default(), &mut output, &log, &mut found).unwrap();
            found
        });
        for _ in 0..3 {
            feed.write_all(&[5, 0, 0, 0, 0]).unwrap();
            let mut line = [0; 3];
            text.read_exact(&mut line).unwrap();
            assert_eq!(&line, b"{}\n");
        }
        drop(feed);
        assert_eq!(printing.join().unwrap(), 3);
    }
}
