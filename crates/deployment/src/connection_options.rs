//! How to connect, as flags and a connection string say it together.

use crate::error::Result;
use crate::password::Password;
use crate::tls::TlsOptions;
use crate::uri::ConnectionString;
use crate::uri_parts::{self, UriParts};
use std::time::Duration;

/// Mechanisms whose users are kept outside of the server's own databases.
const EXTERNAL_MECHANISMS: [&str; 5] = ["GSSAPI", "MONGODB-AWS", "MONGODB-OIDC", "MONGODB-X509", "PLAIN"];
/// Options that this program has no use for: the driver has no timeouts of these kinds, and waiting for
/// a long answer is what a dump does.
const WITHOUT_EFFECT: [&str; 6] = [
    "sockettimeoutms",
    "timeoutms",
    "tlsdisablecertificaterevocationcheck",
    "tlsdisableocspendpointcheck",
    "waitqueuetimeoutms",
    "zstdcompressionlevel",
];
/// Whose rules hold where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conventions {
    /// Those of drivers. An unknown option of the connection string is refused.
    #[default]
    Drivers,
    /// Those of the MongoDB Database Tools: a single host without a set is spoken to directly, whatever its
    /// state; an unknown option is passed over; users are looked for in the database that is worked on.
    DatabaseTools,
}

/// How to connect. Where the connection string and a field say different things, the connection string
/// counts, but for `hosts`; whoever takes both from a user refuses what does not agree.
#[derive(Clone, Debug, Default)]
pub struct ConnectionOptions {
    /// The connection string. Nothing: `hosts` alone say where.
    pub uri: Option<ConnectionString>,
    /// `host` or `host:port` each, in place of the connection string's. None anywhere: localhost.
    pub hosts: Vec<String>,
    /// The replica set's name.
    pub replica_set: Option<String>,
    /// The user's name.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<Password>,
    /// The database that knows the user.
    pub auth_source: Option<String>,
    /// The database that is worked on: under [`Conventions::DatabaseTools`] it knows the user unless
    /// something else is said.
    pub database: Option<String>,
    /// The authentication mechanism; nothing: what the server offers.
    pub mechanism: Option<String>,
    /// The session token of temporary AWS credentials.
    pub aws_session_token: Option<Password>,
    /// TLS.
    pub tls: TlsOptions,
    /// How long to look for a server.
    pub server_selection_timeout: Option<Duration>,
    /// How long a connection may take to come about.
    pub connect_timeout: Option<Duration>,
    /// Compressors in order of preference: `snappy`, `zlib`, `zstd`.
    pub compressors: Vec<String>,
    /// Whose rules hold where nothing is said.
    pub conventions: Conventions,
    /// The name that the server's log shows.
    pub app_name: Option<String>,
}

impl ConnectionOptions {
    /// What the connection string says, and nothing else.
    pub fn native(uri: &ConnectionString) -> Self {
        Self { uri: Some(uri.clone()), ..Self::default() }
    }

    /// Takes the tools' flags `--host` (`host`, `host:port`, `set/host1,host2:port`) and `--port`, which
    /// goes to every host that has none.
    pub fn set_host(&mut self, host: &str, port: Option<&str>) {
        let (set, hosts) = host.split_once('/').map_or((None, host), |(set, hosts)| (Some(set), hosts));
        self.replica_set = set.filter(|set| !set.is_empty()).map(ToOwned::to_owned);
        let whole = |host: &str| {
            let host = if host.is_empty() { "localhost" } else { host };
            match port.filter(|port| !port.is_empty() && !host.contains(':')) {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            }
        };
        self.hosts = hosts.split(',').map(whole).collect();
    }

    /// The connection string with the fields laid on top, and the names of the options that were passed
    /// over. TLS, timeouts and the application's name are not in it: they need no parsing.
    pub(crate) fn parts(&self) -> Result<(UriParts, Vec<String>)> {
        let mut parts = match &self.uri {
            Some(uri) => uri.parts()?,
            None => ConnectionString::new("localhost").parts()?,
        };
        if !self.hosts.is_empty() && !parts.srv {
            parts.hosts.clone_from(&self.hosts);
        }
        if parts.take("connect").is_some_and(|how| how.eq_ignore_ascii_case("direct")) {
            parts.set_absent("directConnection", Some("true"));
        }
        parts.set_absent("replicaSet", self.replica_set.as_ref());
        if let Some(compressors) = parts.take("compressors").or_else(|| Some(self.compressors.join(","))) {
            let wanted: Vec<&str> =
                compressors.split(',').filter(|name| !matches!(*name, "" | "none")).collect();
            parts.set_absent("compressors", (!wanted.is_empty()).then(|| wanted.join(",")));
        }
        self.add_credentials(&mut parts);
        parts.retain(|name| !WITHOUT_EFFECT.contains(&name));
        let ignored = match self.conventions {
            Conventions::Drivers => Vec::new(),
            Conventions::DatabaseTools => parts.retain(uri_parts::is_known),
        };
        Ok((parts, ignored))
    }

    fn add_credentials(&self, parts: &mut UriParts) {
        parts.username =
            parts.username.take().or_else(|| self.username.clone()).filter(|name| !name.is_empty());
        parts.password = parts.password.take().or_else(|| self.password.clone());
        parts.set_absent("authMechanism", self.mechanism.as_ref());
        let mechanism = parts.take("authMechanism").map(|name| name.to_uppercase());
        parts.set_absent("authMechanism", mechanism.as_ref());
        if mechanism.as_deref() == Some("MONGODB-X509") {
            // The server takes the name from the certificate, and knows no field by which the driver sends it.
            parts.username = None;
        }
        parts.set_absent("authSource", self.auth_source.as_ref());
        if self.conventions == Conventions::DatabaseTools && (parts.username.is_some() || mechanism.is_some())
        {
            let is_external = mechanism.is_some_and(|name| EXTERNAL_MECHANISMS.contains(&name.as_str()));
            let source = if is_external { Some("$external") } else { self.database.as_deref() };
            parts.set_absent("authSource", source.filter(|source| !source.is_empty()));
        }
        let token = self.aws_session_token.as_ref().filter(|token| !token.is_empty());
        parts.set_absent(
            "authMechanismProperties",
            token.map(|token| format!("AWS_SESSION_TOKEN:{}", token.expose())),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(options: &ConnectionOptions) -> String {
        options.parts().unwrap().0.compose().expose().to_owned()
    }

    #[test]
    fn hosts_come_in_the_tools_forms() {
        for (host, port, expected) in [
            ("h", None, "mongodb://h/"),
            ("h:1", Some("2"), "mongodb://h:1/"),
            ("", Some("2"), "mongodb://localhost:2/"),
            ("rs/a,b:3", Some("2"), "mongodb://a:2,b:3/?replicaSet=rs"),
            ("rs/", None, "mongodb://localhost/?replicaSet=rs"),
        ] {
            let mut options = ConnectionOptions::default();
            options.set_host(host, port);
            assert_eq!(composed(&options), expected, "{host} {port:?}");
        }
    }

    #[test]
    fn flags_fill_what_the_connection_string_leaves_open() {
        let options = ConnectionOptions {
            uri: Some(ConnectionString::new(
                "mongodb://h/?connect=direct&compressors=none&foo=1&socketTimeoutMS=2",
            )),
            username: Some("a@b".to_owned()),
            password: Some(Password::new("p/w")),
            mechanism: Some("scram-sha-1".to_owned()),
            database: Some("shop".to_owned()),
            conventions: Conventions::DatabaseTools,
            ..ConnectionOptions::default()
        };
        let expected =
            "mongodb://a%40b:p%2Fw@h/?directConnection=true&authMechanism=SCRAM-SHA-1&authSource=shop";
        assert_eq!(composed(&options), expected);
        assert_eq!(options.parts().unwrap().1, ["foo"]);
        let options =
            ConnectionOptions { mechanism: Some("MONGODB-X509".to_owned()), password: None, ..options };
        assert!(composed(&options).ends_with("authMechanism=MONGODB-X509&authSource=%24external"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let options = ConnectionOptions {
            uri: Some(ConnectionString::new("mongodb://u:hush@h")),
            password: Some(Password::new("hush")),
            aws_session_token: Some(Password::new("hush")),
            tls: TlsOptions { key_password: Some(Password::new("hush")), ..TlsOptions::default() },
            ..ConnectionOptions::default()
        };
        assert!(!format!("{options:?}").contains("hush"));
    }
}
