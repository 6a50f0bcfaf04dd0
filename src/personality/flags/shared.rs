//! The groups of flags that tools have in common.

use super::Takes::{Level, Nothing, Number, Text};
use super::{Flag, Group};

/// Help, version, configuration file.
pub static GENERAL: Group = Group {
    name: "general options",
    flags: &[
        Flag::new("help", Nothing(|t| &mut t.general.help), "", "show this"),
        Flag::new("version", Nothing(|t| &mut t.general.version), "", "show the version"),
        Flag::new(
            "config",
            Text(|t| &mut t.general.config),
            "<file>",
            "take password, uri and sslPEMKeyPassword from this YAML file",
        ),
        Flag::hidden("numThreads", Number(|t| &mut t.general.threads)),
        Flag::hidden("trace", Nothing(|t| &mut t.general.trace)),
    ],
};

/// How much is said.
pub static VERBOSITY: Group = Group {
    name: "verbosity options",
    flags: &[
        Flag::new("verbose", Level, "<level>", "say more; give it several times, or as --verbose=N").or('v'),
        Flag::new("quiet", Nothing(|t| &mut t.general.quiet), "", "say nothing, not even why a run failed"),
    ],
};

/// Where the server is.
pub static CONNECTION: Group = Group {
    name: "connection options",
    flags: &[
        Flag::new(
            "host",
            Text(|t| &mut t.connection.host),
            "<hostname>",
            "the server; set/host1,host2 for a replica set",
        )
        .or('h'),
        Flag::new("port", Text(|t| &mut t.connection.port), "<port>", "its port; --host host:port does too"),
        Flag::hidden("dialTimeout", Number(|t| &mut t.connection.dial_timeout)),
        Flag::hidden("socketTimeout", Number(|t| &mut t.connection.socket_timeout)),
        Flag::hidden("TCPKeepAliveSeconds", Number(|t| &mut t.connection.keep_alive)),
        Flag::hidden("serverSelectionTimeout", Number(|t| &mut t.connection.server_selection_timeout)),
        Flag::hidden("compressors", Text(|t| &mut t.connection.compressors)),
    ],
};

/// TLS.
pub static TLS: Group = Group {
    name: "ssl options",
    flags: &[
        Flag::new("ssl", Nothing(|t| &mut t.tls.ssl), "", "connect by TLS"),
        Flag::new(
            "sslCAFile",
            Text(|t| &mut t.tls.ca_file),
            "<filename>",
            "PEM file with the certificates of the authority",
        ),
        Flag::new(
            "sslPEMKeyFile",
            Text(|t| &mut t.tls.key_file),
            "<filename>",
            "PEM file with the client's certificate and key",
        ),
        Flag::new(
            "sslPEMKeyPassword",
            Text(|t| &mut t.tls.key_password),
            "<password>",
            "password of an encrypted key in sslPEMKeyFile",
        ),
        Flag::new(
            "sslCRLFile",
            Text(|t| &mut t.tls.crl_file),
            "<filename>",
            "refused: revocation lists are not served",
        ),
        Flag::hidden("sslAllowInvalidCertificates", Nothing(|t| &mut t.tls.allow_invalid_certificates)),
        Flag::hidden("sslAllowInvalidHostnames", Nothing(|t| &mut t.tls.allow_invalid_hostnames)),
        Flag::new("sslFIPSMode", Nothing(|t| &mut t.tls.fips), "", "refused: there is no FIPS mode"),
        Flag::new(
            "tlsInsecure",
            Nothing(|t| &mut t.tls.insecure),
            "",
            "accept any certificate and any host name",
        ),
    ],
};

/// Who connects.
pub static AUTH: Group = Group {
    name: "authentication options",
    flags: &[
        Flag::new("username", Text(|t| &mut t.auth.username), "<username>", "the user's name").or('u'),
        Flag::new(
            "password",
            Text(|t| &mut t.auth.password),
            "<password>",
            "the user's password; asked for when there is a name alone",
        )
        .or('p'),
        Flag::new(
            "authenticationDatabase",
            Text(|t| &mut t.auth.source),
            "<database-name>",
            "the database that knows the user",
        ),
        Flag::new(
            "authenticationMechanism",
            Text(|t| &mut t.auth.mechanism),
            "<mechanism>",
            "SCRAM-SHA-1, SCRAM-SHA-256, MONGODB-X509, PLAIN or MONGODB-AWS",
        ),
        Flag::new(
            "awsSessionToken",
            Text(|t| &mut t.auth.aws_session_token),
            "<aws-session-token>",
            "session token for MONGODB-AWS",
        ),
    ],
};

/// Kerberos.
pub static KERBEROS: Group = Group {
    name: "kerberos options",
    flags: &[
        Flag::new(
            "gssapiServiceName",
            Text(|t| &mut t.auth.gssapi_service),
            "<service-name>",
            "name of the Kerberos service (default: mongodb)",
        ),
        Flag::new(
            "gssapiHostName",
            Text(|t| &mut t.auth.gssapi_host),
            "<host-name>",
            "host name for Kerberos (default: the server's)",
        ),
    ],
};

/// What is dumped or restored.
pub static NAMESPACE: Group = Group {
    name: "namespace options",
    flags: &[
        Flag::new("db", Text(|t| &mut t.namespace.db), "<database-name>", "this database").or('d'),
        Flag::new(
            "collection",
            Text(|t| &mut t.namespace.collection),
            "<collection-name>",
            "this collection",
        )
        .or('c'),
    ],
};

/// A connection string.
pub static URI: Group = Group {
    name: "uri options",
    flags: &[Flag::new("uri", Text(|t| &mut t.connection.uri), "<mongodb-uri>", "connection string")],
};

/// Flags in which a secret can be typed; what else is on the command line hides them from the warning about that.
pub static WITH_SECRETS: &[&Group] = &[&GENERAL, &VERBOSITY, &CONNECTION, &TLS, &AUTH, &KERBEROS, &URI];
