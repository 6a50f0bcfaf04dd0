//! The input of `bsondump`: batches of whole documents out of a file or a pipe.

use crate::personality::go_text::Errno;
use mongoark_bson_bytes::{DOCUMENT_BYTES_MAX, DOCUMENT_BYTES_MIN};
use std::io::{self, Read};

/// Bytes asked for at once.
const READ_BYTES: usize = 512 * 1024;

/// Why the input ends before its end. The words are those of `bsondump`; the place is ours.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Reading failed.
    #[error("read {name}: {}", Errno(source))]
    Read {
        /// The file, or `/dev/stdin`.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The documents before are whole; this one is not.
    #[error("{damage} (the document at byte {at} of {name})")]
    Damaged {
        /// What is wrong with it.
        damage: Damage,
        /// Bytes before it.
        at: u64,
        /// The file, or `/dev/stdin`.
        name: String,
    },
}

/// What is wrong with a document. The words are those of `bsondump`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The input ends within it, or within its length.
    #[error("unexpected EOF")]
    Cut,
    /// The input ends right after its length.
    #[error("invalid bson: EOF")]
    LengthAlone,
    /// No document is so short.
    #[error("invalid BSONSize: {0} bytes is less than 5 bytes")]
    Short(u32),
    /// No document is so long.
    #[error("invalid BSONSize: {0} bytes is larger than maximum of {DOCUMENT_BYTES_MAX} bytes")]
    Long(u32),
}

/// Reads concatenated documents. Holds what one read gave, or one document if that is longer.
pub struct Source<R> {
    reader: R,
    name: String,
    /// Bytes behind the last batch.
    rest: Vec<u8>,
    /// Bytes given.
    given: u64,
    /// Found behind a batch that still had to be given.
    damage: Option<Damage>,
}

impl<R: Read> Source<R> {
    /// Reads from the start of a document; `name` is for messages.
    pub fn new(reader: R, name: String) -> Self {
        Self { reader, name, rest: Vec::new(), given: 0, damage: None }
    }

    /// The next documents, one at least; `None` at the end. Gives what is there instead of waiting for
    /// more, so that a slow pipe is printed as it comes.
    ///
    /// # Errors
    /// Once, behind the last whole document.
    pub fn batch(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut bytes = std::mem::take(&mut self.rest);
        loop {
            if let Some(damage) = self.damage.take() {
                return Err(self.damaged(damage));
            }
            let (whole, damage) = whole_documents(&bytes);
            self.damage = damage;
            if whole > 0 {
                self.given += whole as u64;
                self.rest = bytes.split_off(whole);
                return Ok(Some(bytes));
            }
            if self.damage.is_none() && self.fill(&mut bytes)? == 0 {
                return match bytes.len() {
                    0 => Ok(None),
                    4 => Err(self.damaged(Damage::LengthAlone)),
                    _ => Err(self.damaged(Damage::Cut)),
                };
            }
        }
    }

    fn damaged(&self, damage: Damage) -> Fault {
        Fault::Damaged { damage, at: self.given, name: self.name.clone() }
    }

    /// Appends what one read gives.
    fn fill(&mut self, bytes: &mut Vec<u8>) -> Result<usize, Fault> {
        let old = bytes.len();
        bytes.resize(old + READ_BYTES, 0);
        let read = loop {
            match self.reader.read(bytes.get_mut(old..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let read = read.map_err(|source| Fault::Read { name: self.name.clone(), source })?;
        bytes.truncate(old + read);
        Ok(read)
    }
}

/// Bytes of the whole documents at the start, and what is wrong with the length behind them.
fn whole_documents(bytes: &[u8]) -> (usize, Option<Damage>) {
    let mut at = 0;
    while let Some(header) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let stated = u32::from_le_bytes(*header);
        let len = usize::try_from(stated).unwrap_or(usize::MAX);
        if len < DOCUMENT_BYTES_MIN {
            return (at, Some(Damage::Short(stated)));
        }
        if len > DOCUMENT_BYTES_MAX {
            return (at, Some(Damage::Long(stated)));
        }
        if len > bytes.len() - at {
            break;
        }
        at += len;
    }
    (at, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: [u8; 5] = [5, 0, 0, 0, 0];

    /// Gives one byte a read.
    struct Slow(io::Cursor<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.0.read(&mut out[..1])
        }
    }

    fn all(input: Vec<u8>) -> (Vec<u8>, Option<String>) {
        let mut source = Source::new(Slow(io::Cursor::new(input)), "x".to_owned());
        let mut documents = Vec::new();
        loop {
            match source.batch() {
                Ok(Some(batch)) => documents.extend(batch),
                Ok(None) => return (documents, None),
                Err(fault) => return (documents, Some(fault.to_string())),
            }
        }
    }

    #[test]
    fn documents_come_whole_whatever_a_read_gives() {
        assert_eq!(all(Vec::new()), (Vec::new(), None));
        assert_eq!(all([EMPTY, EMPTY].concat()), ([EMPTY, EMPTY].concat(), None));
    }

    #[test]
    fn faults_come_behind_the_documents_before_them() {
        for (tail, fault) in [
            (&[9, 0, 0][..], "unexpected EOF"),
            (&[9, 0, 0, 0], "invalid bson: EOF"),
            (&[9, 0, 0, 0, 0], "unexpected EOF"),
            (&[4, 0, 0, 0, 0], "invalid BSONSize: 4 bytes is less than 5 bytes"),
            (
                &[0xff, 0xff, 0xff, 0xff],
                "invalid BSONSize: 4294967295 bytes is larger than maximum of 16793600 bytes",
            ),
        ] {
            let input = [&EMPTY[..], &EMPTY, tail].concat();
            assert_eq!(
                all(input),
                ([EMPTY, EMPTY].concat(), Some(format!("{fault} (the document at byte 10 of x)"))),
                "{tail:?}"
            );
        }
    }
}
