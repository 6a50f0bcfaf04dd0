//! A connection string that never shows its password.

use crate::uri_parts::{UriParts, is_public};
use std::fmt;

/// A MongoDB connection string. `Display` and `Debug` show it without its password and without the values of options that
/// may hold a secret. They are left out by their place: looking for their text would show a short one by what it spoils.
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
}

/// What stands for a secret.
pub(crate) const HIDDEN: &str = "***";

fn shown(text: &str) -> String {
    let Some((scheme @ ("mongodb" | "mongodb+srv"), rest)) = text.split_once("://") else {
        return HIDDEN.to_owned();
    };
    let (user, place) = user_and_place(text, rest);
    let (place, options) =
        place.split_once('?').map_or((place, None), |(place, options)| (place, Some(options)));
    let mut out = format!("{scheme}://");
    if let Some(user) = user {
        match user.split_once(':') {
            Some((name, _)) => out.extend([name, ":", HIDDEN, "@"]),
            None => out.extend([user, "@"]),
        }
    }
    let (hosts, database) = place.split_once('/').map_or((place, None), |(hosts, name)| (hosts, Some(name)));
    for (nth, host) in hosts.split(',').enumerate() {
        out.push_str(if nth == 0 { "" } else { "," });
        let safe = host_without_secret(host);
        out.push_str(&safe);
        if safe != host {
            return out;
        }
    }
    if let Some(database) = database {
        out.extend(["/", database]);
    }
    if let Some(options) = options {
        let shown: Vec<String> = options.split('&').map(option_without_secret).collect();
        out.extend(["?", &shown.join("&")]);
    }
    out
}

/// The user's name and password, and the rest. A password with a `/`, `@` or `?` that is not encoded is refused, but must
/// not be shown either: then everything up to the last `@` counts as the user's.
fn user_and_place<'a>(text: &str, rest: &'a str) -> (Option<&'a str>, &'a str) {
    let end = rest.find('?').unwrap_or(rest.len());
    let at = match rest[..end].rfind('@') {
        Some(at) if UriParts::parse(text).is_ok() => Some(at),
        _ => rest.rfind('@'),
    };
    at.map_or((None, rest), |at| (Some(&rest[..at]), &rest[at + 1..]))
}

/// A host as it may be shown: what stands in the place of a port and is none may be a password that lacks its `@`.
pub(crate) fn host_without_secret(host: &str) -> String {
    match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') && !port.bytes().all(|byte| byte.is_ascii_digit()) => {
            // The first colon: behind it all may be the password's.
            format!("{}:{HIDDEN}", name.split(':').next().unwrap_or_default())
        }
        _ => host.to_owned(),
    }
}

/// A `key=value` pair as it may be shown. What is no pair may be the rest of a password.
fn option_without_secret(pair: &str) -> String {
    match pair.split_once('=') {
        Some((key, _)) if is_public(&key.to_lowercase()) => pair.to_owned(),
        Some((key, _)) if key.bytes().all(|byte| byte.is_ascii_alphanumeric()) => format!("{key}={HIDDEN}"),
        _ if pair.is_empty() => String::new(),
        _ => HIDDEN.to_owned(),
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
        f.write_str(&shown(&self.0))
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
        for (uri, shown) in [
            ("mongodb://ann:s3cret@h:1/db?tls=true", "mongodb://ann:***@h:1/db?tls=true"),
            ("mongodb+srv://ann:p%40ss@h/?w=1", "mongodb+srv://ann:***@h/?w=1"),
            ("mongodb://ann@h,i:2,[::1]/", "mongodb://ann@h,i:2,[::1]/"),
            ("mongodb://ann:a/b@c@h:1", "mongodb://ann:***@h:1"),
            ("mongodb://ann:what?hush@h:1", "mongodb://ann:***@h:1"),
            ("mongodb://ann:what?hush=hush@h:1", "mongodb://ann:***@h:1"),
            ("mongodb://ann:a@b?hush@h", "mongodb://ann:***@h"),
            ("mongodb://ann:hush", "mongodb://ann:***"),
            ("mongodb://ann:hush/x?tls=true", "mongodb://ann:***"),
            ("mongodb://h,ann:hush:1x,i", "mongodb://h,ann:***"),
            ("mongodb://u:hush@", "mongodb://u:***@"),
            ("http://u:hush@h", "***"),
        ] {
            let uri = ConnectionString::new(uri);
            assert_eq!(uri.to_string(), shown);
            assert_eq!(format!("{uri:?}"), format!("{shown:?}"));
        }
    }

    #[test]
    fn shows_no_option_that_may_be_secret() {
        for (options, shown) in [
            ("authmechanismproperties=AWS_SESSION_TOKEN:hush", "authmechanismproperties=***"),
            ("tlsCertificateKeyFilePassword=hush&w=1", "tlsCertificateKeyFilePassword=***&w=1"),
            ("sslClientCertificateKeyPassword=hush", "sslClientCertificateKeyPassword=***"),
            ("proxyHost=h&proxyPassword=hush", "proxyHost=***&proxyPassword=***"),
            ("newSecretOfALaterDriver=hush&ssl=true", "newSecretOfALaterDriver=***&ssl=true"),
            ("hush&hu:sh=hush", "***&***"),
        ] {
            let uri = ConnectionString::new(format!("mongodb://ann:a@h/?{options}"));
            assert_eq!(uri.to_string(), format!("mongodb://ann:***@h/?{shown}"));
        }
    }

    #[test]
    fn takes_a_bare_host() {
        assert_eq!(ConnectionString::new("h:27017").to_string(), "mongodb://h:27017");
    }
}
