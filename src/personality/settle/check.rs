//! What flags and connection string must not ask for together. The words are those of the tools' driver.

use super::{SettleError, Settled};

/// Whether a rule is broken, and what is said then.
type Rule = (bool, &'static str);

fn first_broken(rules: &[Rule]) -> Option<&'static str> {
    rules.iter().find(|(broken, _)| *broken).map(|(_, message)| *message)
}

impl Settled {
    /// Refuses what no server could be reached by.
    pub fn check(&self) -> Result<(), SettleError> {
        match self.broken_auth().or_else(|| self.broken_tls()).or_else(|| self.broken_topology()) {
            Some(message) => Err(SettleError::Invalid(message)),
            None => Ok(()),
        }
    }

    fn broken_tls(&self) -> Option<&'static str> {
        let certificate = self.uri.get("tlscertificatefile").is_some();
        let key = self.uri.get("tlsprivatekeyfile").is_some();
        first_broken(&[
            (
                !self.typed.tls.key_file.is_empty() && (certificate || key),
                "the sslClientCertificateKeyFile/tlsCertificateKeyFile URI option cannot be provided along with \
                 tlsCertificateFile or tlsPrivateKeyFile",
            ),
            (
                certificate && !key,
                "the tlsPrivateKeyFile URI option must be provided if the tlsCertificateFile option is specified",
            ),
            (
                key && !certificate,
                "the tlsCertificateFile URI option must be provided if the tlsPrivateKeyFile option is specified",
            ),
        ])
    }

    fn broken_topology(&self) -> Option<&'static str> {
        let (uri, in_set) = (&self.uri, !self.replica_set.is_empty());
        let srv_hosts = uri.get("srvmaxhosts").is_some_and(|hosts| hosts != "0");
        let load_balanced = uri.switch(&["loadbalanced"]) == Some(true);
        first_broken(&[
            (
                uri.get("w") == Some("0") && uri.switch(&["journal"]) == Some(true),
                "a write concern cannot have both w=0 and j=true",
            ),
            (
                uri.direct() && uri.hosts.len() > 1,
                "a direct connection cannot be made if multiple hosts are specified",
            ),
            (uri.direct() && uri.srv, "a direct connection cannot be made if an SRV URI is used"),
            (
                load_balanced && in_set,
                "loadBalanced cannot be set to true if a replica set name is specified",
            ),
            (
                srv_hosts && in_set,
                "srvMaxHosts cannot be a positive value if a replica set name is specified",
            ),
        ])
    }

    fn broken_auth(&self) -> Option<&'static str> {
        let auth = &self.typed.auth;
        let (user, password) = (!auth.username.is_empty(), !auth.password.is_empty());
        let properties = self.uri.get("authmechanismproperties").is_some();
        let rules: &[Rule] = match auth.mechanism.to_lowercase().as_str() {
            "mongodb-x509" => &[
                (password, "password cannot be specified for MONGO-X509"),
                (properties, "MONGO-X509 cannot have mechanism properties"),
            ],
            "mongodb-aws" => &[
                (user && !password, "username without password is invalid for MONGODB-AWS"),
                (password && !user, "password without username is invalid for MONGODB-AWS"),
                (
                    !auth.aws_session_token.is_empty() && !user,
                    "token without username and password is invalid for MONGODB-AWS",
                ),
            ],
            "gssapi" => &[(!user, "username required for GSSAPI")],
            "plain" => &[
                (!user, "username required for PLAIN"),
                (!password, "password required for PLAIN"),
                (properties, "PLAIN cannot have mechanism properties"),
            ],
            "scram-sha-1" => &[
                (!user, "username required for SCRAM-SHA-1"),
                (!password, "password required for SCRAM-SHA-1"),
                (properties, "SCRAM-SHA-1 cannot have mechanism properties"),
            ],
            "scram-sha-256" => &[
                (!user, "username required for SCRAM-SHA-256"),
                (!password, "password required for SCRAM-SHA-256"),
                (properties, "SCRAM-SHA-256 cannot have mechanism properties"),
            ],
            "mongodb-oidc" => &[(password, "password cannot be specified for MONGODB-OIDC")],
            "" => &[(self.uri.username.is_some() && !user, "username required if URI contains user info")],
            _ => &[(true, "invalid auth mechanism")],
        };
        first_broken(rules)
    }
}
