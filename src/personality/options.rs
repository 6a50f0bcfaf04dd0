//! A tool's command line, read to the end: flags, configuration file, connection string, passwords.

use super::config::{self, ConfigError};
use super::connstring::{ConnectionString, UriError};
use super::flags::{self, FlagError, Typed, shared};
use super::log::{ALWAYS, Log};
use super::password;
use super::settle::{self, SettleError, Settled};
use super::tool::Tool;
use std::ffi::OsString;
use std::path::Path;

/// Why a command line cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// A flag.
    #[error(transparent)]
    Flag(#[from] FlagError),
    /// The file of `--config`.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The connection.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// An argument is no text.
    #[error("argument {0} is not UTF-8")]
    NotUtf8(usize),
    /// Two connection strings.
    #[error("too many URIs found in positional arguments: only one URI can be set as a positional argument")]
    TwoUris,
    /// A connection string by flag and by place.
    #[error("illegal argument combination: cannot specify a URI in a positional argument and --uri")]
    UriTwice,
}

/// The arguments as texts.
pub fn texts(arguments: Vec<OsString>) -> Result<Vec<String>, OptionsError> {
    let numbered = arguments.into_iter().enumerate();
    numbered.map(|(n, text)| text.into_string().map_err(|_| OptionsError::NotUtf8(n + 1))).collect()
}

/// Reads flags and configuration file; gives what was typed and the other arguments.
pub fn read(tool: &Tool, arguments: &[String]) -> Result<(Typed, Vec<String>), OptionsError> {
    let mut typed = Typed::default();
    let others = flags::parse(tool.groups, arguments, &mut typed)?;
    if typed.general.config.is_empty() {
        return Ok((typed, others));
    }
    let config = config::read(Path::new(&typed.general.config))?;
    // The command line wins over the file.
    let mut typed = Typed::default();
    typed.auth.password = config.password;
    typed.connection.uri = config.uri;
    typed.tls.key_password = config.key_password;
    let others = flags::parse(tool.groups, arguments, &mut typed)?;
    Ok((typed, others))
}

/// Makes what was typed ready for a connection; gives the arguments that are no connection string too. Asks for a
/// password that is missing.
pub fn connect(
    mut typed: Typed,
    others: Vec<String>,
    log: &Log,
) -> Result<(Settled, Vec<String>), OptionsError> {
    if typed.tls.allow_invalid_certificates || typed.tls.allow_invalid_hostnames {
        log.line(
            ALWAYS,
            "WARNING: --sslAllowInvalidCertificates and --sslAllowInvalidHostnames are deprecated, \
             please use --tlsInsecure instead",
        );
    }
    let others = take_uri(&mut typed, others)?;
    let mut settled = settle::settle(typed)?;
    if settled.needs_password() {
        settled.typed.auth.password = password::ask("mongo user", log).map_err(SettleError::Password)?;
    }
    if settled.needs_key_password()? {
        let password = password::ask("client certificate", log).map_err(SettleError::Password)?;
        settled.typed.tls.key_password = password;
    }
    settled.check()?;
    Ok((settled, others))
}

/// A connection string among the other arguments is one of `--uri`.
fn take_uri(typed: &mut Typed, others: Vec<String>) -> Result<Vec<String>, OptionsError> {
    let (mut left, mut found) = (Vec::new(), None);
    for other in others.into_iter().filter(|other| !other.is_empty()) {
        match ConnectionString::parse(&other) {
            Ok(_) if found.is_some() => return Err(OptionsError::TwoUris),
            Ok(_) => found = Some(other),
            Err(UriError::Scheme) => left.push(other),
            Err(error) => return Err(SettleError::Uri(error).into()),
        }
    }
    match found {
        Some(_) if !typed.connection.uri.is_empty() => Err(OptionsError::UriTwice),
        Some(uri) => {
            typed.connection.uri = uri;
            Ok(left)
        }
        None => Ok(left),
    }
}

/// Warns of passwords on the command line, in those cases in which the tools do: when no flag but those of the
/// connection is there.
pub fn warn_of_secrets(arguments: &[String], log: &Log) {
    let mut typed = Typed::default();
    let Ok(others) = flags::parse(shared::WITH_SECRETS, arguments, &mut typed) else { return };
    if take_uri(&mut typed, others).is_err() {
        return;
    }
    let in_uri = ConnectionString::parse(&typed.connection.uri)
        .is_ok_and(|uri| uri.password.is_some_and(|password| !password.is_empty()));
    for (there, how, instead) in [
        (
            !typed.auth.password.is_empty(),
            "using --password",
            "Consider omitting the password to provide it via stdin, or using the --config option",
        ),
        (
            in_uri,
            "in a connection string or using --uri",
            "Consider omitting the password to provide it via stdin, or using the --config option",
        ),
        (
            !typed.tls.key_password.is_empty(),
            "using --sslPEMKeyPassword",
            "Consider using the --config option",
        ),
    ] {
        if there {
            log.line(
                ALWAYS,
                &format!(
                    "WARNING: On some systems, a password provided directly {how} may be visible to system status \
                     programs such as `ps` that may be invoked by other users. {instead} to specify a configuration \
                     file with the password."
                ),
            );
        }
    }
}
