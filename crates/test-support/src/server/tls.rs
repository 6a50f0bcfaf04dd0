//! Certificates for a test server and its clients, made when it starts.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// PEM files of one authority, of the server and of a client that it vouches for.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// Certificate and key of the server, for `localhost` and `127.0.0.1`.
    pub server: PathBuf,
    /// Certificate and key of a client.
    pub client: PathBuf,
}

impl Certificates {
    /// Writes a new authority, server and client into `folder`.
    pub fn create(folder: &Path) -> Self {
        let authority = authority();
        let (ca, server, client) =
            (folder.join("ca.pem"), folder.join("server.pem"), folder.join("client.pem"));
        write(&ca, &authority.certificate);
        write(&server, &signed_by(&authority.issuer, "mongoark test server"));
        write(&client, &signed_by(&authority.issuer, "mongoark test client"));
        Self { ca, server, client }
    }

    pub(super) fn server_arguments(&self) -> [String; 7] {
        let text = |path: &Path| path.display().to_string();
        let server = text(&self.server);
        let [mode, require, key, authority] =
            ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", "--tlsCAFile"].map(str::to_owned);
        let anonymous = "--tlsAllowConnectionsWithoutCertificates".to_owned();
        [mode, require, key, server, authority, text(&self.ca), anonymous]
    }

    pub(super) fn uri_options(&self) -> Vec<(&'static str, String)> {
        vec![
            ("tls", "true".to_owned()),
            ("tlsCAFile", self.ca.display().to_string()),
            ("tlsCertificateKeyFile", self.client.display().to_string()),
        ]
    }
}

struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "mongoark test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    Authority { certificate, issuer: Issuer::new(params, key) }
}

/// Certificate and key, for both ends of a connection: members of a replica set are clients of each other.
fn signed_by(issuer: &Issuer<'static, KeyPair>, name: &str) -> String {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).expect("names for a certificate");
    params.distinguished_name.push(DnType::OrganizationName, "mongoark");
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    format!("{}{}", certificate.pem(), key.serialize_pem())
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}
