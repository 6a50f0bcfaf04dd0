//! What stands between the documents of an archive: where a block begins and ends, and the checksums.

use super::entry::Entry;
use mongoark_dump_format::Crc;
use mongoark_dump_format::archive::{TERMINATOR, block_header, namespace_end};

/// Follows an archive as it grows. A block goes on while one stream sends, as with mongodump.
#[derive(Debug)]
pub(super) struct Framing {
    /// Whose block is open.
    current: Option<usize>,
    crcs: Vec<Crc>,
    begun: Vec<bool>,
}

impl Framing {
    pub(super) fn new(streams: usize) -> Self {
        Self { current: None, crcs: vec![Crc::default(); streams], begun: vec![false; streams] }
    }

    /// Appends what must come before documents of this stream, whose checksum is `crc`.
    pub(super) fn documents(&mut self, stream: usize, entry: &Entry, crc: Crc, out: &mut Vec<u8>) {
        if let Some(sum) = self.crcs.get_mut(stream) {
            *sum = sum.then(crc);
        }
        if let Some(begun) = self.begun.get_mut(stream) {
            *begun = true;
        }
        if self.current == Some(stream) {
            return;
        }
        self.close_block(out);
        out.extend_from_slice(&block_header(&entry.db, &entry.data_collection));
        self.current = Some(stream);
    }

    /// Appends the end of a stream; one without documents has an empty block before it, without which the tools
    /// would not create it.
    pub(super) fn end(&mut self, stream: usize, entry: &Entry, out: &mut Vec<u8>) {
        if !self.begun.get(stream).is_some_and(|begun| *begun) {
            self.documents(stream, entry, Crc::default(), out);
        }
        self.close_block(out);
        let crc = self.crcs.get(stream).copied().unwrap_or_default();
        out.extend_from_slice(&namespace_end(&entry.db, &entry.data_collection, crc.value));
    }

    fn close_block(&mut self, out: &mut Vec<u8>) {
        if self.current.take().is_some() {
            out.extend_from_slice(&TERMINATOR);
        }
    }
}
