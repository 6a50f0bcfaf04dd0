//! A way to a deployment: checked options, and the driver's clients made from them.

use crate::client::any_member;
use crate::connection_options::{ConnectionOptions, Conventions};
use crate::error::{Error, ErrorKind, Result};
use crate::member::ReadPreference;
use crate::read_preference;
use crate::tls;
use crate::uri::ConnectionString;
use crate::uri_parts::UriParts;
use crate::write_concern::UriWriteConcern;
use mongodb::Client;
use mongodb::error::{Error as DriverError, ErrorKind as DriverErrorKind};
use mongodb::options::{ClientOptions, ServerAddress, Tls, TlsOptions as DriverTls};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// How long to look for a server where nothing says it.
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_secs(15);
/// The same in the Database Tools.
const SERVER_SELECTION_TIMEOUT_OF_TOOLS: Duration = Duration::from_secs(30);
/// A run holds as many connections as it has cursors or workers; the driver's own limit of 10 would
/// make the eleventh wait.
const POOL_CONNECTIONS_MAX: u32 = 128;

/// A way to a deployment. Nothing is connected yet, but for names that were looked up in DNS.
#[derive(Clone)]
pub struct Connection {
    driver: ClientOptions,
    /// What the driver was given, for errors.
    uri: ConnectionString,
    write_concern: UriWriteConcern,
    database: Option<String>,
    ignored: Vec<String>,
}

impl Connection {
    /// Checks the options, files included, and looks up the hosts of a `mongodb+srv` connection string.
    pub async fn new(options: &ConnectionOptions) -> Result<Self> {
        let (mut parts, ignored) = options.parts()?;
        refuse_mechanism(&parts)?;
        // The driver has no option of this name, unless it is built with OpenSSL.
        let allow_invalid_hostnames =
            parts.take("tlsAllowInvalidHostnames").is_some_and(|value| value == "true");
        let uri = parts.compose();
        let write_concern = UriWriteConcern::of(&parts).map_err(|message| uri.refuse(message))?;
        let mut driver = match ClientOptions::parse(uri.expose()).await {
            Ok(driver) => driver,
            Err(error) => return Err(refused(error, &parts, &uri).await),
        };
        fill(&mut driver, options);
        set_up_tls(&mut driver, options, allow_invalid_hostnames)?;
        Ok(Self { driver, uri, write_concern, database: parts.database, ignored })
    }

    /// What the connection string says of the write concern.
    pub fn write_concern(&self) -> &UriWriteConcern {
        &self.write_concern
    }

    /// The connection string's read preference, where it has one.
    pub fn read_preference(&self) -> Option<ReadPreference> {
        read_preference::of_driver(&self.driver)
    }

    /// The database that the connection string names.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// Options of the connection string that were passed over because nobody knows them, in lower case.
    pub fn ignored_options(&self) -> &[String] {
        &self.ignored
    }

    /// Whether one server is spoken to, whatever its state.
    pub fn is_direct(&self) -> bool {
        self.driver.direct_connection == Some(true)
    }

    pub(crate) fn retries_writes(&self) -> bool {
        self.driver.retry_writes != Some(false)
    }

    pub(crate) fn first_host(&self) -> String {
        self.driver.hosts.first().map(ToString::to_string).unwrap_or_default()
    }

    /// A client that knows the topology.
    pub(crate) fn client(&self) -> Result<Client> {
        self.client_with(self.driver.clone())
    }

    /// A client that speaks to one member alone, whatever its state.
    pub(crate) fn direct_client(&self, address: &str, selection_timeout: Option<Duration>) -> Result<Client> {
        let address = ServerAddress::parse(address)
            .map_err(|error| Error::driver(format!("use the member's address {address}"), error))?;
        let mut driver = self.driver.clone();
        driver.hosts = vec![address];
        driver.direct_connection = Some(true);
        driver.repl_set_name = None;
        driver.selection_criteria = Some(any_member());
        driver.server_selection_timeout = selection_timeout.or(driver.server_selection_timeout);
        self.client_with(driver)
    }

    fn client_with(&self, driver: ClientOptions) -> Result<Client> {
        Client::with_options(driver).map_err(|error| {
            let key_file = self.key_file().filter(|_| error.to_string().contains("private key"));
            let action = match key_file {
                Some(path) => format!("use the key in {} with the password that was given", path.display()),
                None => self.action(),
            };
            Error::driver(action, error)
        })
    }

    /// What a first command does, for its error.
    pub(crate) fn action(&self) -> String {
        format!("connect to {}", self.uri)
    }

    fn key_file(&self) -> Option<&Path> {
        match &self.driver.tls {
            Some(Tls::Enabled(tls)) => tls.cert_key_file_path.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Display for Connection {
    /// The connection string without its secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The driver's options show the password of a client's key.
        f.debug_struct("Connection").field("uri", &self.uri).finish_non_exhaustive()
    }
}

/// Why the driver refuses a connection string. What it says may quote any part of it, so it is asked once more about one
/// without secrets, and only what it says of that is shown.
async fn refused(error: DriverError, parts: &UriParts, uri: &ConnectionString) -> Error {
    if matches!(*error.kind, DriverErrorKind::DnsResolve { .. }) {
        return Error::driver(uri.use_it(), error);
    }
    match ClientOptions::parse(parts.without_secrets().compose().expose()).await {
        Err(error) => Error::driver(uri.use_it(), error),
        Ok(_) => uri.refuse(
            "the driver does not take its password, or the value of an option that may be secret and is shown as ***",
        ),
    }
}

/// What is wanted everywhere, and what the fields say beside the connection string.
fn fill(driver: &mut ClientOptions, options: &ConnectionOptions) {
    let of_tools = options.conventions == Conventions::DatabaseTools;
    let timeout = if of_tools { SERVER_SELECTION_TIMEOUT_OF_TOOLS } else { SERVER_SELECTION_TIMEOUT };
    let timeout = options.server_selection_timeout.unwrap_or(timeout);
    driver.server_selection_timeout.get_or_insert(timeout);
    driver.connect_timeout = driver.connect_timeout.or(options.connect_timeout);
    let name = options.app_name.as_deref().unwrap_or("mongoark");
    driver.app_name.get_or_insert_with(|| name.to_owned());
    driver.max_pool_size.get_or_insert(POOL_CONNECTIONS_MAX);
    let is_alone = driver.hosts.len() == 1 && driver.repl_set_name.is_none();
    if of_tools && is_alone && driver.load_balanced != Some(true) {
        driver.direct_connection.get_or_insert(true);
    }
}

fn set_up_tls(
    driver: &mut ClientOptions,
    options: &ConnectionOptions,
    allow_invalid_hostnames: bool,
) -> Result<()> {
    let mut flags = options.tls.clone();
    if flags.enabled {
        if matches!(driver.tls, Some(Tls::Disabled)) {
            return Err(Error::new(
                ErrorKind::Usage,
                "set up TLS",
                "the connection string says not to use it",
            ));
        }
        driver.tls.get_or_insert_with(|| Tls::Enabled(DriverTls::default()));
    }
    flags.allow_invalid_hostnames |= allow_invalid_hostnames;
    let Some(Tls::Enabled(driver)) = &mut driver.tls else {
        // Without TLS there is no host name to compare.
        flags.allow_invalid_hostnames = false;
        return flags.check();
    };
    flags.allow_invalid_certificates |= driver.allow_invalid_certificates == Some(true);
    flags.check()?;
    if flags.allow_invalid_certificates {
        driver.allow_invalid_certificates = Some(true);
    }
    driver.ca_file_path = driver.ca_file_path.take().or(flags.ca_file);
    if driver.ca_file_path.is_none() && !flags.allow_invalid_certificates {
        driver.ca_file_path = tls::system_bundle();
    }
    if let Some(path) = &driver.ca_file_path {
        tls::check_authorities(path)?;
    }
    driver.cert_key_file_path = driver.cert_key_file_path.take().or(flags.key_file);
    let password = driver.tls_certificate_key_file_password.take();
    let password = password.or_else(|| flags.key_password.map(|text| text.expose().as_bytes().to_vec()));
    if let Some(path) = &driver.cert_key_file_path {
        let encrypted = tls::check_key_file(path, password.is_some())?;
        // The driver insists that a key with a password is encrypted.
        driver.tls_certificate_key_file_password = password.filter(|_| encrypted);
    }
    Ok(())
}

/// Refuses the mechanisms that this build has no code for.
fn refuse_mechanism(parts: &UriParts) -> Result<()> {
    let refuse = |message: &str| Err(Error::new(ErrorKind::Unsupported, "authenticate", message));
    match parts.option("authMechanism").unwrap_or_default() {
        "GSSAPI" if !cfg!(feature = "gssapi-auth") => refuse(
            "this build has no GSSAPI (Kerberos), which needs the system's library for it: build mongoark with \
             '--features gssapi-auth', or use another mechanism",
        ),
        "MONGODB-AWS" if !cfg!(feature = "aws-auth") => refuse(
            "this build has no MONGODB-AWS: build mongoark with its default features, or use another mechanism",
        ),
        _ => Ok(()),
    }
}
