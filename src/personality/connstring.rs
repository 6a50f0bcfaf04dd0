//! A connection string as the tools read it: enough to compare it with the flags, and to refuse what they refuse.
//! The driver reads the string itself once more. Nothing is looked up in the DNS here.

use super::go_text::quoted;
use super::uri_options::{is_known, is_value_of};
use std::net::Ipv6Addr;

/// Why a connection string cannot be read. The words are those of the tools, without any of its secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Neither `mongodb://` nor `mongodb+srv://`.
    #[error("scheme must be \"mongodb\" or \"mongodb+srv\"")]
    Scheme,
    /// Something is not where it has to be.
    #[error("{0}")]
    Form(&'static str),
    /// A port that is none; it is not shown.
    #[error("invalid host {host:?}: {reason}")]
    Host {
        /// The host as it was given.
        host: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A part holds `%` without two hexadecimal digits.
    #[error("invalid {0}: invalid URL escape")]
    Escape(&'static str),
    /// An option's value is not of its kind.
    #[error("invalid value for {key:?}: {value:?}")]
    Option {
        /// The option as it was given.
        key: String,
        /// Its value.
        value: String,
    },
    /// The same for an option of a few words.
    #[error("invalid '{key}' value: {value:?}")]
    Word {
        /// The option.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// An option of `mongodb+srv` elsewhere.
    #[error("cannot specify {0} on non-SRV URI")]
    NeedsSrv(String),
}

/// A connection string, taken apart. Not `Debug`: it holds a password.
#[derive(Clone, Default)]
pub struct ConnectionString {
    /// As it was given.
    pub original: String,
    /// `mongodb+srv`: the hosts are looked up.
    pub srv: bool,
    /// The user, if there is an `@`.
    pub username: Option<String>,
    /// The password, if there is a `:` before the `@`.
    pub password: Option<String>,
    /// `host` or `host:port` as they were given, at least one.
    pub hosts: Vec<String>,
    /// The database; empty if there is none.
    pub database: String,
    /// Names in small letters, and values, in their order.
    options: Vec<(String, String)>,
}

impl ConnectionString {
    /// Takes a connection string apart.
    pub fn parse(original: &str) -> Result<Self, UriError> {
        let mut uri = Self { original: original.to_owned(), ..Self::default() };
        let rest = if let Some(rest) = original.strip_prefix("mongodb+srv://") {
            uri.srv = true;
            rest
        } else {
            original.strip_prefix("mongodb://").ok_or(UriError::Scheme)?
        };
        let rest = match rest.split_once('@') {
            Some((user, rest)) => {
                uri.set_user(user)?;
                rest
            }
            None => rest,
        };
        let rest = uri.set_hosts(rest)?;
        uri.set_database_and_options(rest)?;
        if uri.hosts.is_empty() {
            return Err(UriError::Form("must have at least 1 host"));
        }
        uri.check_mechanism()?;
        Ok(uri)
    }

    fn set_user(&mut self, user: &str) -> Result<(), UriError> {
        let (name, password) = user.split_once(':').map_or((user, None), |(name, word)| (name, Some(word)));
        if name.contains('/') {
            return Err(UriError::Form("unescaped slash in username"));
        }
        self.username = Some(unescaped(name, false).ok_or(UriError::Escape("username"))?);
        let Some(password) = password else { return Ok(()) };
        if password.contains(':') {
            return Err(UriError::Form("unescaped colon in password"));
        }
        if password.contains('/') {
            return Err(UriError::Form("unescaped slash in password"));
        }
        self.password = Some(unescaped(password, false).ok_or(UriError::Escape("password"))?);
        Ok(())
    }

    /// Gives what follows the hosts.
    fn set_hosts<'a>(&mut self, rest: &'a str) -> Result<&'a str, UriError> {
        let end = rest.find(['/', '?', '@']).unwrap_or(rest.len());
        match rest.as_bytes().get(end) {
            Some(b'@') => return Err(UriError::Form("unescaped @ sign in user info")),
            Some(b'?') => return Err(UriError::Form("must have a / before the query ?")),
            _ => {}
        }
        let (hosts, rest) = rest.split_at(end);
        for host in hosts.split(',').filter(|host| !host.is_empty()) {
            self.hosts.push(checked_host(host)?);
        }
        Ok(rest)
    }

    /// `/database?key=value&..`
    fn set_database_and_options(&mut self, rest: &str) -> Result<(), UriError> {
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let (database, options) = rest.split_once('?').unwrap_or((rest, ""));
        self.database = unescaped(database, true).ok_or(UriError::Escape("database"))?;
        for pair in options.split(['&', ';']).filter(|pair| !pair.is_empty()) {
            let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.is_empty()) else {
                return Err(UriError::Form("invalid option"));
            };
            let key = unescaped(key, true).ok_or(UriError::Escape("option key"))?;
            let value = unescaped(value, true).ok_or(UriError::Escape("option value"))?;
            self.add_option(&key, value)?;
        }
        Ok(())
    }

    fn add_option(&mut self, key: &str, value: String) -> Result<(), UriError> {
        let lower = key.to_lowercase();
        match lower.as_str() {
            "connect" if !["automatic", "direct"].contains(&value.to_lowercase().as_str()) => {
                return Err(UriError::Word { key: "connect", value });
            }
            "directconnection" if !["true", "false"].contains(&value.to_lowercase().as_str()) => {
                return Err(UriError::Word { key: "directConnection", value });
            }
            "srvmaxhosts" | "srvservicename" if !self.srv => {
                return Err(UriError::NeedsSrv(key.to_owned()));
            }
            "ssl" | "tls" if self.switch(&["ssl", "tls"]).is_some_and(|on| on != (value == "true")) => {
                return Err(UriError::Form("tls and ssl options, when both specified, must be equivalent"));
            }
            name if is_value_of(name, &value) => self.options.push((lower, value)),
            _ => return Err(UriError::Option { key: key.to_owned(), value }),
        }
        Ok(())
    }

    fn check_mechanism(&self) -> Result<(), UriError> {
        if self.get("authsource") == Some("") {
            return Err(UriError::Form("authSource must be non-empty when supplied in a URI"));
        }
        let external = self.get("authsource").is_none_or(|source| source == "$external");
        match self.get("authmechanism").unwrap_or_default().to_lowercase().as_str() {
            "gssapi" | "mongodb-aws" | "mongodb-x509" | "mongodb-oidc" if !external => {
                Err(UriError::Form("auth source must be $external"))
            }
            "" | "plain" | "gssapi" | "mongodb-aws" | "mongodb-x509" | "mongodb-oidc" | "scram-sha-1"
            | "scram-sha-256" => Ok(()),
            _ => Err(UriError::Form("invalid auth mechanism")),
        }
    }

    /// An option's last value; the name in small letters.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of the first of these options that is there.
    pub fn any(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    /// Whether an option is on, off, or absent.
    pub fn switch(&self, names: &[&str]) -> Option<bool> {
        self.any(names).map(|value| value == "true")
    }

    /// A property of the mechanism.
    pub fn mechanism_property(&self, name: &str) -> Option<&str> {
        let properties = self.get("authmechanismproperties")?;
        let mut pairs = properties.split(',').filter_map(|pair| pair.split_once(':'));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Whether the server is to be spoken to without asking for others.
    pub fn direct(&self) -> bool {
        let says = |name, word| self.get(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
        says("directconnection", "true") || says("connect", "direct")
    }

    /// What is said about options that nobody knows.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let unknown = self.options.iter().filter(|(name, _)| !is_known(name));
        unknown.map(|(name, _)| format!("WARNING: ignoring unsupported URI parameter {}", quoted(name)))
    }
}

/// A host as it may be shown: in the place of a port there may be a password that lacks its `@`.
fn shown(host: &str) -> String {
    match host.split_once(':') {
        Some((name, port)) if !host.contains(']') && host.parse::<Ipv6Addr>().is_err() => {
            let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
            if is_port { host.to_owned() } else { format!("{name}:***") }
        }
        _ => host.to_owned(),
    }
}

/// `host`, `host:port` or `[address]:port`, with a port that can be one.
fn checked_host(host: &str) -> Result<String, UriError> {
    let bad = |reason| Err(UriError::Host { host: shown(host), reason });
    let Some(plain) = unescaped(host, true) else { return bad("invalid URL escape") };
    let behind = plain.rsplit_once(']').map_or(plain.as_str(), |(_, behind)| behind);
    match behind.split_once(':').map(|(_, port)| port) {
        Some(port) if port.contains(':') => bad("too many colons in address"),
        Some(port) if !port.is_empty() => match port.parse::<i64>() {
            Ok(1..=65535) => Ok(host.to_owned()),
            Ok(_) => bad("port must be in the range [1, 65535]"),
            Err(_) => bad("port must be an integer"),
        },
        _ => Ok(host.to_owned()),
    }
}

/// Without `%41`; `plus` is whether `+` stands for a space. `None` where that gives no text.
fn unescaped(text: &str, plus: bool) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'+' if plus => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(uri: &str) -> String {
        ConnectionString::parse(uri).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn parts_are_found() {
        let uri = ConnectionString::parse(
            "mongodb://ann:p%40ss@h1:1,[::1]:2,%2Ftmp%2Fs.sock/my%20db?replicaSet=rs&TLS=true;w=2&x=1&authMechanismProperties=A:1,B:2:3",
        )
        .unwrap();
        assert_eq!((uri.username.as_deref(), uri.password.as_deref()), (Some("ann"), Some("p@ss")));
        assert_eq!(uri.hosts, ["h1:1", "[::1]:2", "%2Ftmp%2Fs.sock"]);
        assert_eq!(uri.database, "my db");
        assert_eq!(uri.get("replicaset"), Some("rs"));
        assert_eq!(uri.switch(&["ssl", "tls"]), Some(true));
        assert_eq!(uri.mechanism_property("B"), Some("2:3"));
        assert_eq!(uri.warnings().collect::<Vec<_>>(), ["WARNING: ignoring unsupported URI parameter `x`"]);
        let uri = ConnectionString::parse("mongodb+srv://x.example").unwrap();
        assert!(uri.srv && uri.username.is_none() && uri.database.is_empty());
    }

    #[test]
    fn what_is_no_connection_string_is_refused() {
        for (uri, message) in [
            ("localhost", "scheme must be \"mongodb\" or \"mongodb+srv\""),
            ("mongodb://", "must have at least 1 host"),
            ("mongodb://h:0", "invalid host \"h:0\": port must be in the range [1, 65535]"),
            ("mongodb://h:x", "invalid host \"h:***\": port must be an integer"),
            ("mongodb://h?w=1", "must have a / before the query ?"),
            ("mongodb://a:b:c@h", "unescaped colon in password"),
            ("mongodb://a:b@c@h", "unescaped @ sign in user info"),
            ("mongodb://a:%zz@h", "invalid password: invalid URL escape"),
            ("mongodb://h/?tls=yes", "invalid value for \"tls\": \"yes\""),
            ("mongodb://h/?w=-1", "invalid value for \"w\": \"-1\""),
            ("mongodb://h/?w", "invalid option"),
            ("mongodb://h/?connect=x", "invalid 'connect' value: \"x\""),
            ("mongodb://h/?directConnection=x", "invalid 'directConnection' value: \"x\""),
            ("mongodb://h/?srvMaxHosts=1", "cannot specify srvMaxHosts on non-SRV URI"),
            (
                "mongodb://h/?ssl=true&tls=false",
                "tls and ssl options, when both specified, must be equivalent",
            ),
            ("mongodb://h/?authMechanism=MAGIC", "invalid auth mechanism"),
            ("mongodb://h/?authMechanism=GSSAPI&authSource=x", "auth source must be $external"),
        ] {
            assert_eq!(refused(uri), message, "{uri}");
        }
    }
}
