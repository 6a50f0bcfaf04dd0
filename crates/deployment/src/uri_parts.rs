//! A connection string taken apart, so that flags can be held against it and laid on top of it, and put
//! together again for the driver.

use crate::error::{Error, ErrorKind, Result};
use crate::password::Password;
use crate::uri::{ConnectionString, HIDDEN, host_without_secret, percent_decoded};
use std::fmt::Write;

/// Options under the names that other tools know, and the driver's name for each.
const ALIASES: [(&str, &str); 11] = [
    ("heartbeatintervalms", "heartbeatfrequencyms"),
    ("j", "journal"),
    ("maxstaleness", "maxstalenessseconds"),
    ("ssl", "tls"),
    ("sslcertificateauthorityfile", "tlscafile"),
    ("sslclientcertificatekeyfile", "tlscertificatekeyfile"),
    ("sslclientcertificatekeypassword", "tlscertificatekeyfilepassword"),
    ("sslinsecure", "tlsinsecure"),
    ("tlsallowinvalidcertificate", "tlsallowinvalidcertificates"),
    ("tlsallowinvalidhostname", "tlsallowinvalidhostnames"),
    ("wtimeout", "wtimeoutms"),
];

/// The options that the driver knows, under its names for them.
const NAMES: [&str; 40] = [
    "appName",
    "authMechanism",
    "authMechanismProperties",
    "authSource",
    "compressors",
    "connect",
    "connectTimeoutMS",
    "directConnection",
    "enableOverloadRetargeting",
    "heartbeatFrequencyMS",
    "journal",
    "loadBalanced",
    "localThresholdMS",
    "maxAdaptiveRetries",
    "maxConnecting",
    "maxIdleTimeMS",
    "maxPoolSize",
    "maxStalenessSeconds",
    "minPoolSize",
    "readConcernLevel",
    "readPreference",
    "readPreferenceTags",
    "replicaSet",
    "retryReads",
    "retryWrites",
    "serverMonitoringMode",
    "serverSelectionTimeoutMS",
    "srvMaxHosts",
    "srvServiceName",
    "tls",
    "tlsAllowInvalidCertificates",
    "tlsAllowInvalidHostnames",
    "tlsCAFile",
    "tlsCertificateKeyFile",
    "tlsCertificateKeyFilePassword",
    "tlsInsecure",
    "uuidRepresentation",
    "w",
    "wtimeoutMS",
    "zlibCompressionLevel",
];

/// Options whose value is a secret, or may hold one. So may that of any option that is not known.
const SECRET_OPTIONS: [&str; 2] = ["authmechanismproperties", "tlscertificatekeyfilepassword"];

/// Properties of a mechanism that are no secrets.
const PUBLIC_PROPERTIES: [&str; 7] = [
    "ALLOWED_HOSTS",
    "CANONICALIZE_HOST_NAME",
    "ENVIRONMENT",
    "SERVICE_HOST",
    "SERVICE_NAME",
    "SERVICE_REALM",
    "TOKEN_RESOURCE",
];

/// What a connection string says.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct UriParts {
    /// Whether the hosts are found through DNS (`mongodb+srv`).
    pub srv: bool,
    /// Hosts as typed, each with its port where it has one.
    pub hosts: Vec<String>,
    /// The user's name, decoded.
    pub username: Option<String>,
    /// The user's password, decoded; may be empty.
    pub password: Option<Password>,
    /// The database after the hosts, decoded.
    pub database: Option<String>,
    /// Options in their order: name in lower case (aliases resolved), value decoded.
    options: Vec<(String, String)>,
}

impl ConnectionString {
    /// Takes the connection string apart. Nothing is looked up, and no value is checked.
    pub fn parts(&self) -> Result<UriParts> {
        UriParts::parse(self.expose()).map_err(|message| self.refuse(message))
    }

    /// An error of use about this connection string, in words that hold none of its secrets.
    pub(crate) fn refuse(&self, message: impl AsRef<str>) -> Error {
        Error::new(ErrorKind::Usage, self.use_it(), message.as_ref())
    }

    /// What is being done, for an error.
    pub(crate) fn use_it(&self) -> String {
        format!("use the connection string {self}")
    }
}

impl UriParts {
    /// Messages hold nothing of the text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (srv, rest) = match text.split_once("://") {
            Some(("mongodb", rest)) => (false, rest),
            Some(("mongodb+srv", rest)) => (true, rest),
            _ => return Err("error parsing uri: scheme must be \"mongodb\" or \"mongodb+srv\"".to_owned()),
        };
        let (before, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (user, place) = match before.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, before),
        };
        let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
        let (username, password) = match user.map(|user| user.split_once(':').map_or((user, None), split)) {
            Some((name, password)) => (Some(checked(name, "username")?), password),
            None => (None, None),
        };
        let password = password.map(|text| checked(text, "password")).transpose()?.map(Password::new);
        if hosts.is_empty() {
            return Err("error parsing uri: must have at least 1 host".to_owned());
        }
        Ok(Self {
            srv,
            hosts: hosts.split(',').map(ToOwned::to_owned).collect(),
            username: username.filter(|name| !name.is_empty()),
            password,
            database: Some(percent_decoded(database)).filter(|name| !name.is_empty()),
            options: parse_options(options)?,
        })
    }

    /// The (last) value of an option, asked for by the driver's name for it, in any case.
    pub fn option(&self, name: &str) -> Option<&str> {
        let name = name.to_lowercase();
        self.options.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// Names of all options, in lower case, aliases resolved.
    pub fn option_names(&self) -> impl Iterator<Item = &str> {
        self.options.iter().map(|(key, _)| key.as_str())
    }

    /// Whether an option is there and says `true`.
    pub fn is_true(&self, name: &str) -> bool {
        self.option(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Sets an option.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.take(name);
        self.options.push((name.to_lowercase(), value.into()));
    }

    /// Sets an option that the connection string does not have.
    pub(crate) fn set_absent(&mut self, name: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value.filter(|_| self.option(name).is_none()) {
            self.set(name, value);
        }
    }

    /// Removes an option; its last value.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let value = self.option(name).map(ToOwned::to_owned);
        self.options.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        value
    }

    /// Removes the options that `keep` does not want; their names.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) -> Vec<String> {
        let names = self.option_names().filter(|name| !keep(name)).map(ToOwned::to_owned).collect();
        self.options.retain(|(key, _)| keep(key));
        names
    }

    /// The same with every secret replaced: whatever the driver says of it can be shown.
    pub(crate) fn without_secrets(&self) -> Self {
        let hide = |text: &str| if text.is_empty() { String::new() } else { HIDDEN.to_owned() };
        let mut parts = self.clone();
        parts.password = parts.password.map(|password| Password::new(hide(password.expose())));
        parts.hosts = parts.hosts.iter().map(|host| host_without_secret(host)).collect();
        for (key, value) in &mut parts.options {
            *value = match key.as_str() {
                "authmechanismproperties" => properties_without_secrets(value),
                key if is_public(key) => continue,
                _ => hide(value),
            };
        }
        parts
    }

    /// The connection string that says this.
    pub(crate) fn compose(&self) -> ConnectionString {
        let mut text = if self.srv { "mongodb+srv://" } else { "mongodb://" }.to_owned();
        if let Some(name) = &self.username {
            push_encoded(&mut text, name);
            if let Some(password) = &self.password {
                text.push(':');
                push_encoded(&mut text, password.expose());
            }
            text.push('@');
        }
        text.push_str(&self.hosts.join(","));
        text.push('/');
        push_encoded(&mut text, self.database.as_deref().unwrap_or_default());
        for (place, (key, value)) in self.options.iter().enumerate() {
            text.push(if place == 0 { '?' } else { '&' });
            text.push_str(NAMES.iter().find(|name| name.eq_ignore_ascii_case(key)).unwrap_or(&key.as_str()));
            text.push('=');
            push_encoded(&mut text, value);
        }
        ConnectionString::new(text)
    }
}

/// Whether the driver knows an option of this name.
pub(crate) fn is_known(name: &str) -> bool {
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether the value of an option of this name, in lower case, may be shown.
pub(crate) fn is_public(name: &str) -> bool {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    let name = alias.map_or(name, |(_, name)| name);
    is_known(name) && !SECRET_OPTIONS.contains(&name)
}

fn properties_without_secrets(properties: &str) -> String {
    let shown = properties.split(',').map(|property| match property.split_once(':') {
        Some((key, _)) if PUBLIC_PROPERTIES.contains(&key) => property.to_owned(),
        Some((key, _)) => format!("{key}:{HIDDEN}"),
        None if property.is_empty() => String::new(),
        None => HIDDEN.to_owned(),
    });
    shown.collect::<Vec<_>>().join(",")
}

fn split<'a>((name, password): (&'a str, &'a str)) -> (&'a str, Option<&'a str>) {
    (name, Some(password))
}

/// A name or password decoded, with the complaint that all drivers have about one that is not encoded.
fn checked(text: &str, what: &str) -> Result<String, String> {
    if text.contains(['/', '@', ':', '[', ']', '#']) {
        return Err(format!(
            "error parsing uri: the {what} must be percent-encoded: write / as %2F, @ as %40, : as %3A"
        ));
    }
    Ok(percent_decoded(text))
}

fn parse_options(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut options = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        // What is no pair may be the rest of a password: it is not shown.
        let (key, value) = pair.split_once('=').ok_or(
            "error parsing uri: an option is no key=value pair; a ? in a user name or password is written %3F",
        )?;
        let key = key.to_lowercase();
        let key = ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, name)| (*name).to_owned());
        options.push((key, percent_decoded(value)));
    }
    Ok(options)
}

fn push_encoded(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_apart_is_put_together_again() {
        let uri = ConnectionString::new("mongodb://a%40b:p%2Fw@h:1,i/d%20b?SSL=true&w=majority&wtimeout=5");
        let parts = uri.parts().unwrap();
        assert_eq!(parts.hosts, ["h:1", "i"]);
        assert_eq!(parts.username.as_deref(), Some("a@b"));
        assert_eq!(parts.password, Some(Password::new("p/w")));
        assert_eq!(parts.database.as_deref(), Some("d b"));
        assert_eq!(parts.option("wTimeoutMS"), Some("5"));
        assert!(parts.is_true("tls"));
        let again = "mongodb://a%40b:p%2Fw@h:1,i/d%20b?tls=true&w=majority&wtimeoutMS=5";
        assert_eq!(parts.compose().expose(), again);
    }

    #[test]
    fn what_the_driver_is_asked_about_again_holds_no_secret() {
        let uri = ConnectionString::new(
            "mongodb://u:hush@h:1,i:hush/?authMechanismProperties=SERVICE_NAME:s,AWS_SESSION_TOKEN:hush,hush\
             &tlsCertificateKeyFilePassword=hush&proxyPassword=hush&w=1",
        );
        let told = percent_decoded(uri.parts().unwrap().without_secrets().compose().expose());
        assert!(!told.contains("hush"), "{told}");
        assert!(told.contains("SERVICE_NAME:s,AWS_SESSION_TOKEN:***,***") && told.ends_with("w=1"), "{told}");
    }

    #[test]
    fn what_is_no_connection_string_is_refused_without_its_secrets() {
        for text in
            ["mongodb://u:p?s3cret@h", "mongodb://u:s3cret/x@h/", "mongodb://u:s3cret@", "http://u:s3cret@h"]
        {
            let error = ConnectionString::new(text).parts().err().unwrap().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
