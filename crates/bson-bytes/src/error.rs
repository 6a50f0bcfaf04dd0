//! What can be wrong with bytes that claim to be BSON, and where.

/// The result of reading BSON bytes.
pub type Result<T> = std::result::Result<T, Error>;

/// Bytes that are not BSON: what is wrong, and at which byte of the slice that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid BSON at byte {offset}: {kind}")]
pub struct Error {
    /// Bytes from the start of the slice given to the function that failed.
    pub offset: usize,
    /// What is wrong there.
    pub kind: ErrorKind,
}

/// What is wrong at the offset of an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Fewer bytes are left than the value needs.
    #[error("{needed} bytes are needed, {available} are left")]
    Truncated {
        /// Bytes that the value takes.
        needed: usize,
        /// Bytes that are left for it.
        available: usize,
    },
    /// A document says that it is shorter than the shortest document, or longer than the longest.
    #[error("a document of {stated} bytes is outside {min}..={max}")]
    DocumentLength {
        /// The length that the document states.
        stated: i32,
        /// Bytes of the shortest document.
        min: usize,
        /// Bytes of the longest document allowed here.
        max: usize,
    },
    /// A document states another length than the bytes that hold it.
    #[error("a document states {stated} bytes, but takes {actual}")]
    LengthMismatch {
        /// The length that the document states.
        stated: usize,
        /// Bytes that hold it.
        actual: usize,
    },
    /// The last byte of a document is not zero.
    #[error("a document does not end with a zero byte")]
    DocumentTerminator,
    /// A document's zero byte comes before the length it states.
    #[error("a document ends before its stated length")]
    EarlyEnd,
    /// A type byte that BSON does not know.
    #[error("unknown element type 0x{0:02x}")]
    UnknownKind(u8),
    /// A key, or a part of a regular expression, runs to the end without a zero byte.
    #[error("a key or pattern has no terminating zero byte")]
    Unterminated,
    /// A string states a length below one.
    #[error("a string states {0} bytes, its terminator included")]
    StringLength(i32),
    /// The last byte of a string is not zero.
    #[error("a string does not end with a zero byte")]
    StringTerminator,
    /// A binary value states a negative length.
    #[error("a binary value states {0} bytes")]
    BinaryLength(i32),
    /// The parts of code with scope do not add up to its length.
    #[error("code with scope states {stated} bytes, its parts take {actual}")]
    CodeWithScopeLength {
        /// The length that the value states.
        stated: i32,
        /// What its code and scope need, as far as they could be read.
        actual: usize,
    },
    /// Documents are nested deeper than the caller allows.
    #[error("documents are nested deeper than {0} levels")]
    TooDeep(usize),
}

impl Error {
    pub(crate) fn new(offset: usize, kind: ErrorKind) -> Self {
        Self { offset, kind }
    }

    /// The same error seen from a slice that starts `by` bytes earlier.
    #[must_use]
    pub fn shifted(self, by: usize) -> Self {
        Self { offset: self.offset.saturating_add(by), ..self }
    }
}
