//! Texts of a dump before they are parsed.

use crate::{Error, Result};

/// `bytes` as text, if they are UTF-8 and not too many.
pub(crate) fn of<'a>(what: &'static str, bytes: &'a [u8], bytes_max: usize) -> Result<&'a str> {
    if bytes.len() > bytes_max {
        return Err(Error::TooLong { what, bytes: bytes.len(), bytes_max });
    }
    std::str::from_utf8(bytes).map_err(|error| Error::NotUtf8 { what, at: error.valid_up_to() })
}
