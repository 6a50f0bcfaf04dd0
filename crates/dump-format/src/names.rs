//! The names of a dump directory's files.

use crate::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha1::{Digest, Sha1};

/// The oplog's file; `--gzip` compresses it but does not change its name.
pub const OPLOG_FILE: &str = "oplog.bson";
/// The prelude's file, before any `.gz`.
pub const PRELUDE_FILE: &str = "prelude.json";
/// The longest escaped name that is not cut, bytes.
pub const STEM_BYTES_MAX: usize = 238;

/// What is kept of a name that is cut, bytes; it may end within an escape.
const CUT_BYTES: usize = 208;
/// What stands between a cut name and its hash: an escaped `$`.
const CUT_MARK: &str = "%24";

/// A collection's file name without extension: Go's `url.QueryEscape`, cut and hashed where it is too long.
///
/// Letters, digits and `-_.~` stand for themselves, a space becomes `+`, any other byte `%XX`. If that takes more
/// than [`STEM_BYTES_MAX`] bytes, its first 208 bytes, `%24` and the SHA-1 of the raw name in URL-safe base64
/// without padding (27 characters) take exactly as many.
pub fn stem(collection: &str) -> String {
    let mut escaped = escape(collection);
    if escaped.len() > STEM_BYTES_MAX {
        escaped.truncate(CUT_BYTES);
        escaped.push_str(CUT_MARK);
        escaped.push_str(&URL_SAFE_NO_PAD.encode(Sha1::digest(collection.as_bytes())));
    }
    escaped
}

/// The collection's name of a file's stem; nothing where it was cut, and the name must come from the
/// metadata. A stem that is not validly escaped is an error.
///
/// Bytes that the peer would have escaped are taken as they are, as the peer does.
pub fn collection_of(stem: &str) -> Result<Option<String>> {
    if is_cut(stem) { Ok(None) } else { unescape(stem).map(Some) }
}

fn is_cut(stem: &str) -> bool {
    stem.len() == STEM_BYTES_MAX && stem.get(CUT_BYTES..).is_some_and(|rest| rest.starts_with(CUT_MARK))
}

fn escape(name: &str) -> String {
    let mut out = String::with_capacity(name.len() * 3);
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                out.extend([byte >> 4, byte & 15].map(upper_hex));
            }
        }
    }
    out
}

fn upper_hex(digit: u8) -> char {
    char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase()
}

fn unescape(stem: &str) -> Result<String> {
    let bytes = stem.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let (byte, len) = match byte {
            b'+' => (b' ', 1),
            b'%' => (escaped_byte(bytes, at).ok_or_else(|| wrong(stem, at))?, 3),
            other => (*other, 1),
        };
        out.push(byte);
        at += len;
    }
    String::from_utf8(out).map_err(|error| wrong(stem, error.utf8_error().valid_up_to()))
}

/// The byte that `%XX` at `at` stands for; Go takes lower-case digits, too.
fn escaped_byte(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    u8::try_from(digit(at + 1)? << 4 | digit(at + 2)?).ok()
}

fn wrong(stem: &str, at: usize) -> Error {
    Error::Escape { stem: stem.to_owned(), at }
}

/// What a file of a database's directory is, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `<stem>.bson[.gz]`, or `<stem>.bin` of old dumps, which never has a `.gz`.
    Data(String),
    /// `<stem>.metadata.json[.gz]`.
    Metadata(String),
    /// `prelude.json[.gz]`.
    Prelude,
    /// Anything else, which mongorestore skips with a line.
    Unknown,
}

/// Classifies a file name; `gzip` says that `--gzip` was given, so that `.gz` is expected (and its absence makes
/// a file unknown, but for `oplog.bson`).
pub fn classify(file_name: &str, gzip: bool) -> FileKind {
    if let Some(stem) = file_name.strip_suffix(".bin") {
        return FileKind::Data(stem.to_owned());
    }
    if file_name == OPLOG_FILE {
        return FileKind::Data("oplog".to_owned());
    }
    let plain = if gzip { file_name.strip_suffix(".gz") } else { Some(file_name) };
    let Some(plain) = plain else { return FileKind::Unknown };
    if plain == PRELUDE_FILE {
        FileKind::Prelude
    } else if let Some(stem) = plain.strip_suffix(".metadata.json") {
        FileKind::Metadata(stem.to_owned())
    } else if let Some(stem) = plain.strip_suffix(".bson") {
        FileKind::Data(stem.to_owned())
    } else {
        FileKind::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_go_does() {
        for (name, expected) in [
            ("AZaz09-_.~", "AZaz09-_.~"),
            ("a b", "a+b"),
            ("a+b%/", "a%2Bb%25%2F"),
            ("é\n$", "%C3%A9%0A%24"),
            ("", ""),
        ] {
            assert_eq!(stem(name), expected);
            assert_eq!(collection_of(expected).unwrap().as_deref(), Some(name));
        }
    }

    #[test]
    fn a_long_name_is_cut_and_hashed() {
        assert_eq!(stem(&"a".repeat(238)), "a".repeat(238));
        let cut = stem(&"a".repeat(239));
        assert_eq!(cut, format!("{}%24{}", "a".repeat(208), "_cMIV897lX9H69gojV5ddCb0Q5Q"));
        assert_eq!(collection_of(&cut).unwrap(), None);
        assert_eq!(stem(&"é".repeat(42)).len(), 238);
        assert!(stem(&"é".repeat(42)).get(..208).unwrap().ends_with("%A9%C3%"));
    }

    #[test]
    fn what_is_not_escaped_validly_is_an_error() {
        for (stem, at) in [("a%", 1), ("%4", 0), ("ab%G1", 2), ("x%ff", 1), ("%%41", 0)] {
            let error = collection_of(stem).unwrap_err();
            assert!(matches!(error, Error::Escape { at: found, .. } if found == at), "{error}");
        }
        assert_eq!(collection_of("é%c3%A9").unwrap().as_deref(), Some("éé"));
    }

    #[test]
    fn files_are_known_by_their_names() {
        let data = |stem: &str| FileKind::Data(stem.to_owned());
        let metadata = |stem: &str| FileKind::Metadata(stem.to_owned());
        for (name, plain, gzip) in [
            ("c.bson", data("c"), FileKind::Unknown),
            ("c.bson.gz", FileKind::Unknown, data("c")),
            ("c.metadata.json", metadata("c"), FileKind::Unknown),
            ("c.metadata.json.gz", FileKind::Unknown, metadata("c")),
            ("x.metadata.bson", data("x.metadata"), FileKind::Unknown),
            ("prelude.json", FileKind::Prelude, FileKind::Unknown),
            ("prelude.json.gz", FileKind::Unknown, FileKind::Prelude),
            ("prelude.json.bson", data("prelude.json"), FileKind::Unknown),
            ("oplog.bson", data("oplog"), data("oplog")),
            ("old.bin", data("old"), data("old")),
            ("README", FileKind::Unknown, FileKind::Unknown),
        ] {
            assert_eq!((classify(name, false), classify(name, true)), (plain, gzip), "{name}");
        }
    }
}
