//! What TLS needs, checked before the driver sees it, so that an error names the file and what to do.

use crate::error::{Error, ErrorKind, Result};
use crate::password::Password;
use std::io;
use std::path::{Path, PathBuf};

/// Names the bundle of trusted authorities where it is not in its usual place.
const BUNDLE_VARIABLE: &str = "SSL_CERT_FILE";
/// Where systems keep their trusted authorities.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// TLS as flags ask for it. Anything set turns TLS on.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "flags that do not depend on each other")]
pub struct TlsOptions {
    /// TLS on every connection.
    pub enabled: bool,
    /// The authorities to trust, PEM. Nothing: the system's.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate and key in one file, PEM.
    pub key_file: Option<PathBuf>,
    /// The password of the client's key.
    pub key_password: Option<Password>,
    /// Any certificate will do.
    pub allow_invalid_certificates: bool,
    /// A certificate of another host will do. Refused unless any certificate will do.
    pub allow_invalid_hostnames: bool,
    /// Revoked certificates. Refused.
    pub crl_file: Option<PathBuf>,
    /// FIPS mode. Refused.
    pub fips: bool,
}

impl TlsOptions {
    /// Refuses what cannot be served. It would be a lie to go on without it.
    pub(crate) fn check(&self) -> Result<()> {
        if self.fips {
            return Err(usage(
                "FIPS mode is not supported; use a build of OpenSSL that has it, through a TLS proxy",
            ));
        }
        if self.crl_file.is_some() {
            return Err(usage("a certificate revocation list is not supported; leave --sslCRLFile out"));
        }
        if self.allow_invalid_hostnames && !self.allow_invalid_certificates {
            return Err(usage(
                "a certificate of another host cannot be accepted alone. Use a host name that the server's \
                 certificate has, or accept any certificate (--tlsInsecure, tlsInsecure=true)",
            ));
        }
        Ok(())
    }
}

/// Whether a PEM file holds a key that needs a password.
pub fn key_file_is_encrypted(path: &Path) -> io::Result<bool> {
    Ok(is_encrypted(&std::fs::read_to_string(path)?))
}

/// The authorities that the system trusts, where it is known where it keeps them.
pub(crate) fn system_bundle() -> Option<PathBuf> {
    let named = std::env::var_os(BUNDLE_VARIABLE).map(PathBuf::from);
    named.or_else(|| BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file()))
}

/// Refuses a file of authorities that has none.
pub(crate) fn check_authorities(path: &Path) -> Result<()> {
    if read(path, "the file of trusted authorities")?.contains("-----BEGIN CERTIFICATE-----") {
        return Ok(());
    }
    Err(usage(format!("{} holds no certificate in PEM form", path.display())))
}

/// Refuses a client's file that lacks something or whose key cannot be used; says whether its key is
/// encrypted.
pub(crate) fn check_key_file(path: &Path, has_password: bool) -> Result<bool> {
    let text = read(path, "the client's certificate and key")?;
    let shown = path.display();
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(usage(format!("{shown} holds no certificate in PEM form; it needs certificate and key")));
    }
    if text.contains("DEK-Info:") {
        return Err(usage(format!(
            "the key in {shown} is encrypted in the old form that names DEK-Info. Bring it into the present one: \
             openssl pkcs8 -topk8 -in {shown} -out key.pem, and put the certificate behind it"
        )));
    }
    if !text.contains("PRIVATE KEY-----") {
        return Err(usage(format!("{shown} holds no private key in PEM form; it needs certificate and key")));
    }
    let encrypted = is_encrypted(&text);
    if encrypted && !has_password {
        return Err(usage(format!("the key in {shown} is encrypted, and no password was given for it")));
    }
    Ok(encrypted)
}

fn is_encrypted(pem: &str) -> bool {
    pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
}

fn read(path: &Path, what: &str) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| usage(format!("{what} {}: {error}", path.display())))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, "set up TLS", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_served_is_refused() {
        let refused = [
            TlsOptions { fips: true, ..TlsOptions::default() },
            TlsOptions { crl_file: Some("crl.pem".into()), ..TlsOptions::default() },
            TlsOptions { allow_invalid_hostnames: true, ..TlsOptions::default() },
        ];
        for options in refused {
            assert_eq!(options.check().unwrap_err().kind(), ErrorKind::Usage, "{options:?}");
        }
        let any = TlsOptions {
            allow_invalid_hostnames: true,
            allow_invalid_certificates: true,
            ..TlsOptions::default()
        };
        any.check().unwrap();
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = check_authorities(Path::new("nowhere.pem")).unwrap_err().to_string();
        assert!(error.contains("nowhere.pem"), "{error}");
        let error = check_key_file(Path::new("nowhere.pem"), false).unwrap_err().to_string();
        assert!(error.contains("nowhere.pem"), "{error}");
    }
}
