//! Taking an archive's body apart: blocks in the order in which they come, checksums checked.

use super::blocks::{BlockReader, Piece};
use super::prelude::ArchivePrelude;
use crate::{Crc, Error, Result};
use std::collections::HashMap;
use std::io::Read;

/// Something that came out of an archive's body. `namespace` is the database and the collection as the
/// block names them: of a time series (of a server before 8.3) `system.buckets.<name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Whole documents were put into the caller's buffer.
    Documents {
        /// The database.
        db: String,
        /// The collection.
        collection: String,
        /// How many documents; at least one.
        documents: u32,
    },
    /// A namespace has ended, and its checksum is right. The first and only part of a namespace without documents.
    End {
        /// The database.
        db: String,
        /// The collection.
        collection: String,
    },
}

/// A namespace that the prelude names.
#[derive(Debug)]
struct Stream {
    db: String,
    collection: String,
    crc: Crc,
    ended: bool,
}

impl Stream {
    fn name(&self) -> String {
        format!("{}.{}", self.db, self.collection)
    }
}

/// Reads blocks. Memory: one document and what the caller's buffer takes, whatever the input says.
/// It has a buffer of its own; the reader needs none.
#[derive(Debug)]
pub struct Demultiplexer<R> {
    blocks: BlockReader<R>,
    streams: Vec<Stream>,
    /// Database and collection to their place in `streams`.
    places: HashMap<(String, String), usize>,
    /// Whose block is being read.
    current: Option<usize>,
}

impl<R: Read> Demultiplexer<R> {
    /// A demultiplexer for what follows `prelude`.
    ///
    /// Expects the blocks that [`NamespaceEntry::data_collection`](super::NamespaceEntry::data_collection)
    /// says. Offsets in errors count from the archive's first byte, if the prelude was as
    /// [`ArchivePrelude::encode`] makes it, as that of every mongodump is; else see [`Self::at`].
    pub fn new(reader: R, prelude: &ArchivePrelude) -> Self {
        Self::at(reader, prelude, prelude.encode().map_or(0, |bytes| bytes.len() as u64))
    }

    /// The same, where the first byte of `reader` is at `offset` of the (decompressed) archive.
    pub fn at(reader: R, prelude: &ArchivePrelude, offset: u64) -> Self {
        let (mut streams, mut places) = (Vec::new(), HashMap::new());
        for entry in &prelude.namespaces {
            let collection = entry.data_collection(&prelude.header.server_version).into_owned();
            let next = streams.len();
            let place = *places.entry((entry.db.clone(), collection.clone())).or_insert(next);
            if place == next {
                streams.push(Stream { db: entry.db.clone(), collection, crc: Crc::default(), ended: false });
            }
        }
        Self { blocks: BlockReader::new(reader, offset), streams, places, current: None }
    }

    /// Where the next byte to be taken apart is in the (decompressed) archive.
    pub fn offset(&self) -> u64 {
        self.blocks.offset()
    }

    /// The next part. Documents go into `buffer`, which is cleared first: at most `bytes_max` bytes of
    /// whole documents of one block, or one larger document. After the last namespace's end, `None`.
    ///
    /// # Errors
    /// Every error names the offset in the (decompressed) archive: a block of a namespace that the prelude
    /// does not name or that has ended, a header with unknown fields, a bad length, a checksum that is not that of
    /// the documents, an end of input within a block or before every namespace has ended. After an error there is
    /// nothing but errors.
    pub fn next(&mut self, buffer: &mut Vec<u8>, bytes_max: usize) -> Result<Option<Part>> {
        let part = self.part(buffer, bytes_max);
        if part.is_err() {
            self.blocks.fail();
        }
        part
    }

    fn part(&mut self, buffer: &mut Vec<u8>, bytes_max: usize) -> Result<Option<Part>> {
        loop {
            let part = match self.blocks.next(buffer, bytes_max)? {
                None => return self.finish().map(|()| None),
                Some(Piece::Begin { db, collection }) => {
                    self.current = Some(self.find(db, collection)?);
                    None
                }
                Some(Piece::Documents(documents)) => self.documents(documents, buffer),
                Some(Piece::Terminator) => self.terminated(),
                Some(Piece::NamespaceEnd { db, collection, crc }) => {
                    self.end(db, collection, crc)?;
                    None
                }
            };
            if part.is_some() {
                return Ok(part);
            }
        }
    }

    fn current(&mut self) -> Option<&mut Stream> {
        self.current.and_then(|place| self.streams.get_mut(place))
    }

    fn documents(&mut self, documents: u32, buffer: &[u8]) -> Option<Part> {
        let stream = self.current()?;
        stream.crc = stream.crc.then(Crc::of(buffer));
        let (db, collection) = (stream.db.clone(), stream.collection.clone());
        Some(Part::Documents { db, collection, documents })
    }

    /// The end of a namespace counts when its terminator is there.
    fn terminated(&mut self) -> Option<Part> {
        let stream = self.current()?;
        let ended = stream.ended;
        let (db, collection) = (stream.db.clone(), stream.collection.clone());
        self.current = None;
        ended.then_some(Part::End { db, collection })
    }

    /// The place of a namespace whose block begins.
    fn find(&mut self, db: String, collection: String) -> Result<usize> {
        let (key, offset) = ((db, collection), self.blocks.piece_offset());
        let namespace = || format!("{}.{}", key.0, key.1);
        match self.places.get(&key).map(|place| (*place, self.streams.get(*place))) {
            Some((place, Some(stream))) if !stream.ended => Ok(place),
            Some((_, Some(_))) => Err(Error::NamespaceEnded { offset, namespace: namespace() }),
            _ => Err(Error::UnknownNamespace { offset, namespace: namespace() }),
        }
    }

    fn end(&mut self, db: String, collection: String, stated: u64) -> Result<()> {
        self.current = Some(self.find(db, collection)?);
        let offset = self.blocks.piece_offset();
        let Some(stream) = self.current() else { return Ok(()) };
        stream.ended = true;
        let actual = stream.crc.value;
        if actual == stated {
            return Ok(());
        }
        Err(Error::Checksum { offset, namespace: stream.name(), stated, actual })
    }

    fn finish(&self) -> Result<()> {
        let mut missing = self.streams.iter().filter(|stream| !stream.ended);
        match missing.next() {
            None => Ok(()),
            Some(first) => {
                let (offset, namespace) = (self.blocks.offset(), first.name());
                Err(Error::Unfinished { offset, namespace, others: missing.count() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{ArchiveHeader, NamespaceEntry, TERMINATOR, block_header, namespace_end};

    const A: [u8; 9] = [9, 0, 0, 0, 8, b'a', 0, 1, 0];
    const B: [u8; 5] = [5, 0, 0, 0, 0];

    fn prelude(collections: &[(&str, &str)]) -> ArchivePrelude {
        let version = |text: &str| text.to_owned();
        let header = ArchiveHeader {
            concurrent_collections: 4,
            version: version("0.1"),
            server_version: version("6.0.5"),
            tool_version: version("100.18.0"),
        };
        let entry = |(collection, kind): &(&str, &str)| NamespaceEntry {
            db: "d".to_owned(),
            collection: (*collection).to_owned(),
            metadata: String::new(),
            size: 0,
            kind: (*kind).to_owned(),
        };
        ArchivePrelude { header, namespaces: collections.iter().map(entry).collect() }
    }

    fn block(collection: &str, documents: &[&[u8]]) -> Vec<u8> {
        [&block_header("d", collection)[..], &documents.concat(), &TERMINATOR].concat()
    }

    fn end(collection: &str, documents: &[&[u8]]) -> Vec<u8> {
        namespace_end("d", collection, Crc::of(&documents.concat()).value)
    }

    /// Each part as text, and all documents.
    fn take(body: &[u8], prelude: &ArchivePrelude) -> Result<Vec<String>> {
        let (mut demultiplexer, mut buffer) = (Demultiplexer::at(body, prelude, 0), Vec::new());
        let mut parts = Vec::new();
        while let Some(part) = demultiplexer.next(&mut buffer, 14)? {
            parts.push(match part {
                Part::Documents { collection, documents, .. } => format!("{collection} {documents}"),
                Part::End { collection, .. } => format!("{collection} ends"),
            });
        }
        Ok(parts)
    }

    #[test]
    fn interleaved_namespaces_come_in_the_archives_order() {
        let body = [
            block("x", &[&A, &B]),
            block("y", &[&B]),
            block("x", &[&A, &A]),
            end("x", &[&A, &B, &A, &A]),
            end("y", &[&B]),
        ]
        .concat();
        let parts = take(&body, &prelude(&[("y", ""), ("x", "collection")])).unwrap();
        assert_eq!(parts, ["x 2", "y 1", "x 1", "x 1", "x ends", "y ends"]);
    }

    #[test]
    fn empty_collections_and_views_only_end() {
        let body = [block("v", &[]), end("v", &[]), end("e", &[])].concat();
        let parts = take(&body, &prelude(&[("v", "view"), ("e", "collection")])).unwrap();
        assert_eq!(parts, ["v ends", "e ends"]);
    }

    #[test]
    fn a_time_series_comes_under_the_name_of_its_buckets() {
        let body = [block("system.buckets.t", &[&A]), end("system.buckets.t", &[&A])].concat();
        let parts = take(&body, &prelude(&[("t", "timeseries")])).unwrap();
        assert_eq!(parts, ["system.buckets.t 1", "system.buckets.t ends"]);
    }

    #[test]
    fn a_namespace_out_of_place_is_an_error() {
        let one = prelude(&[("x", "")]);
        let unknown = take(&block("y", &[&A]), &one).unwrap_err();
        assert!(matches!(unknown, Error::UnknownNamespace { offset: 0, .. }), "{unknown}");
        let first = end("x", &[]);
        let again = take(&[&first[..], &block("x", &[&A])].concat(), &one).unwrap_err();
        assert!(matches!(again, Error::NamespaceEnded { offset, .. } if offset == first.len() as u64));
        let cut = take(&block("x", &[&A]), &prelude(&[("z", ""), ("x", "")])).unwrap_err();
        assert!(
            matches!(&cut, Error::Unfinished { namespace, others: 1, .. } if namespace == "d.z"),
            "{cut}"
        );
    }

    #[test]
    fn damaged_documents_never_end_well() {
        let body = [block("x", &[&A]), end("x", &[&B])].concat();
        let mut demultiplexer = Demultiplexer::new(body.as_slice(), &prelude(&[("x", "")]));
        let mut buffer = Vec::new();
        assert!(demultiplexer.next(&mut buffer, 100).is_ok());
        let error = demultiplexer.next(&mut buffer, 100).unwrap_err();
        let prelude_bytes = prelude(&[("x", "")]).encode().unwrap().len() as u64;
        let expected = prelude_bytes + block("x", &[&A]).len() as u64;
        assert!(matches!(error, Error::Checksum { offset, .. } if offset == expected), "{error}");
        assert!(matches!(demultiplexer.next(&mut buffer, 100), Err(Error::Stopped { .. })));
    }
}
