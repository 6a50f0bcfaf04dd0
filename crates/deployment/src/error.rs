//! Errors of this crate: what was being done, to what, why it failed, and what to do.

use bson::Document;
use mongodb::error::{Error as DriverError, ErrorKind as DriverErrorKind};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it was, for callers that act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The connection string or an option is wrong.
    Usage,
    /// No server could be reached.
    Unreachable,
    /// The server does not accept the user or the password.
    Authentication,
    /// The user lacks a privilege.
    Unauthorized,
    /// The connection broke; the outcome of a write is unknown.
    Network,
    /// The server refused a command with this code.
    Command(i32),
    /// The server's reply is not what the protocol says.
    Reply,
    /// The deployment is of a kind this cannot work on.
    Unsupported,
    /// Another run writes to the target in place of this one.
    Fenced,
    /// The member that was read was restarted or rolled back meanwhile: places in it mean nothing any more.
    AnotherLife,
}

/// A failure, with what was being done and the driver's own error as its source.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action}: {message}")]
pub struct Error {
    kind: ErrorKind,
    action: String,
    message: String,
    #[source]
    source: Option<Box<DriverError>>,
    /// Whether it was tried again for as long as the user's patience lasts.
    is_final: bool,
}

impl Error {
    /// An error of this crate's own finding.
    pub fn new(kind: ErrorKind, action: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, action: action.into(), message: message.into(), source: None, is_final: false }
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What went wrong, without what was being done.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The server's error code, where it refused a command.
    pub fn code(&self) -> Option<i32> {
        match self.kind {
            ErrorKind::Command(code) => Some(code),
            _ => None,
        }
    }

    /// Whether the server refused with this code.
    pub fn is_code(&self, code: i32) -> bool {
        self.code() == Some(code)
    }

    /// The server's reply where it could not be decoded because its words are not UTF-8; what is
    /// not is replaced.
    pub(crate) fn reply_in_utf8(&self) -> Option<Document> {
        let reply = self.source.as_ref().filter(|_| self.kind == ErrorKind::Reply)?.server_response()?;
        crate::reply::outcome(reply.as_bytes())
    }

    /// The raw reply with which the server refused, where there is one.
    pub(crate) fn response(&self) -> Option<&[u8]> {
        Some(self.source.as_ref()?.server_response()?.as_bytes())
    }

    /// Whether trying again may help: the connection broke, or the primary changed or shuts down.
    pub fn is_passing(&self) -> bool {
        self.kind == ErrorKind::Network || self.code().is_some_and(is_passing_code)
    }

    /// The same for work on a server that answered before: it may be away for a while.
    pub fn may_pass(&self) -> bool {
        self.is_passing() || matches!(self.kind, ErrorKind::Unreachable | ErrorKind::AnotherLife)
    }

    /// Whether it was tried again in vain already: whoever meets it further out does not wait again.
    pub fn is_final(&self) -> bool {
        self.is_final
    }

    /// The same error, after which nobody waits again.
    pub(crate) fn finally(self) -> Self {
        Self { is_final: true, ..self }
    }

    pub(crate) fn reply(action: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Reply, action, message)
    }

    /// A driver error met while doing `action`.
    pub(crate) fn driver(action: impl Into<String>, error: DriverError) -> Self {
        let (kind, message) = explain(&error);
        Self { kind, action: action.into(), message, source: Some(Box::new(error)), is_final: false }
    }

    /// The same error, met while doing something else than was thought.
    pub(crate) fn doing(mut self, action: String) -> Self {
        self.action = action;
        self
    }

    /// The same error in words that say more of what went wrong and what to do.
    pub(crate) fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }
}

/// Codes of a server that is going away, starting, or no longer the primary.
pub(crate) fn is_passing_code(code: i32) -> bool {
    matches!(code, 6 | 7 | 89 | 91 | 134 | 189 | 262 | 9001 | 10107 | 11600 | 11602 | 13435 | 13436)
}

/// Turns `mongodb::error::Result` into ours, naming what was being done.
pub(crate) trait While<T> {
    fn while_doing(self, action: impl FnOnce() -> String) -> Result<T>;
}

impl<T> While<T> for mongodb::error::Result<T> {
    fn while_doing(self, action: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::driver(action(), error))
    }
}

fn explain(error: &DriverError) -> (ErrorKind, String) {
    match error.kind.as_ref() {
        DriverErrorKind::Command(command) if command.code == 13 => (
            ErrorKind::Unauthorized,
            format!(
                "the user lacks a privilege ({}); give it role 'backup' to dump, 'restore' to restore",
                without_command(&command.message)
            ),
        ),
        DriverErrorKind::Command(command) if command.code == 18 => {
            (ErrorKind::Authentication, wrong_credentials(&command.message))
        }
        DriverErrorKind::Command(command) => (
            ErrorKind::Command(command.code),
            format!("{} ({} {})", command.message, command.code_name, command.code),
        ),
        DriverErrorKind::Authentication { message, .. } => {
            (ErrorKind::Authentication, wrong_credentials(message))
        }
        DriverErrorKind::ServerSelection { message, .. } => (ErrorKind::Unreachable, unreachable(message)),
        DriverErrorKind::DnsResolve { message, .. } => {
            (ErrorKind::Unreachable, format!("{message}; check the host name"))
        }
        DriverErrorKind::Io(io) => (ErrorKind::Network, format!("the connection broke: {io}")),
        DriverErrorKind::ConnectionPoolCleared { message, .. } => {
            (ErrorKind::Network, format!("the connection broke: {message}"))
        }
        DriverErrorKind::InvalidArgument { message, .. }
        | DriverErrorKind::InvalidTlsConfig { message, .. } => (ErrorKind::Usage, message.clone()),
        DriverErrorKind::IncompatibleServer { message, .. } => (ErrorKind::Unsupported, message.clone()),
        DriverErrorKind::InvalidResponse { message, .. } => (ErrorKind::Reply, message.clone()),
        DriverErrorKind::Bson(bson) => (ErrorKind::Reply, format!("the reply cannot be decoded: {bson}")),
        // The error itself would show the server's whole reply, documents included.
        kind => (ErrorKind::Reply, kind.to_string()),
    }
}

/// The server repeats the whole command it refuses, documents included; what was to be done is told already.
fn without_command(message: &str) -> &str {
    message.split(" to execute command").next().unwrap_or(message)
}

fn wrong_credentials(message: &str) -> String {
    format!("{message}; check user, password, authSource and authMechanism")
}

/// The driver's selection error shows the topology as its debugger would; its useful parts are the
/// addresses and their errors.
fn unreachable(message: &str) -> String {
    if message.contains("SCRAM failure") || message.contains("Authentication failed") {
        return wrong_credentials("the server refused the credentials");
    }
    let servers = servers_of(message);
    if servers.is_empty() {
        let text = message.strip_prefix("Server selection timeout: ").unwrap_or(message);
        return format!("{text} Check the address and port, that the server runs, and TLS options");
    }
    format!("no suitable server answered in time: {}. {}", servers.join("; "), advice(message))
}

/// Each server with what went wrong there, or what it is.
fn servers_of(message: &str) -> Vec<String> {
    let servers = message.split("{ Address: ").skip(1).map(|server| {
        let server = server.split(" }").next().unwrap_or(server);
        let (address, rest) = server.split_once(", ").unwrap_or((server, ""));
        match rest.split_once("Error: Kind: ") {
            Some((_, error)) => {
                let error = error.split(", labels: ").next().unwrap_or(error);
                format!("{address}: {}", error.strip_prefix("I/O error: ").unwrap_or(error))
            }
            None => format!("{address}: {}", rest.replace("Type: ", "")),
        }
    });
    servers.collect()
}

fn advice(message: &str) -> &'static str {
    if message.contains("UnknownIssuer") || message.contains("BadSignature") {
        "The server's certificate is signed by nobody who is trusted: name the authority (--sslCAFile, tlsCAFile)"
    } else if message.contains("peer certificate") {
        "The server's certificate does not fit: check the host's name and the certificate's dates"
    } else if message.contains("unexpected end of file") {
        "The server may want TLS, or a client's certificate"
    } else {
        "Check the address and port, that the server runs, the set's name, and TLS"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_cannot_be_reached_are_named_with_their_errors() {
        let message = "Server selection timeout: No available servers. Topology: { Type: Single, Servers: [ { \
                       Address: h:1, Type: Unknown, Error: Kind: I/O error: Connection refused (os error 111), \
                       labels: {\"A\"}, source: None, server response: None }, { Address: i:2, Type: RsSecondary } ] }";
        let text = unreachable(message);
        assert!(
            text.starts_with(
                "no suitable server answered in time: h:1: Connection refused (os error 111); \
                                  i:2: RsSecondary. Check the address"
            ),
            "{text}"
        );
        assert!(unreachable("something new").starts_with("something new"));
    }
}
