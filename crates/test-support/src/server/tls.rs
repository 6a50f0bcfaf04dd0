//! Certificates for a test server and its clients, made when it starts.

use std::fs;
use std::path::{Path, PathBuf};

use pkcs8::pkcs5::pbes2;
use pkcs8::{LineEnding, PrivateKeyInfoRef};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// PEM files of one authority, of the server and of a client that it vouches for.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// Certificate and key of the server, for `localhost` and `127.0.0.1` unless other names were asked for.
    pub server: PathBuf,
    /// Certificate and key of a client.
    pub client: PathBuf,
    /// The same, its key encrypted with [`Certificates::KEY_PASSWORD`].
    pub encrypted_client: PathBuf,
    /// The certificate of an authority that vouches for nobody here.
    pub other_ca: PathBuf,
}

impl Certificates {
    /// The password of the encrypted key.
    pub const KEY_PASSWORD: &str = "open sesame";
    /// The client's name, as a server knows the user that signs in with its certificate.
    pub const CLIENT_SUBJECT: &str = "O=mongoark clients,CN=mongoark test client";

    /// Writes a new authority, a server of these names and a client into `folder`.
    pub fn create(folder: &Path, server_names: &[String]) -> Self {
        let authority = authority();
        let (certificate, key) =
            signed_by(&authority.issuer, "mongoark clients", "mongoark test client", server_names);
        let client = format!("{certificate}{}", key.serialize_pem());
        let encrypted_client = format!("{certificate}{}", encrypted(&key));
        let (certificate, key) =
            signed_by(&authority.issuer, "mongoark", "mongoark test server", server_names);
        let server = format!("{certificate}{}", key.serialize_pem());
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            write(&path, text);
            path
        };
        Self {
            ca: file("ca.pem", &authority.certificate),
            server: file("server.pem", &server),
            client: file("client.pem", &client),
            encrypted_client: file("encrypted-client.pem", &encrypted_client),
            other_ca: file("other-ca.pem", &self::authority().certificate),
        }
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

/// Certificate and key, for both ends of a connection: members of a replica set are clients of each other. A server
/// takes no user of its own house.
fn signed_by(
    issuer: &Issuer<'static, KeyPair>,
    house: &str,
    name: &str,
    hosts: &[String],
) -> (String, KeyPair) {
    let mut params = CertificateParams::new(hosts).expect("names for a certificate");
    params.distinguished_name.push(DnType::OrganizationName, house);
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    (certificate.pem(), key)
}

/// The key as OpenSSL encrypts it, under a salt that need not be a secret's.
fn encrypted(key: &KeyPair) -> String {
    let der = key.serialize_der();
    let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(2048, &[7; 16], [9; 16]);
    let key = PrivateKeyInfoRef::try_from(der.as_slice()).expect("a key in PKCS #8");
    let encrypted = key.encrypt_with_params(parameters.expect("parameters"), Certificates::KEY_PASSWORD);
    let pem = encrypted.and_then(|document| Ok(document.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)?));
    pem.expect("an encrypted key").to_string()
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}
