//! `prelude.json`: which server and which tool a dump directory is from.

use crate::{Error, Result};
use mongoark_bson_bytes::{Builder, get, kind};

const WHAT: &str = "prelude.json";
/// Far more than two version numbers take.
const BYTES_MAX: usize = 1024 * 1024;

/// The versions beside a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prelude {
    /// `ServerVersion`.
    pub server_version: String,
    /// `ToolVersion`.
    pub tool_version: String,
}

impl Prelude {
    /// As mongodump writes it: one line without a line break at its end.
    pub fn to_json(&self) -> Vec<u8> {
        let mut doc = Builder::new();
        let doc =
            doc.str("ServerVersion", &self.server_version).str("ToolVersion", &self.tool_version).finish();
        let mut out = Vec::new();
        // Two strings in UTF-8 can always be written.
        let _ = mongoark_bson_text::write_canonical(&doc, &mut out);
        out
    }

    /// Parses `prelude.json`. Unknown keys are passed over, missing ones are empty.
    ///
    /// # Errors
    /// Text that is no JSON object, or in which a version is no string.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let text = crate::text::of(WHAT, text, BYTES_MAX)?;
        let doc = mongoark_bson_text::parse(text).map_err(|source| Error::Text { what: WHAT, source })?;
        let version = |key: &str, expected| match get(&doc, key).ok().flatten() {
            None => Ok(String::new()),
            Some(element) if element.kind == kind::NULL => Ok(String::new()),
            Some(element) => element.as_str().map(str::to_owned).ok_or(Error::Field { what: WHAT, expected }),
        };
        Ok(Self {
            server_version: version("ServerVersion", "a string as ServerVersion")?,
            tool_version: version("ToolVersion", "a string as ToolVersion")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prelude_is_what_mongodump_writes() {
        let text = br#"{"ServerVersion":"6.0.5","ToolVersion":"100.18.0"}"#;
        let prelude = Prelude::parse(text).unwrap();
        assert_eq!((prelude.server_version.as_str(), prelude.tool_version.as_str()), ("6.0.5", "100.18.0"));
        assert_eq!(prelude.to_json(), text);
    }

    #[test]
    fn a_prelude_of_another_tool_is_understood() {
        let prelude = Prelude::parse(br#"{ "ToolVersion" : "101", "Host": "x" }"#).unwrap();
        assert_eq!(prelude, Prelude { server_version: String::new(), tool_version: "101".to_owned() });
        assert!(Prelude::parse(br#"{"ServerVersion": 6}"#).is_err());
        assert!(Prelude::parse(b"").is_err());
        assert!(matches!(Prelude::parse(&[b'{', 0xff]), Err(Error::NotUtf8 { at: 1, .. })));
    }
}
