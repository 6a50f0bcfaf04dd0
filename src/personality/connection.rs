//! From what was settled to a way to the deployment.

use super::flags::TlsArgs;
use super::settle::Settled;
use super::tool::Tool;
use mongoark_engine::deployment::{
    Connection, ConnectionOptions, ConnectionString, Conventions, Error, Password, TlsOptions,
};
use std::path::PathBuf;
use std::time::Duration;

/// How long a connection may take to come about where nothing else is said.
const DIAL_SECONDS: i64 = 3;

/// A way to the deployment. Nothing is connected yet.
pub async fn open(settled: &Settled, tool: &Tool) -> Result<Connection, Error> {
    Connection::new(&options(settled, tool)).await
}

fn options(settled: &Settled, tool: &Tool) -> ConnectionOptions {
    let (typed, uri) = (&settled.typed, &settled.uri);
    let (auth, flags) = (&typed.auth, &typed.connection);
    ConnectionOptions {
        uri: Some(ConnectionString::new(uri.original.clone())),
        hosts: if uri.srv { Vec::new() } else { uri.hosts.clone() },
        replica_set: given(&settled.replica_set),
        username: given(&auth.username),
        password: secret(&auth.password),
        auth_source: given(&auth.source),
        database: given(&typed.namespace.db),
        mechanism: given(&auth.mechanism),
        aws_session_token: secret(&auth.aws_session_token),
        tls: tls(&typed.tls),
        server_selection_timeout: seconds(flags.server_selection_timeout.unwrap_or_default()),
        connect_timeout: seconds(flags.dial_timeout.unwrap_or(DIAL_SECONDS)),
        compressors: flags.compressors.split(',').map(ToOwned::to_owned).collect(),
        conventions: Conventions::DatabaseTools,
        app_name: Some(tool.name.to_owned()),
    }
}

fn tls(flags: &TlsArgs) -> TlsOptions {
    let path = |name: &str| given(name).map(PathBuf::from);
    TlsOptions {
        enabled: flags.ssl,
        ca_file: path(&flags.ca_file),
        key_file: path(&flags.key_file),
        key_password: secret(&flags.key_password),
        allow_invalid_certificates: flags.insecure || flags.allow_invalid_certificates,
        allow_invalid_hostnames: flags.insecure || flags.allow_invalid_hostnames,
        crl_file: path(&flags.crl_file),
        fips: flags.fips,
    }
}

/// An empty text stands for none.
fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn secret(text: &str) -> Option<Password> {
    given(text).map(Password::new)
}

/// Nothing, or less, stands for no limit of one's own.
fn seconds(number: i64) -> Option<Duration> {
    u64::try_from(number).ok().filter(|&seconds| seconds > 0).map(Duration::from_secs)
}
