//! What a test asks of a server, and the command line that gives it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Binary, Certificates};

/// Settings of a server to start; [`Server::builder`](super::Server::builder) and
/// [`ReplicaSet::builder`](super::ReplicaSet::builder) make one.
#[derive(Clone, Debug)]
#[must_use = "a builder starts nothing until `start` is called"]
pub struct Builder<Kind> {
    pub(super) options: Options,
    pub(super) kind: Kind,
}

impl<Kind> Builder<Kind> {
    pub(super) fn new(kind: Kind) -> Self {
        // No deletion behind a test's back, no diagnostic data written.
        let parameters = [
            ("enableTestCommands", "1"),
            ("ttlMonitorEnabled", "false"),
            ("diagnosticDataCollectionEnabled", "false"),
        ];
        let options = Options {
            version: Binary::default_version(),
            parameters: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            cache_gb: 0.25,
            arguments: Vec::new(),
            auth: None,
            tls: false,
            tls_names: ["localhost", "127.0.0.1"].map(str::to_owned).into(),
        };
        Self { options, kind }
    }

    /// Another version than [`Binary::default_version`].
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.options.version);
        self
    }

    /// A server parameter, `name=value`. `enableTestCommands=1`, for fail points, and `ttlMonitorEnabled=false` are
    /// set unless given here.
    pub fn param(mut self, assignment: &str) -> Self {
        let (name, value) = assignment.split_once('=').expect("a parameter as name=value");
        self.options.parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Storage cache, in GiB; 0.25, the least a server takes, unless given here.
    pub fn wired_tiger_cache_gb(mut self, gigabytes: f64) -> Self {
        self.options.cache_gb = gigabytes;
        self
    }

    /// Another argument of mongod, as on its command line.
    pub fn arg(mut self, argument: &str) -> Self {
        self.options.arguments.push(argument.to_owned());
        self
    }

    /// Access control, with this user as `root`; the members of a replica set share a keyfile.
    pub fn auth(mut self, user: &str, password: &str) -> Self {
        self.options.auth = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// TLS on every connection, with certificates made for this server; see [`Certificates`].
    pub fn tls(mut self) -> Self {
        self.options.tls = true;
        self
    }

    /// The host names of the server's certificate: `localhost` and `127.0.0.1` unless given here.
    pub fn tls_names(mut self, names: &[&str]) -> Self {
        self.options.tls_names = names.iter().map(ToString::to_string).collect();
        self
    }
}

#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) version: String,
    parameters: BTreeMap<String, String>,
    cache_gb: f64,
    arguments: Vec<String>,
    pub(super) auth: Option<(String, String)>,
    pub(super) tls: bool,
    tls_names: Vec<String>,
}

impl Options {
    /// Certificates in `folder`, when TLS is asked for.
    pub(super) fn certificates(&self, folder: &Path) -> Option<Certificates> {
        self.tls.then(|| Certificates::create(folder, &self.tls_names))
    }

    /// The arguments that every server of this kind gets.
    pub(super) fn arguments(&self, binary: &Binary, certificates: Option<&Certificates>) -> Vec<String> {
        let mut arguments = vec!["--wiredTigerCacheSizeGB".to_owned(), self.cache_gb.to_string()];
        let mut parameters = self.parameters.clone();
        if binary.is_at_least(5, 0) {
            // A primary that is asked to end would go on answering for a while.
            parameters.entry("shutdownTimeoutMillisForSignaledShutdown".to_owned()).or_insert("0".to_owned());
        }
        for (name, value) in &parameters {
            arguments.extend(["--setParameter".to_owned(), format!("{name}={value}")]);
        }
        if let Some(certificates) = certificates {
            arguments.extend(certificates.server_arguments());
        }
        arguments.extend(self.arguments.iter().cloned());
        arguments
    }
}

/// A key that the members of one replica set know each other by, in a file that only its owner reads.
pub(super) fn write_keyfile(path: &Path) {
    fs::write(path, "bW9uZ29hcmsgdGVzdCBrZXlmaWxlLCBubyBzZWNyZXQ=")
        .expect("a keyfile in the scratch directory");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a keyfile for its owner alone");
    }
}
