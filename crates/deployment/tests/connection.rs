//! Ways to a deployment: every mechanism and every kind of TLS that a server here offers, and what is said when one
//! does not work.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bson::{Document, doc};
use mongoark_bson_bytes::Builder;
use mongoark_deployment::{
    Connection, ConnectionOptions, ConnectionString, Conventions, Error, ErrorKind, Inserter, Password,
    ReadMode, ReadPreference, Result, Source, SourceOptions, Target, TargetOptions, TlsOptions, catalog,
};
use mongoark_model::Namespace;
use mongoark_test_support::{Certificates, ReplicaSet, Server, connect, shared};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// A wrong key or certificate shows at once; the driver goes on looking for a server all the same.
const PATIENCE: Duration = Duration::from_secs(2);
const SECRET: &str = "p@ss/w0rd";

/// As the tools would connect to this address.
fn tool(address: &str) -> ConnectionOptions {
    let mut options = ConnectionOptions {
        conventions: Conventions::DatabaseTools,
        server_selection_timeout: Some(PATIENCE),
        ..ConnectionOptions::default()
    };
    options.set_host(address, None);
    options
}

fn user(address: &str, name: &str, password: &str, mechanism: &str) -> ConnectionOptions {
    ConnectionOptions {
        username: Some(name.to_owned()),
        password: Some(Password::new(password)),
        auth_source: Some("admin".to_owned()),
        mechanism: (!mechanism.is_empty()).then(|| mechanism.to_owned()),
        ..tool(address)
    }
}

/// Connects and asks something that only a user may ask.
async fn ask(options: &ConnectionOptions) -> Result<Source> {
    let source = Source::through(&Connection::new(options).await?, &SourceOptions::default()).await?;
    catalog::collections(&source, "admin").await?;
    Ok(source)
}

async fn refusal(options: &ConnectionOptions) -> Error {
    let error = ask(options).await.err().unwrap();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(SECRET) && !shown.contains("p%40ss%2Fw0rd"), "{shown}");
    error
}

async fn run(uri: &str, db: &str, command: Document) -> Document {
    connect(uri).await.database(db).run_command(command).await.unwrap()
}

#[tokio::test]
async fn users_sign_in_with_each_scram_mechanism() {
    let server = Server::builder().auth("root", SECRET).start().await;
    let address = server.address();
    for mechanism in ["", "SCRAM-SHA-1", "SCRAM-SHA-256", "scram-sha-256"] {
        ask(&user(&address, "root", SECRET, mechanism)).await.unwrap();
    }
    let uri = ConnectionString::new(format!("mongodb://root@{address}/?authSource=admin"));
    let password = Some(Password::new(SECRET));
    ask(&ConnectionOptions { uri: Some(uri), password, ..ConnectionOptions::default() }).await.unwrap();
    let create =
        doc! { "createUser": "sha1", "pwd": SECRET, "roles": ["root"], "mechanisms": ["SCRAM-SHA-1"] };
    run(&server.uri(), "admin", create).await;
    ask(&user(&address, "sha1", SECRET, "")).await.unwrap();
    assert_eq!(
        refusal(&user(&address, "sha1", SECRET, "SCRAM-SHA-256")).await.kind(),
        ErrorKind::Authentication
    );
}

#[tokio::test]
async fn users_are_looked_for_in_the_database_that_is_worked_on() {
    let server = Server::builder().auth("root", SECRET).start().await;
    let create = doc! { "createUser": "ann", "pwd": SECRET, "roles": [{ "role": "root", "db": "admin" }] };
    run(&server.uri(), "shop", create).await;
    let mut options = user(&server.address(), "ann", SECRET, "");
    options.auth_source = None;
    assert_eq!(refusal(&options).await.kind(), ErrorKind::Authentication);
    options.database = Some("shop".to_owned());
    ask(&options).await.unwrap();
}

#[tokio::test]
async fn a_user_that_cannot_sign_in_is_told_so() {
    let server = Server::builder().auth("root", SECRET).start().await;
    let address = server.address();
    let begin = Instant::now();
    for (name, mechanism) in [("root", ""), ("root", "SCRAM-SHA-1"), ("nobody", ""), ("root", "PLAIN")] {
        let mut options = user(&address, name, &format!("not {SECRET}"), mechanism);
        options.auth_source = (mechanism != "PLAIN").then(|| "admin".to_owned());
        let error = refusal(&options).await;
        assert_eq!(error.kind(), ErrorKind::Authentication, "{name} {mechanism}: {error}");
    }
    assert!(begin.elapsed() < Duration::from_secs(20), "took {:?}", begin.elapsed());
    assert_eq!(refusal(&tool(&address)).await.kind(), ErrorKind::Unauthorized);
    let uri = format!("mongodb://root:not{}@{address}/?authSource=admin", "p%40ss%2Fw0rd");
    let error = refusal(&ConnectionOptions::native(&ConnectionString::new(uri))).await;
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
}

#[tokio::test]
async fn mechanisms_that_a_build_lacks_are_refused_by_name() {
    for (mechanism, feature, is_there) in [
        ("GSSAPI", "gssapi-auth", cfg!(feature = "gssapi-auth")),
        ("MONGODB-AWS", "aws-auth", cfg!(feature = "aws-auth")),
    ] {
        let refused = Connection::new(&user("127.0.0.1:1", "ann", SECRET, mechanism)).await;
        if !is_there {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(feature), "{error}");
        }
    }
    let error = Connection::new(&user("127.0.0.1:1", "ann", SECRET, "MONGODB-X")).await.unwrap_err();
    assert!(error.to_string().contains("MONGODB-X") && !error.to_string().contains(SECRET), "{error}");
}

fn tls(address: &str, ca: &Path) -> ConnectionOptions {
    let tls = TlsOptions { enabled: true, ca_file: Some(ca.to_owned()), ..TlsOptions::default() };
    ConnectionOptions { tls, ..tool(address) }
}

fn x509(address: &str, certificates: &Certificates, key: &Path, password: Option<&str>) -> ConnectionOptions {
    let mut options = tls(address, &certificates.ca);
    options.tls.key_file = Some(key.to_owned());
    options.tls.key_password = password.map(Password::new);
    options.mechanism = Some("MONGODB-X509".to_owned());
    options
}

#[tokio::test]
async fn a_certificate_is_a_user_with_a_plain_and_with_an_encrypted_key() {
    let server = Server::builder().auth("root", SECRET).tls().start().await;
    let (address, certificates) = (server.address(), server.certificates().unwrap());
    let create =
        doc! { "createUser": Certificates::CLIENT_SUBJECT, "roles": [{ "role": "root", "db": "admin" }] };
    run(&server.uri(), "$external", create).await;

    let right = Some(Certificates::KEY_PASSWORD);
    let plain = x509(&address, certificates, &certificates.client, None);
    ask(&plain).await.unwrap();
    // A password for a key that needs none is no mistake.
    ask(&x509(&address, certificates, &certificates.client, right)).await.unwrap();
    ask(&ConnectionOptions { username: Some(Certificates::CLIENT_SUBJECT.to_owned()), ..plain })
        .await
        .unwrap();
    ask(&x509(&address, certificates, &certificates.encrypted_client, right)).await.unwrap();
    let shown = |path: &Path| path.display().to_string().replace('/', "%2F");
    let uri = format!(
        "mongodb://{address}/?authMechanism=MONGODB-X509&tls=true&tlsCAFile={}&tlsCertificateKeyFile={}\
         &tlsCertificateKeyFilePassword=open%20sesame",
        shown(&certificates.ca),
        shown(&certificates.encrypted_client)
    );
    ask(&ConnectionOptions::native(&ConnectionString::new(uri))).await.unwrap();

    let error = refusal(&x509(&address, certificates, &certificates.encrypted_client, Some(SECRET))).await;
    assert!(
        error.kind() == ErrorKind::Usage && error.to_string().contains("encrypted-client.pem"),
        "{error}"
    );
    let error = refusal(&x509(&address, certificates, &certificates.encrypted_client, None)).await;
    assert!(error.to_string().contains("encrypted-client.pem"), "{error}");
    let error = refusal(&x509(&address, certificates, &certificates.ca, None)).await;
    assert!(error.to_string().contains("no private key"), "{error}");
    assert!(mongoark_deployment::key_file_is_encrypted(&certificates.encrypted_client).unwrap());
    assert!(!mongoark_deployment::key_file_is_encrypted(&certificates.client).unwrap());
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_not_spoken_to() {
    let server = Server::builder().tls().tls_names(&["127.0.0.1"]).start().await;
    let (address, certificates) = (server.address(), server.certificates().unwrap());
    ask(&tls(&address, &certificates.ca)).await.unwrap();
    let other_name = address.replace("127.0.0.1", "localhost");
    let mut system = tls(&address, &certificates.ca);
    system.tls.ca_file = None;
    for options in
        [tls(&address, &certificates.other_ca), tls(&other_name, &certificates.ca), system, tool(&address)]
    {
        let error = refusal(&options).await;
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    }
    for name in [&address, &other_name] {
        let mut options = tls(name, &certificates.other_ca);
        options.tls.allow_invalid_certificates = true;
        options.tls.allow_invalid_hostnames = true;
        ask(&options).await.unwrap();
    }
    let uri = format!("mongodb://{other_name}/?tls=true&tlsInsecure=true");
    ask(&ConnectionOptions::native(&ConnectionString::new(uri))).await.unwrap();
    let uri = format!("mongodb://{other_name}/?tls=true&tlsAllowInvalidHostnames=true");
    let error = refusal(&ConnectionOptions::native(&ConnectionString::new(uri))).await;
    assert!(error.kind() == ErrorKind::Usage && error.to_string().contains("tlsInsecure"), "{error}");
}

#[tokio::test]
async fn files_that_tls_needs_are_looked_at_first() {
    let nowhere = Path::new("/no/such/file.pem");
    let error = Connection::new(&tls("127.0.0.1:1", nowhere)).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Usage && error.to_string().contains("/no/such/file.pem"), "{error}");
    let server = Server::builder().tls().start().await;
    let certificates = server.certificates().unwrap();
    let folder = certificates.ca.parent().unwrap();
    let legacy = folder.join("legacy.pem");
    let key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n";
    let certificate = std::fs::read_to_string(&certificates.ca).unwrap();
    std::fs::write(&legacy, format!("{certificate}{key}")).unwrap();
    let error = Connection::new(&x509("127.0.0.1:1", certificates, &legacy, Some(SECRET))).await.unwrap_err();
    assert!(error.to_string().contains("openssl pkcs8 -topk8"), "{error}");
}

#[tokio::test]
async fn a_secondary_can_be_spoken_to_directly() {
    let set = ReplicaSet::builder().members(2).priorities([1.0, 0.0]).start().await;
    let secondary = set.address(1);
    let primary = SourceOptions {
        read_preference: Some(ReadPreference::new(ReadMode::Primary)),
        ..SourceOptions::default()
    };
    let connection = Connection::new(&tool(&secondary)).await.unwrap();
    assert!(connection.is_direct());
    let source = Source::through(&connection, &primary).await.unwrap();
    assert_eq!(source.info().member.address, secondary);
    assert!(!catalog::collections(&source, "local").await.unwrap().is_empty());

    let through_set = Connection::new(&tool(&format!("rs0/{secondary}"))).await.unwrap();
    let source = Source::through(&through_set, &primary).await.unwrap();
    assert_eq!(source.info().member.address, set.address(0));
    let uri = format!("mongodb://{secondary}/?replicaSet=rs0&readPreference=primary");
    let uri = ConnectionOptions::native(&ConnectionString::new(uri));
    let wanted = Some("{mode: 'secondary', tagSets: [{}]}".parse().unwrap());
    let options = SourceOptions { read_preference: wanted, ..SourceOptions::default() };
    let connection = Connection::new(&uri).await.unwrap();
    let source = Source::through(&connection, &options).await.unwrap();
    assert_eq!(source.info().member.address, secondary, "the flag wins");
    let source = Source::through(&connection, &SourceOptions::default()).await.unwrap();
    assert_eq!(source.info().member.address, set.address(0), "then the connection string");
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_given_up_in_time() {
    // Bound and let go: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let begin = Instant::now();
    let stated =
        format!("mongodb://ann:p%40ss%2Fw0rd@{address}/?serverSelectionTimeoutMS=300&connectTimeoutMS=200");
    for options in [
        ConnectionOptions::native(&ConnectionString::new(stated.as_str())),
        ConnectionOptions {
            uri: Some(ConnectionString::new(stated)),
            server_selection_timeout: Some(Duration::from_secs(600)),
            ..ConnectionOptions::default()
        },
        ConnectionOptions {
            server_selection_timeout: Some(Duration::from_millis(300)),
            ..user(&address.to_string(), "ann", SECRET, "")
        },
    ] {
        let error = refusal(&options).await;
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
    assert!(begin.elapsed() < Duration::from_secs(15), "took {:?}", begin.elapsed());
}

#[tokio::test]
async fn the_write_concern_of_a_connection_string_is_obeyed() {
    let set = ReplicaSet::builder().members(2).priorities([1.0, 0.0]).start().await;
    let target = async |more: &str| {
        let uri = ConnectionString::new(format!("{}&{more}", set.uri()));
        Target::connect(&uri, &TargetOptions::default()).await
    };
    let mut document = Builder::new();
    let document = document.str("name", "x").finish();
    let namespace = Namespace::new("concern", "c");
    let both = target("w=2&wtimeoutMS=300&journal=false").await.unwrap();
    assert_eq!(both.write_concern().to_string(), "w: 2, j: false, wtimeout: 300");
    set.pause(1);
    let error = Inserter::new(&both, namespace.clone()).insert(&document).await.unwrap_err();
    set.resume(1);
    assert!(error.is_code(64), "{error}");
    assert_eq!(target("w=0").await.unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(target("appName=x").await.unwrap().write_concern().to_string(), "w: majority, j: true");
    let given = TargetOptions { write_concern: Some("1".parse().unwrap()) };
    let uri = ConnectionString::new(format!("{}&w=2", set.uri()));
    let given = Target::connect(&uri, &given).await.unwrap();
    assert_eq!(given.write_concern().to_string(), "w: 1, j: true");
}

#[tokio::test]
async fn messages_are_compressed_when_asked_for() {
    let uri = shared::standalone().await;
    for compressor in ["snappy", "zlib", "zstd"] {
        let sent = async || {
            let status = run(&uri, "admin", doc! { "serverStatus": 1 }).await;
            let network = status.get_document("network").unwrap().get_document("compression").unwrap();
            let sides = network.get_document(compressor).unwrap();
            sides.get_document("decompressor").unwrap().get_i64("bytesIn").unwrap()
        };
        let before = sent().await;
        let compressors = vec![compressor.to_owned()];
        let options =
            ConnectionOptions { uri: Some(ConnectionString::new(uri.as_str())), compressors, ..tool("") };
        ask(&ConnectionOptions { hosts: Vec::new(), ..options }).await.unwrap();
        assert!(sent().await > before, "{compressor}");
    }
}

#[tokio::test]
async fn what_the_connection_string_says_can_be_asked() {
    let uri = ConnectionString::new(
        "mongodb://h:1/shop?readPreference=nearest&what=1&socketTimeoutMS=5&retryWrites=false",
    );
    let options =
        ConnectionOptions { uri: Some(uri.clone()), conventions: Conventions::DatabaseTools, ..tool("h:1") };
    let connection = Connection::new(&options).await.unwrap();
    assert_eq!(connection.database(), Some("shop"));
    assert_eq!(connection.ignored_options(), ["what"]);
    assert_eq!(connection.read_preference(), Some(ReadPreference::new(ReadMode::Nearest)));
    let error = Connection::new(&ConnectionOptions::native(&uri)).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Usage && error.to_string().contains("what"), "{error}");
}

#[tokio::test]
async fn the_id_of_a_set_is_learnt_without_a_right_to_its_configuration() {
    let set = ReplicaSet::builder().auth("root", SECRET).start().await;
    let admin = set.client().await.database("admin");
    let config = admin.run_command(doc! { "replSetGetConfig": 1 }).await.unwrap();
    let settings = config.get_document("config").unwrap().get_document("settings").unwrap();
    let expected = settings.get_object_id("replicaSetId").unwrap().bytes();
    for (name, roles) in [("keeper", vec!["backup"]), ("nobody", vec![])] {
        admin.run_command(doc! { "createUser": name, "pwd": SECRET, "roles": roles }).await.unwrap();
        let connection = Connection::new(&user(&set.address(0), name, SECRET, "")).await.unwrap();
        let source = Source::through(&connection, &SourceOptions::default()).await.unwrap();
        assert_eq!(source.info().set_id, Some(expected), "{name}");
    }
}
