//! A batch of documents as the text that `bsondump` prints.

use super::run::{Kind, Options};
use mongoark_bson_bytes::{Element, Elements, kind};
use mongoark_bson_text::{Debug, Format, Indenter, write};

/// Text is handed on when it has grown to so many bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// Takes text and log lines in order; `Err` when nobody wants them any more.
pub trait Sink {
    /// Text for the output.
    fn text(&mut self, text: Vec<u8>) -> Result<(), Gone>;
    /// A line for the log.
    fn note(&mut self, note: String) -> Result<(), Gone>;
}

/// The other side of a sink has ended.
#[derive(Debug)]
pub struct Gone;

/// How a batch ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Documents seen, those that could not be printed with them.
    pub documents: u64,
    /// What `--objcheck` found; the document behind it was not counted.
    pub refused: Option<String>,
}

/// Prints a batch.
pub struct Printer<'a, S> {
    options: &'a Options,
    sink: &'a mut S,
    out: Vec<u8>,
    json: Vec<u8>,
}

impl<'a, S: Sink> Printer<'a, S> {
    /// A printer into this sink.
    pub fn new(options: &'a Options, sink: &'a mut S) -> Self {
        Self { options, sink, out: Vec::with_capacity(PIECE_BYTES), json: Vec::new() }
    }

    /// Prints whole documents; `before` is the number of those before them. Stops at a document that
    /// `--objcheck` refuses.
    pub fn batch(mut self, documents: &[u8], before: u64) -> Result<Outcome, Gone> {
        let mut outcome = Outcome::default();
        for document in cut(documents) {
            outcome.refused = match self.options.kind {
                Kind::Json => self.json(document, before + outcome.documents + 1)?,
                Kind::Debug => self.debug(document)?,
            };
            if outcome.refused.is_some() {
                break;
            }
            outcome.documents += 1;
            self.hand_on(PIECE_BYTES)?;
        }
        self.hand_on(1)?;
        Ok(outcome)
    }

    /// A document that is no BSON is left out, and named in the log.
    fn json(&mut self, document: &[u8], number: u64) -> Result<Option<String>, Gone> {
        self.json.clear();
        let checked = if self.options.objcheck { check(document) } else { Ok(()) };
        let written = checked.and_then(|()| {
            write(document, Format::Bsondump, &mut self.json).map_err(|error| error.to_string())
        });
        if let Err(error) = written {
            let error = format!("error converting BSON to extended JSON: {error}");
            self.sink.note(format!("unable to dump document {number}: {error}"))?;
            return Ok(self.options.objcheck.then_some(error));
        }
        if self.options.pretty {
            self.pretty()?;
        } else {
            self.out.append(&mut self.json);
        }
        self.out.push(b'\n');
        Ok(None)
    }

    fn pretty(&mut self) -> Result<(), Gone> {
        let mut indenter = Indenter::default();
        let json = std::mem::take(&mut self.json);
        for piece in json.chunks(PIECE_BYTES / 16) {
            indenter.push(piece, "\t", &mut self.out);
            self.hand_on(PIECE_BYTES)?;
        }
        self.json = json;
        Ok(())
    }

    /// What can be told of a broken document is printed.
    fn debug(&mut self, document: &[u8]) -> Result<Option<String>, Gone> {
        if self.options.objcheck
            && let Err(error) = check(document)
        {
            return Ok(Some(format!("failed to validate bson during objcheck: {error}")));
        }
        let mut lines = Debug::new(document);
        loop {
            match lines.step(&mut self.out) {
                Ok(true) => self.hand_on(PIECE_BYTES)?,
                Ok(false) => break,
                Err(error) => {
                    self.sink.note(format!("encountered error debugging BSON data: {error}"))?;
                    break;
                }
            }
        }
        Ok(None)
    }

    /// Hands the text on if there are so many bytes of it.
    fn hand_on(&mut self, bytes_min: usize) -> Result<(), Gone> {
        if self.out.len() < bytes_min {
            return Ok(());
        }
        let text = std::mem::replace(&mut self.out, Vec::with_capacity(PIECE_BYTES));
        self.sink.text(text)
    }
}

/// How many documents a batch holds.
pub fn count(batch: &[u8]) -> u64 {
    cut(batch).map(|_| 1).sum()
}

/// The documents of a batch; a missing last zero byte is no reason to stop here.
fn cut(mut batch: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let stated = u32::from_le_bytes(*batch.first_chunk()?);
        let (document, rest) = batch.split_at_checked(usize::try_from(stated).ok()?)?;
        batch = rest;
        Some(document)
    })
}

/// `--objcheck`: every level is BSON, and booleans are 0 or 1. Iterative, and without a limit of depth.
fn check(document: &[u8]) -> Result<(), String> {
    let start = |document| Elements::new(document).map_err(|error| error.to_string());
    let mut levels = vec![start(document)?];
    while let Some(level) = levels.last_mut() {
        let Some(element) = level.next() else {
            levels.pop();
            continue;
        };
        let element = element.map_err(|error| error.to_string())?;
        check_inside(&element)?;
        if let Some(children) = element.children() {
            levels.push(children.map_err(|error| error.to_string())?);
        }
    }
    Ok(())
}

/// What a value says of itself beyond its length.
fn check_inside(element: &Element<'_>) -> Result<(), String> {
    match (element.kind, element.value.first()) {
        (kind::BOOL, Some(byte @ 2..)) => Err(format!("invalid byte for boolean, {byte:b}")),
        _ => match element.as_binary() {
            Some((2, bytes)) if bytes.len() > 4 => check_inner_length(bytes),
            _ => Ok(()),
        },
    }
}

/// The old binary subtype repeats its length inside.
fn check_inner_length(bytes: &[u8]) -> Result<(), String> {
    let stated = bytes.first_chunk().map_or(0, |inner| i32::from_le_bytes(*inner));
    match usize::try_from(stated) {
        Ok(stated) if stated <= bytes.len() - 4 => Ok(()),
        _ => Err(format!("invalid length of binary subtype 2: {stated}")),
    }
}
