//! A connection string that never shows its password.

use crate::uri_parts::SECRET_OPTIONS;
use std::fmt;

/// A MongoDB connection string. `Display` and `Debug` show it without its password and without
/// option values that may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString(String);

impl ConnectionString {
    /// Takes a connection string as typed; a bare `host:port` becomes `mongodb://host:port`.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.contains("://") { Self(text) } else { Self(format!("mongodb://{text}")) }
    }

    /// The string with its secrets, for the driver alone.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// `text` with every secret of this connection string blotted out.
    pub fn redact(&self, text: &str) -> String {
        self.secrets().into_iter().fold(text.to_owned(), |text, secret| text.replace(&secret, "***"))
    }

    /// The password as written and percent-decoded, and secret option values.
    fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<&str> = Vec::new();
        secrets.extend(self.userinfo().and_then(|info| info.split_once(':')).map(|(_, password)| password));
        let options = self.0.split_once('?').map_or("", |(_, options)| options);
        for (key, value) in options.split('&').filter_map(|pair| pair.split_once('=')) {
            if SECRET_OPTIONS.contains(&key.to_lowercase().as_str()) {
                secrets.push(value);
            }
        }
        let decoded = secrets.iter().map(|secret| percent_decoded(secret));
        let mut secrets: Vec<String> = decoded.chain(secrets.iter().map(ToString::to_string)).collect();
        secrets.retain(|secret| !secret.is_empty());
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        secrets
    }

    fn userinfo(&self) -> Option<&str> {
        let rest = self.0.split_once("://")?.1;
        let end = rest.find('?').unwrap_or(rest.len());
        // A password with an unescaped '/', '@' or '?' is refused, but must not be shown either.
        let within = rest[..end].rsplit_once('@').or_else(|| rest.rsplit_once('@'));
        within.map(|(userinfo, _)| userinfo)
    }
}

/// `text` with every `%XX` replaced by its byte; what is not UTF-8 then is replaced too.
pub(crate) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl fmt::Display for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redact(&self.0))
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_password() {
        for (uri, secret) in [
            ("mongodb://ann:s3cret@h:1/db?tls=true", "s3cret"),
            ("mongodb+srv://ann:p%40ss@h/?x=1", "p%40ss"),
            ("mongodb://ann:a/b@c@h:1", "a/b@c"),
            ("mongodb://ann:what?hush@h:1", "hush"),
            ("mongodb://h/?authmechanismproperties=AWS_SESSION_TOKEN:hush", "hush"),
            ("mongodb://h/?tlsCertificateKeyFilePassword=hush&a=1", "hush"),
        ] {
            let uri = ConnectionString::new(uri);
            assert!(!uri.to_string().contains(secret), "{uri}");
            assert!(!format!("{uri:?}").contains(secret));
        }
        let uri = ConnectionString::new("mongodb://ann:p%40ss@h");
        assert_eq!(uri.redact("bad p@ss or p%40ss"), "bad *** or ***");
    }

    #[test]
    fn takes_a_bare_host() {
        assert_eq!(ConnectionString::new("h:27017").to_string(), "mongodb://h:27017");
    }
}
