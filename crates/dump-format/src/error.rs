//! What is wrong with a dump, and where.

use std::io;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A dump that cannot be read or written. The caller adds the file's name. Offsets are bytes from the start of
/// the (decompressed) file, and those of the document, header or mark that is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Reading failed, or what is read is not well compressed.
    #[error("cannot read the document at offset {offset}: {source}")]
    Read {
        /// Where that document begins.
        offset: u64,
        /// Why it failed.
        source: io::Error,
    },
    /// The input ends within a document.
    #[error("the file ends within the document at offset {offset}, after {available} bytes of it")]
    Truncated {
        /// Where the document begins.
        offset: u64,
        /// How many of its bytes are there.
        available: usize,
    },
    /// A document states a length that none can have.
    #[error(
        "the document at offset {offset} states a length of {stated} bytes; 5 to {bytes_max} are possible"
    )]
    Length {
        /// Where the document begins.
        offset: u64,
        /// The length it states.
        stated: i32,
        /// Bytes of the longest one allowed there.
        bytes_max: usize,
    },
    /// The last byte of a document is not zero.
    #[error("the document at offset {offset} does not end with a zero byte")]
    Unterminated {
        /// Where the document begins.
        offset: u64,
    },
    /// The first four bytes are not those of an archive.
    #[error("this is not an archive of mongodump: it begins with {found:02x?}, not with 6d e2 99 81")]
    NoArchive {
        /// What it begins with.
        found: Vec<u8>,
    },
    /// A header in an archive that cannot be read.
    #[error("the archive's header at offset {offset} is wrong: {fault}")]
    Header {
        /// Where the header begins.
        offset: u64,
        /// What is wrong with it.
        fault: HeaderFault,
    },
    /// The prelude of an archive, or one of its entries, is larger than can be handled.
    #[error("the archive's prelude is too large at offset {offset}: more than {bytes_max} bytes")]
    PreludeTooLarge {
        /// Where it goes beyond the limit.
        offset: u64,
        /// The limit, bytes.
        bytes_max: usize,
    },
    /// Something else than the mark ff ff ff ff ends a block, or the mark stands where a block begins.
    #[error("at offset {offset} the archive must have {expected}")]
    Structure {
        /// Where.
        offset: u64,
        /// What should be there.
        expected: &'static str,
    },
    /// A block of a namespace that the prelude does not name.
    #[error("the block at offset {offset} is of {namespace}, which the archive's prelude does not name")]
    UnknownNamespace {
        /// Where its header begins.
        offset: u64,
        /// The namespace.
        namespace: String,
    },
    /// A block of a namespace that has ended before.
    #[error("the block at offset {offset} is of {namespace}, which has ended before")]
    NamespaceEnded {
        /// Where its header begins.
        offset: u64,
        /// The namespace.
        namespace: String,
    },
    /// The documents of a namespace are not those that were written.
    #[error(
        "the documents of {namespace} are damaged: their checksum is {actual:016x}, and at offset {offset} the archive says {stated:016x}"
    )]
    Checksum {
        /// Where the namespace's end is stated.
        offset: u64,
        /// The namespace.
        namespace: String,
        /// The checksum that is stated.
        stated: u64,
        /// That of the documents.
        actual: u64,
    },
    /// The archive ends before each namespace has ended.
    #[error(
        "the archive ends at offset {offset}, but {namespace} and {others} other namespaces have not ended"
    )]
    Unfinished {
        /// Where the archive ends.
        offset: u64,
        /// The first of them in the archive's order.
        namespace: String,
        /// How many more.
        others: usize,
    },
    /// A reader that has failed before was asked for more.
    #[error("reading stopped at an earlier error before offset {offset}")]
    Stopped {
        /// Where the reader stood.
        offset: u64,
    },
    /// An archive's entry is larger than any reader accepts.
    #[error(
        "the metadata of {namespace} takes {bytes} bytes in the archive; at most {bytes_max} can be read back"
    )]
    EntryTooLarge {
        /// The namespace.
        namespace: String,
        /// What the entry takes.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A text that is no Extended JSON.
    #[error("cannot read {what}: {source}")]
    Text {
        /// What the text is.
        what: &'static str,
        /// Where and why.
        source: mongoark_bson_text::Error,
    },
    /// A text with a field of another type than it must have, or without it.
    #[error("{what} must have {expected}")]
    Field {
        /// What the text is.
        what: &'static str,
        /// The field and its type.
        expected: &'static str,
    },
    /// A text beyond its limit.
    #[error("{what} takes {bytes} bytes; at most {bytes_max} are read")]
    TooLong {
        /// What the text is.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Bytes that are not UTF-8 where text must be.
    #[error("{what} is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// What the text is.
        what: &'static str,
        /// Where the first wrong byte is.
        at: usize,
    },
    /// Metadata that Extended JSON cannot carry.
    #[error(
        "the {part} of the collection cannot be written as Extended JSON and read back unchanged: text that is not UTF-8, or a document that looks like Extended JSON itself"
    )]
    Lossy {
        /// `options`, or `index <number>`.
        part: String,
    },
    /// Options or an index that are no BSON.
    #[error("the {part} of the collection is no BSON: {source}")]
    Bson {
        /// `options`, or `index <number>`.
        part: String,
        /// Why.
        source: mongoark_bson_bytes::Error,
    },
    /// A type of collection that this program does not know.
    #[error("{namespace} is of the unknown type '{kind}'")]
    UnknownKind {
        /// The namespace.
        namespace: String,
        /// The type.
        kind: String,
    },
    /// A file name that is not escaped as mongodump does it.
    #[error("the file name '{stem}' is not validly escaped at byte {at}")]
    Escape {
        /// The name without its extension.
        stem: String,
        /// Where the escape that is wrong begins, or the byte that makes the name no UTF-8.
        at: usize,
    },
}

/// What is wrong with a header in an archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderFault {
    /// It is no BSON.
    #[error(transparent)]
    Bson(#[from] mongoark_bson_bytes::Error),
    /// A field that such a header does not have.
    #[error("it has the unknown field '{0}'")]
    UnknownField(String),
    /// A field of another type.
    #[error("its field '{field}' must be {expected}")]
    Type {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// No collection is named.
    #[error("it names no collection")]
    NoCollection,
}
