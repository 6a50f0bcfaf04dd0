//! Flags and connection string made one: where both say something they must agree, and what one of them says holds
//! for both.

mod check;

use super::connstring::{ConnectionString, UriError};
use super::flags::Typed;
use super::go_text::{Errno, quoted};
use super::log::{ALWAYS, Log};
use std::path::PathBuf;

/// Why flags and connection string cannot be followed. The words are those of the tools, without secrets.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The connection string cannot be read.
    #[error("error parsing uri: {0}")]
    Uri(#[from] UriError),
    /// Two different values.
    #[error(
        "Invalid Options: Cannot specify different {what} in connection URI and command-line option {} was specified \
         in the URI and {} was specified in the {flag} option",
        quoted(uri),
        quoted(typed)
    )]
    Conflict {
        /// What it is about.
        what: &'static str,
        /// What the connection string says.
        uri: String,
        /// What the flag says.
        typed: String,
        /// The flag.
        flag: &'static str,
    },
    /// Two different secrets.
    #[error("Invalid Options: Cannot specify different {0} in connection URI and command-line option")]
    SecretConflict(&'static str),
    /// Things that exclude each other.
    #[error("loadBalanced cannot be set to true if {0}")]
    LoadBalanced(&'static str),
    /// The password was not given.
    #[error("error reading password: {0}")]
    Password(std::io::Error),
    /// Whether the key is encrypted cannot be seen.
    #[error(
        "error determining whether client cert needs password: open {}: {}",
        path.display(),
        Errno(source)
    )]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// All taken together makes no sense.
    #[error("connection string failed validation: {0}")]
    Invalid(&'static str),
}

/// What both say together; the flags hold everything that either of them gives.
#[derive(Clone)]
pub struct Settled {
    /// The flags.
    pub typed: Typed,
    /// The connection string, made of host and port where none was given.
    pub uri: ConnectionString,
    /// The set's name; empty if there is none.
    pub replica_set: String,
}

/// Makes flags and connection string one. Asks for no password.
pub fn settle(mut typed: Typed) -> Result<Settled, SettleError> {
    if typed.connection.uri.is_empty() {
        typed.connection.uri = uri_of(&typed.connection.host, &typed.connection.port);
    }
    let mut uri = ConnectionString::parse(&typed.connection.uri)?;
    let replica_set = hosts(&mut typed, &mut uri)?;
    timeouts_and_compressors(&mut typed, &uri)?;
    credentials(&mut typed, &uri)?;
    agree("database", "--db", &mut typed.namespace.db, Some(&uri.database))?;
    let replica_set = set_name(replica_set, &typed, &uri)?;
    let load_balanced = uri.switch(&["loadbalanced"]) == Some(true);
    if uri.direct() && load_balanced {
        return Err(SettleError::LoadBalanced("the direct connection option is specified"));
    }
    tls(&mut typed, &uri)?;
    mechanism_properties(&mut typed, &uri)?;
    Ok(Settled { typed, uri, replica_set })
}

/// The hosts of `--host`, and the set's name: `set/host1,host2`.
fn split_hosts(host: &str) -> (Vec<String>, &str) {
    let (set, hosts) = host.split_once('/').unwrap_or(("", host));
    (hosts.split(',').map(ToOwned::to_owned).collect(), set)
}

/// `host` with this port, if it has none and there is one.
fn with_port(host: &str, port: &str) -> String {
    if port.is_empty() || port_of(host).is_some() { host.to_owned() } else { format!("{host}:{port}") }
}

fn port_of(host: &str) -> Option<&str> {
    let behind = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
    behind.rsplit_once(':').map(|(_, port)| port)
}

/// The connection string that `--host` and `--port` stand for.
fn uri_of(host: &str, port: &str) -> String {
    let (hosts, set) = split_hosts(host);
    let hosts = hosts.iter().map(|host| if host.is_empty() { "localhost" } else { host });
    let hosts: Vec<String> = hosts.map(|host| with_port(host, port)).collect();
    let set = if set.is_empty() { String::new() } else { format!("?replicaSet={set}") };
    format!("mongodb://{}/{set}", hosts.join(","))
}

fn conflict<T>(what: &'static str, flag: &'static str, uri: &str, typed: &str) -> Result<T, SettleError> {
    Err(SettleError::Conflict { what, uri: uri.to_owned(), typed: typed.to_owned(), flag })
}

/// The flag and the connection string say the same, or one of them says nothing.
fn agree(
    what: &'static str,
    flag: &'static str,
    typed: &mut String,
    uri: Option<&str>,
) -> Result<(), SettleError> {
    match uri.filter(|uri| !uri.is_empty()) {
        Some(uri) if typed.is_empty() => uri.clone_into(typed),
        Some(uri) if typed != uri => return conflict(what, flag, uri, typed),
        _ => {}
    }
    Ok(())
}

fn agree_on_secret(what: &'static str, typed: &mut String, uri: Option<&str>) -> Result<(), SettleError> {
    agree(what, "", typed, uri).map_err(|_| SettleError::SecretConflict(what))
}

/// Gives the name of the set that `--host` holds.
fn hosts(typed: &mut Typed, uri: &mut ConnectionString) -> Result<String, SettleError> {
    let (host, port) = (&mut typed.connection.host, &typed.connection.port);
    let all = uri.hosts.join(",");
    for own in &mut uri.hosts {
        match port_of(own) {
            Some(other) if !port.is_empty() && other != port => {
                return conflict("port", "--port", &all, port);
            }
            _ => *own = with_port(own, port),
        }
    }
    if uri.hosts.len() > 1 && uri.switch(&["loadbalanced"]) == Some(true) {
        return Err(SettleError::LoadBalanced("multiple hosts are specified"));
    }
    if host.is_empty() {
        return Ok(String::new());
    }
    let (named, set) = split_hosts(host);
    let mut named: Vec<String> = named.iter().map(|host| with_port(host, port)).collect();
    let mut own = uri.hosts.clone();
    for list in [&mut named, &mut own] {
        list.sort();
        list.dedup();
    }
    if named != own {
        return conflict("host", "--host", &all, host);
    }
    Ok(set.to_owned())
}

fn set_name(named: String, typed: &Typed, uri: &ConnectionString) -> Result<String, SettleError> {
    let own = uri.get("replicaset").unwrap_or_default();
    if !named.is_empty() && !own.is_empty() && named != own {
        return conflict("replica set name", "--host", own, &typed.connection.host);
    }
    Ok(if named.is_empty() { own.to_owned() } else { named })
}

/// Flags are in seconds here, the connection string in milliseconds.
fn timeouts_and_compressors(typed: &mut Typed, uri: &ConnectionString) -> Result<(), SettleError> {
    let flags = &mut typed.connection;
    for (what, flag, seconds, key) in [
        (
            "serverSelectionTimeout",
            "--serverSelectionTimeout",
            flags.server_selection_timeout.filter(|&seconds| seconds != 0),
            "serverselectiontimeoutms",
        ),
        ("connectTimeout", "--dialTimeout", flags.dial_timeout, "connecttimeoutms"),
        ("SocketTimeout", "--socketTimeout", flags.socket_timeout.filter(|&s| s != 0), "sockettimeoutms"),
    ] {
        let (Some(seconds), Some(own)) = (seconds, uri.get(key)) else { continue };
        if own.parse::<i64>().ok() != seconds.checked_mul(1000) {
            return conflict(what, flag, own, &seconds.to_string());
        }
    }
    if flags.compressors == "none" {
        flags.compressors.clear();
    }
    agree("compressors", "--compressors", &mut flags.compressors, uri.get("compressors"))
}

fn credentials(typed: &mut Typed, uri: &ConnectionString) -> Result<(), SettleError> {
    let auth = &mut typed.auth;
    agree("username", "--username", &mut auth.username, uri.username.as_deref())?;
    agree_on_secret("password", &mut auth.password, uri.password.as_deref())?;
    agree("authSource", "--authenticationDatabase", &mut auth.source, uri.get("authsource"))?;
    agree("authMechanism", "--authenticationMechanism", &mut auth.mechanism, uri.get("authmechanism"))
}

fn tls(typed: &mut Typed, uri: &ConnectionString) -> Result<(), SettleError> {
    const CA: [&str; 2] = ["sslcertificateauthorityfile", "tlscafile"];
    const KEY: [&str; 2] = ["sslclientcertificatekeyfile", "tlscertificatekeyfile"];
    const KEY_PASSWORD: [&str; 2] = ["sslclientcertificatekeypassword", "tlscertificatekeyfilepassword"];
    const INSECURE: [&str; 2] = ["sslinsecure", "tlsinsecure"];
    let flags = &mut typed.tls;
    match uri.switch(&["ssl", "tls"]) {
        Some(false) if flags.ssl => return conflict("ssl", "--ssl", "false", "true"),
        Some(own) => flags.ssl |= own,
        None => flags.ssl |= uri.srv || uri.any(&CA).or(uri.any(&KEY)).is_some(),
    }
    agree("sslCAFile", "--sslCAFile", &mut flags.ca_file, uri.any(&CA))?;
    agree("sslClientCertificateKeyFile", "--sslPEMKeyFile", &mut flags.key_file, uri.any(&KEY))?;
    agree_on_secret("sslPEMKeyFilePassword", &mut flags.key_password, uri.any(&KEY_PASSWORD))?;
    let lenient = flags.insecure || flags.allow_invalid_certificates || flags.allow_invalid_hostnames;
    match uri.switch(&INSECURE) {
        Some(false) if lenient => {
            let flag = "--sslAllowInvalidCert or --sslAllowInvalidHost";
            conflict("sslInsecure or tlsInsecure", flag, "false", "true")
        }
        Some(own) => {
            flags.insecure |= own;
            Ok(())
        }
        None => Ok(()),
    }
}

fn mechanism_properties(typed: &mut Typed, uri: &ConnectionString) -> Result<(), SettleError> {
    let auth = &mut typed.auth;
    match auth.mechanism.to_lowercase().as_str() {
        "gssapi" => {
            let own = uri.mechanism_property("SERVICE_NAME");
            agree("Kerberos service name", "--gssapiServiceName", &mut auth.gssapi_service, own)
        }
        "mongodb-aws" => {
            let own = uri.mechanism_property("AWS_SESSION_TOKEN");
            agree_on_secret("AWS Session Token", &mut auth.aws_session_token, own)
        }
        _ => Ok(()),
    }
}

impl Settled {
    /// Tells of what nobody knows in the connection string.
    pub fn warn(&self, log: &Log) {
        for warning in self.uri.warnings() {
            log.line(ALWAYS, &warning);
        }
    }

    /// Whether there is a user whose password nobody gave.
    pub fn needs_password(&self) -> bool {
        let auth = &self.typed.auth;
        let without = ["MONGODB-X509", "GSSAPI", "MONGODB-OIDC"].contains(&auth.mechanism.as_str());
        !auth.username.is_empty() && auth.password.is_empty() && !without
    }

    /// Whether there is an encrypted key whose password nobody gave.
    pub fn needs_key_password(&self) -> Result<bool, SettleError> {
        let tls = &self.typed.tls;
        if tls.key_file.is_empty() || !tls.key_password.is_empty() {
            return Ok(false);
        }
        let path = PathBuf::from(&tls.key_file);
        match std::fs::read(&path) {
            Ok(pem) => Ok(pem.windows(ENCRYPTED_KEY.len()).any(|window| window == ENCRYPTED_KEY)),
            Err(source) => Err(SettleError::KeyFile { path, source }),
        }
    }
}

const ENCRYPTED_KEY: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
