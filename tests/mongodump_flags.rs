//! Every flag of mongodump once, on a real server: what it writes and what it says. Run with `MONGOARK_TEST_TOOLS=DIR` the
//! same tests hold for the real tools in that folder.
#![cfg(unix)]

mod support;

use bson::doc;
use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use support::arg;
use support::shop::{C_DOCUMENTS, Shop};
use support::tools::{documents_in, gunzip};

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The files of a dump of the whole [`Shop`], without their database.
fn whole_shop() -> BTreeSet<String> {
    names(&[
        "c.bson",
        "c.metadata.json",
        "d.bson",
        "d.metadata.json",
        "d_log.bson",
        "d_log.metadata.json",
        "empty.bson",
        "empty.metadata.json",
        "prelude.json",
        "v.metadata.json",
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_goes_to_the_default_folder() {
    let shop = Shop::open().await;
    let run = shop.dump(&[]).expect(0);
    let db = &shop.db;
    assert_eq!(shop.tools.files(&format!("dump/{db}")), whole_shop());
    assert_eq!(shop.tools.documents(&format!("dump/{db}/c.bson")).len(), C_DOCUMENTS);
    assert!(run.stdout.is_empty());
    let run = run
        .says(&format!("\twriting `{db}.c` to `dump/{db}/c.bson`\n"))
        .says(&format!("\tdone dumping `{db}.c` (100 documents)\n"))
        .says(&format!("\tdone dumping `{db}.d` (10 documents)\n"));
    for line in run.stderr.lines() {
        let time = line.split_once('\t').unwrap().0;
        assert!(
            time.parse::<jiff::Zoned>().is_err() && time.len() == "2006-01-02T15:04:05.000-0700".len(),
            "{line}"
        );
        let fields: Vec<&str> = time.split(['-', 'T', ':', '.', '+']).collect();
        assert!(fields.iter().all(|field| field.bytes().all(|b| b.is_ascii_digit())), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn out_names_the_folder() {
    let shop = Shop::open().await;
    for (folder, flag) in [("a", "--out=a"), ("b", "-ob"), ("c", "--out=c/")] {
        shop.dump(&[flag]).expect(0);
        assert_eq!(shop.tools.files(&format!("{folder}/{}", shop.db)), whole_shop());
    }
    shop.dump(&["-o", "d/e/f"]).expect(0);
    assert_eq!(shop.tools.files(&format!("d/e/f/{}", shop.db)), whole_shop());
}

#[tokio::test(flavor = "multi_thread")]
async fn short_flags_host_and_port() {
    let shop = Shop::open().await;
    let (host, port) = shop.address().split_once(':').unwrap();
    let run = shop
        .tools
        .run("mongodump", &["-h", host, "--port", port, "-d", &shop.db, "-c", "d", "-j", "2", "-vv"]);
    run.expect(0).says("done dumping");
    assert_eq!(
        shop.tools.files(&format!("dump/{}", shop.db)),
        names(&["d.bson", "d.metadata.json", "prelude.json"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_may_name_the_set() {
    let shop = Shop::open().await;
    let hello = shop.client.database("admin").run_command(doc! { "hello": 1 }).await.unwrap();
    let set = format!("{}/{}", hello.get_str("setName").unwrap(), hello.get_str("me").unwrap());
    shop.tools.run("mongodump", &["--host", &set, "--db", &shop.db]).expect(0);
    assert_eq!(shop.tools.files(&format!("dump/{}", shop.db)), whole_shop());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_string_by_flag_or_by_place() {
    let shop = Shop::open().await;
    let uri = format!("mongodb://{}/{}", shop.address(), shop.db);
    shop.tools.run("mongodump", &["--uri", &uri, "-o", "a"]).expect(0);
    shop.tools.run("mongodump", &[&uri, "--out=b"]).expect(0);
    shop.tools.run("mongodump", &[&format!("--uri={uri}"), "-c", "c", "-oc"]).expect(0);
    assert_eq!(shop.tools.files(&format!("a/{}", shop.db)), whole_shop());
    assert_eq!(shop.tools.files(&format!("b/{}", shop.db)), whole_shop());
    assert_eq!(
        shop.tools.files(&format!("c/{}", shop.db)),
        names(&["c.bson", "c.metadata.json", "prelude.json"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_file_gives_the_connection_string() {
    let shop = Shop::open().await;
    fs::write(shop.tools.path("config.yaml"), format!("uri: mongodb://{}\n", shop.address())).unwrap();
    shop.tools.run("mongodump", &["--config=config.yaml", "-d", &shop.db]).expect(0);
    assert_eq!(shop.tools.files(&format!("dump/{}", shop.db)), whole_shop());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_selects_documents() {
    let shop = Shop::open().await;
    fs::write(shop.tools.path("query.json"), r#"{ "x": { "$lt": { "$numberInt": "2" } } }"#).unwrap();
    let file = format!("dump/{}/c.bson", shop.db);
    for (arguments, count) in [
        (["-c", "c", "--query", r#"{"x": 3}"#], 10),
        (["-cc", "-q", r#"{"_id": {"$gte": {"$numberLong": "90"}}}"#, "-v"], 10),
        (["-c", "c", "--queryFile", "query.json"], 20),
    ] {
        shop.dump(&arguments).expect(0);
        assert_eq!(shop.tools.documents(&file).len(), count, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_collection_to_standard_output() {
    let shop = Shop::open().await;
    let run = shop.dump(&["-c", "c", "--out", "-"]).expect(0);
    assert_eq!(documents_in(&run.stdout).len(), C_DOCUMENTS);
    assert!(!shop.tools.path("dump").exists());
    shop.dump(&["-c", "c", "-o-", "--gzip"]).expect(1).says("compression can't be used when dumping");
    shop.dump(&["-o-"]).expect(1).says("Failed: bad option: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_compresses_every_file() {
    let shop = Shop::open().await;
    shop.dump(&["--gzip"]).expect(0).says("/c.bson.gz`");
    let expected = whole_shop().into_iter().map(|name| format!("{name}.gz")).collect();
    assert_eq!(shop.tools.files(&format!("dump/{}", shop.db)), expected);
    assert_eq!(shop.tools.documents(&format!("dump/{}/c.bson.gz", shop.db)).len(), C_DOCUMENTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_to_a_file_a_folder_and_standard_output() {
    let shop = Shop::open().await;
    let magic = [0x6d, 0xe2, 0x99, 0x81];
    shop.dump(&["--archive=a.archive"]).expect(0).says("to \"archive `a.archive`\"");
    let archive = fs::read(shop.tools.path("a.archive")).unwrap();
    assert_eq!(archive[..4], magic);
    fs::create_dir(shop.tools.path("folder")).unwrap();
    shop.dump(&["--archive=folder"]).expect(0);
    assert_eq!(fs::read(shop.tools.path("folder/archive")).unwrap()[..4], magic);
    let run = shop.dump(&["--archive"]).expect(0).says("to `archive on stdout`");
    assert_eq!(run.stdout[..4], magic);
    let run = shop.dump(&["--archive", "--gzip"]).expect(0);
    assert_eq!(gunzip(&run.stdout)[..4], magic);
    shop.dump(&["--archive=folder", "--gzip"]).expect(0);
    assert_eq!(gunzip(&fs::read(shop.tools.path("folder/archive.gz")).unwrap())[..4], magic);
    assert!(!shop.tools.path("dump").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_are_left_out_by_name_or_prefix() {
    let shop = Shop::open().await;
    let folder = format!("dump/{}", shop.db);
    shop.dump(&["--excludeCollection=c", "--excludeCollection", "empty"]).expect(0);
    let left: BTreeSet<String> = names(&[
        "d.bson",
        "d.metadata.json",
        "d_log.bson",
        "d_log.metadata.json",
        "prelude.json",
        "v.metadata.json",
    ]);
    assert_eq!(shop.tools.files(&folder), left);
    fs::remove_dir_all(shop.tools.path("dump")).unwrap();
    shop.dump(&["--excludeCollectionsWithPrefix", "d", "--excludeCollectionsWithPrefix=e"]).expect(0);
    assert_eq!(
        shop.tools.files(&folder),
        names(&["c.bson", "c.metadata.json", "prelude.json", "v.metadata.json"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn views_as_collections_are_data_alone() {
    let shop = Shop::open().await;
    shop.dump(&["--viewsAsCollections"]).expect(0).says("(10 documents)");
    let folder = format!("dump/{}", shop.db);
    assert_eq!(shop.tools.files(&folder), names(&["prelude.json", "v.bson", "v.metadata.json"]));
    assert_eq!(shop.tools.documents(&format!("{folder}/v.bson")).len(), 10);
    let metadata = fs::read_to_string(shop.tools.path(&folder).join("v.metadata.json")).unwrap();
    assert!(!metadata.contains("viewOn") && !metadata.contains("pipeline"), "{metadata}");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_roles_of_one_database() {
    let shop = Shop::open().await;
    let user = doc! { "createUser": "ann", "pwd": "pw", "roles": ["read"] };
    shop.client.database(&shop.db).run_command(user).await.unwrap();
    shop.dump(&["--dumpDbUsersAndRoles"]).expect(0);
    let files = shop.tools.files(&format!("dump/{}", shop.db));
    for name in ["$admin.system.users.bson", "$admin.system.roles.bson", "$admin.system.version.bson"] {
        assert!(files.contains(name), "{files:?}");
    }
    let users = shop.tools.documents(&format!("dump/{}/$admin.system.users.bson", shop.db));
    assert_eq!(users.len(), 1);
    assert_eq!(users[0].get_str("user").unwrap(), "ann");
}

#[tokio::test(flavor = "multi_thread")]
async fn ways_of_reading_that_change_nothing() {
    let shop = Shop::open().await;
    for arguments in [
        &["--readPreference=nearest"][..],
        &["--readPreference", r#"{mode: "secondaryPreferred", tagSets: [{a: "b"}, {}]}"#],
        &["--forceTableScan"],
        &["--numParallelCollections=1"],
        &["--numParallelCollections", "16", "--numThreads=2"],
        &[
            "--dialTimeout=5",
            "--socketTimeout",
            "60",
            "--serverSelectionTimeout=10",
            "--compressors=snappy,zlib",
        ],
        &["--TCPKeepAliveSeconds=10"],
    ] {
        let out = shop.tools.path("dump");
        shop.dump(arguments).expect(0);
        assert_eq!(shop.tools.files(&format!("dump/{}", shop.db)), whole_shop(), "{arguments:?}");
        fs::remove_dir_all(out).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_says_nothing_and_verbose_says_more() {
    let shop = Shop::open().await;
    assert_eq!(shop.dump(&["--quiet"]).expect(0).stderr, "");
    assert_eq!(shop.dump(&["--quiet", "--query={}"]).expect(1).stderr, "");
    let normal = shop.dump(&[]).expect(0).stderr.lines().count();
    assert!(shop.dump(&["--verbose=3"]).expect(0).stderr.lines().count() > normal);
    assert!(shop.dump(&["-vvv"]).expect(0).stderr.lines().count() > normal);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_and_is_no_failure() {
    let shop = Shop::open().await;
    shop.dump(&["-c", "nothing"]).expect(0).says("does not exist");
    let run = shop.tools.run("mongodump", &["--host", shop.address(), "--db", "no_such_database"]);
    run.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oplog_comes_along() {
    // A set of its own: a dump with the oplog is one of everything.
    let set = mongoark_test_support::ReplicaSet::single().await;
    let shop = Shop::at(set.uri()).await;
    let run = shop.tools.run("mongodump", &["--host", shop.address(), "--oplog"]);
    run.expect(0).says("writing captured oplog to").says("dumped ");
    assert!(!shop.tools.documents("dump/oplog.bson").is_empty());
    shop.tools.run("mongodump", &["--host", shop.address(), "--oplog", "--gzip", "-o", "z"]).expect(0);
    let packed = fs::read(shop.tools.path("z/oplog.bson")).unwrap();
    assert!(!documents_in(&gunzip(&packed)).is_empty());
    assert!(shop.tools.files("z").contains("prelude.json.gz"));
    let run = shop.tools.run("mongodump", &["--host", shop.address(), "--oplog", "--archive=o"]).expect(0);
    run.says("dumped ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standalone_server_has_no_oplog() {
    let shop = Shop::at(mongoark_test_support::shared::standalone().await).await;
    shop.tools.run("mongodump", &["--host", shop.address(), "--oplog"]).expect(1).says("Failed: ");
    shop.dump(&[]).expect(0);
    assert_eq!(shop.tools.files(&format!("dump/{}", shop.db)), whole_shop());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_a_failure() {
    let shop = Shop::open().await;
    let collection = shop.client.database(&shop.db).collection("large");
    let documents: Vec<bson::Document> =
        (0..40).map(|n| doc! { "_id": n, "pad": "x".repeat(1_000_000) }).collect();
    collection.insert_many(documents).await.unwrap();
    for arguments in [&["--archive"][..], &["-c", "large", "--out=-"], &["--archive", "--gzip"]] {
        let mut dump = shop
            .tools
            .tool("mongodump")
            .args(["--host", shop.address(), "--db", &shop.db])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(dump.stdout.take());
        let output = dump.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("Failed: ") && said.contains("pipe"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_the_run_with_exit_code_1() {
    let shop = Shop::open().await;
    let collection = shop.client.database(&shop.db).collection("large");
    let documents: Vec<bson::Document> =
        (0..60).map(|n| doc! { "_id": n, "pad": "x".repeat(1_000_000) }).collect();
    collection.insert_many(documents).await.unwrap();
    for (signal, name) in [(libc::SIGINT, "interrupt"), (libc::SIGTERM, "terminated")] {
        let mut dump = shop
            .tools
            .tool("mongodump")
            .args(["--host", shop.address(), "--db", &shop.db, "--archive"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The first bytes are there, and the rest cannot go: the dump is in the midst of its work.
        let mut stdout = dump.stdout.take().unwrap();
        std::io::Read::read_exact(&mut stdout, &mut [0; 4]).unwrap();
        assert_eq!(unsafe { libc::kill(libc::pid_t::try_from(dump.id()).unwrap(), signal) }, 0);
        let reader = std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        let output = dump.wait_with_output().unwrap();
        reader.join().unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("signal '{name}' received; attempting to shut down")), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_named_and_the_password_is_not() {
    let shop = Shop::open().await;
    // The real one waits five minutes whatever the connection string says, and shows the password.
    if std::env::var_os("MONGOARK_TEST_TOOLS").is_none() {
        let uri = "mongodb://ann:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=300";
        let run = shop.tools.run("mongodump", &["--uri", uri]).expect(1).says("Failed: ");
        assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
    }
    let arguments =
        ["--host=127.0.0.1", "--port=1", "--serverSelectionTimeout=1", "-u", "ann", "-p", "s3cret"];
    let run = shop.tools.run("mongodump", &arguments).expect(1).says("Failed: ");
    assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_with_every_mechanism_that_a_server_here_has() {
    let set = mongoark_test_support::ReplicaSet::builder().auth("root", "p@ss word").start().await;
    let shop = Shop::at(set.uri()).await;
    let address = shop.uri.rsplit_once('@').unwrap().1.split(['/', '?']).next().unwrap().to_owned();
    let dump = |more: &[&str]| {
        shop.tools.run("mongodump", &[&["--host", address.as_str(), "--db", &shop.db], more].concat())
    };
    dump(&["-u", "root", "-p", "p@ss word", "--authenticationDatabase=admin"]).expect(0);
    for mechanism in ["SCRAM-SHA-1", "SCRAM-SHA-256"] {
        let mechanism = format!("--authenticationMechanism={mechanism}");
        let user =
            ["--username=root", "--password=p@ss word", "--authenticationDatabase", "admin", &mechanism];
        dump(&user).expect(0);
    }
    fs::write(shop.tools.path("secret.yaml"), "password: p@ss word\n").unwrap();
    dump(&["-uroot", "--config", "secret.yaml", "--authenticationDatabase=admin"]).expect(0);
    let run = dump(&["-u", "root", "-p", "wr0ng", "--authenticationDatabase=admin"]).expect(1);
    assert!(run.stderr.to_lowercase().contains("auth") && !run.stderr.contains("wr0ng"), "{}", run.stderr);
    dump(&[]).expect(1).says("Failed: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_authority_client_certificate_and_leniency() {
    let set = mongoark_test_support::ReplicaSet::builder().tls().start().await;
    let shop = Shop::at(set.uri()).await;
    let certificates = set.certificates().unwrap();
    let (authority, client) = (arg(&certificates.ca), arg(&certificates.client));
    let dump = |more: &[&str]| {
        shop.tools.run(
            "mongodump",
            &[&["--host", shop.address(), "--db", &shop.db, "--dialTimeout=2"], more].concat(),
        )
    };
    dump(&["--ssl", "--sslCAFile", authority, "--sslPEMKeyFile", client]).expect(0);
    dump(&["--ssl", "--sslCAFile", authority]).expect(0);
    dump(&["--ssl", "--tlsInsecure"]).expect(0);
    dump(&["--ssl", "--sslAllowInvalidCertificates"]).expect(0);
    dump(&["--ssl", "--serverSelectionTimeout=2"]).expect(1).says("Failed: ");
    let run = dump(&["--ssl", "--sslCAFile=nothing.pem"]).expect(1);
    assert!(run.stderr.contains("nothing.pem"), "{}", run.stderr);
}
