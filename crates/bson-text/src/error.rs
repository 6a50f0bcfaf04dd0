//! What can be wrong with BSON to be written or with text to be parsed.

/// The result of writing or parsing.
pub type Result<T> = std::result::Result<T, Error>;

/// Why Extended JSON could not be written or parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes to be written are not BSON; the offset is from the start of the document.
    #[error(transparent)]
    Bson(mongoark_bson_bytes::Error),
    /// The text to be parsed is not Extended JSON.
    #[error("invalid Extended JSON in line {line}, column {column}: {fault}")]
    Text {
        /// Line of the fault, from 1.
        line: usize,
        /// Column of the fault in characters, from 1.
        column: usize,
        /// What is wrong there.
        fault: Fault,
    },
}

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Something else should stand here.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// More text after the document.
    #[error("there is more text after the document")]
    AfterTheEnd,
    /// A number that is not written as JSON has it.
    #[error("not a number")]
    Number,
    /// A number beyond what a double holds.
    #[error("the number is too large")]
    NumberRange,
    /// A backslash with something else than JSON allows after it, or half of a surrogate pair.
    #[error("not a valid escape")]
    Escape,
    /// A character below U+0020 inside a string.
    #[error("a control character must be escaped")]
    ControlCharacter,
    /// A key that holds a zero character.
    #[error("a key cannot hold a zero character")]
    ZeroInKey,
    /// An object that names a type, with something else than this type wants.
    #[error("{name} wants {wants}")]
    Wrapper {
        /// The key that names the type.
        name: &'static str,
        /// What it wants as its value.
        wants: &'static str,
    },
    /// More levels of objects and arrays than allowed.
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// A document of 2 GiB or more.
    #[error("the document is too long")]
    TooLong,
}

impl From<mongoark_bson_bytes::Error> for Error {
    fn from(error: mongoark_bson_bytes::Error) -> Self {
        Self::Bson(error)
    }
}
