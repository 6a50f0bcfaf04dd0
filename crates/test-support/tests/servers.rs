//! The servers that tests stand on do what they promise.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bson::{Bson, Document, doc};
use mongoark_test_support::fault::{FailCommand, SmallDisk};
use mongoark_test_support::{ReplicaSet, Server, connect, fresh_database_name, shared, wipe};
use mongodb::Client;
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{Acknowledgment, WriteConcern};

async fn run(client: &Client, command: Document) -> Result<Document, Error> {
    client.database("admin").run_command(command).await
}

fn code_of(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(error) => Some(error.code),
        _ => None,
    }
}

async fn insert_one(client: &Client) -> Result<(), Error> {
    let durable = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    client
        .database("test")
        .collection("things")
        .insert_one(doc! { "x": 1 })
        .write_concern(durable)
        .await
        .map(drop)
}

async fn count(client: &Client) -> u64 {
    client.database("test").collection::<Document>("things").count_documents(doc! {}).await.expect("a count")
}

#[tokio::test]
async fn a_standalone_server_answers_and_is_gone_when_dropped() {
    let server = Server::standalone().await;
    let hello = run(&server.client().await, doc! { "hello": 1 }).await.unwrap();
    assert!(hello.get_str("setName").is_err(), "{hello}");
    let (address, log) = (server.address(), server.log_path());
    assert!(log.is_file());
    drop(server);
    assert!(TcpStream::connect(address).is_err());
    assert!(!log.exists());
}

#[tokio::test]
async fn the_version_is_the_one_asked_for() {
    let server = Server::standalone().await;
    let info = run(&server.client().await, doc! { "buildInfo": 1 }).await.unwrap();
    assert_eq!(info.get_str("version").unwrap(), mongoark_test_support::Binary::default_version());
}

#[tokio::test]
async fn data_survives_a_crash_and_a_restart() {
    let mut set = ReplicaSet::single().await;
    insert_one(&set.client().await).await.unwrap();
    set.kill(0);
    assert!(TcpStream::connect(set.address(0)).is_err());
    set.restart(0).await;
    assert_eq!(set.primary().await, 0);
    set.restart(0).await;
    assert_eq!(count(&set.client().await).await, 1);
}

#[tokio::test]
async fn members_have_their_priority_tags_and_visibility() {
    let set = ReplicaSet::builder()
        .members(3)
        .priorities([1.0, 5.0])
        .tags(0, doc! { "use": "backup" })
        .hidden(2)
        .start()
        .await;
    assert_eq!(set.primary().await, 1);
    let answer = run(&set.client().await, doc! { "replSetGetConfig": 1 }).await.unwrap();
    let members = answer.get_document("config").unwrap().get_array("members").unwrap();
    let member = |i: usize| members[i].as_document().unwrap();
    assert_eq!(member(1).get("priority"), Some(&Bson::Double(5.0)));
    assert_eq!(member(0).get_document("tags").unwrap(), &doc! { "use": "backup" });
    assert!(member(2).get_bool("hidden").unwrap());
    assert!(!set.uri().contains(&set.address(2)));
    let hidden = run(&set.member_client(2).await, doc! { "hello": 1 }).await.unwrap();
    assert!(hidden.get_bool("secondary").unwrap() && hidden.get_bool("hidden").unwrap());

    assert_eq!(set.step_down().await, 0);
}

#[tokio::test]
async fn a_killed_primary_is_replaced() {
    let mut set = ReplicaSet::builder().members(3).start().await;
    set.kill(0);
    assert_ne!(set.primary().await, 0);
    set.restart(0).await;
    set.wait_until_ready().await;
}

#[tokio::test]
async fn a_paused_server_does_not_answer() {
    let server = Server::standalone().await;
    let client = server.client().await;
    run(&client, doc! { "ping": 1 }).await.unwrap();
    server.pause();
    let asked = tokio::spawn({
        let client = client.clone();
        async move { run(&client, doc! { "ping": 1 }).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!asked.is_finished());
    server.resume();
    asked.await.unwrap().unwrap();
}

#[tokio::test]
async fn access_control_refuses_who_is_not_signed_in() {
    let set = ReplicaSet::builder().members(1).auth("an@operator", "p:w/%").start().await;
    let alone = Server::builder().auth("operator", "secret").start().await;
    for (anonymous, signed_in) in [(set.anonymous_uri(), set.uri()), (alone.anonymous_uri(), alone.uri())] {
        let refused = insert_one(&connect(&anonymous).await).await.unwrap_err();
        assert_eq!(code_of(&refused), Some(13), "{refused}");
        insert_one(&connect(&signed_in).await).await.unwrap();
    }
}

#[tokio::test]
async fn tls_is_required_and_works_between_members_too() {
    let set = ReplicaSet::builder().members(2).tls().auth("operator", "secret").start().await;
    insert_one(&set.client().await).await.unwrap();
    let plain = format!("mongodb://{}/?directConnection=true&serverSelectionTimeoutMS=500", set.address(0));
    let client = Client::with_uri_str(&plain).await.unwrap();
    assert!(run(&client, doc! { "ping": 1 }).await.is_err());
    assert!(set.certificates().unwrap().client.is_file());
}

#[tokio::test]
async fn a_command_fails_as_often_as_asked() {
    let server = Server::standalone().await;
    let client = server.client().await;
    FailCommand::new(["insert"]).error_code(11601).times(2).enable(&client).await;
    for _ in 0..2 {
        assert_eq!(code_of(&insert_one(&client).await.unwrap_err()), Some(11601));
    }
    insert_one(&client).await.unwrap();

    FailCommand::new(["ping"]).close_connection().app_name("victim").enable(&client).await;
    let victim = connect(&format!("{}&appName=victim", server.uri())).await;
    assert!(run(&victim, doc! { "ping": 1 }).await.is_err());
    run(&client, doc! { "ping": 1 }).await.unwrap();
    FailCommand::disable(&client).await;
    run(&victim, doc! { "ping": 1 }).await.unwrap();
}

#[tokio::test]
async fn a_wiped_server_has_no_data_users_or_roles_but_ones_own() {
    let set = ReplicaSet::builder().auth("operator", "secret").start().await;
    let client = set.client().await;
    insert_one(&client).await.unwrap();
    client.database("admin").collection("mine").insert_one(doc! {}).await.unwrap();
    let shop = client.database("shop");
    shop.run_command(doc! { "createRole": "r", "privileges": [], "roles": [] }).await.unwrap();
    shop.run_command(doc! { "createUser": "u", "pwd": "p", "roles": ["r"] }).await.unwrap();

    wipe(&client).await;

    assert_eq!(client.list_database_names().await.unwrap(), ["admin", "config", "local"]);
    let users = run(&client, doc! { "usersInfo": { "forAllDBs": true } }).await.unwrap();
    let users = users.get_array("users").unwrap();
    assert_eq!(users.len(), 1);
    assert_eq!(users[0].as_document().unwrap().get_str("user").unwrap(), "operator");
    let admin = client.database("admin");
    assert_eq!(admin.collection::<Document>("system.roles").count_documents(doc! {}).await.unwrap(), 0);
    assert!(!admin.list_collection_names().await.unwrap().contains(&"mine".to_owned()));
}

#[test]
fn tests_share_one_server_across_their_runtimes() {
    let uri = || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let (alone, set) = (shared::standalone().await, shared::replica_set().await);
            insert_one(&connect(&set).await).await.unwrap();
            (alone, set)
        })
    };
    assert_eq!(uri(), uri());
    assert_ne!(fresh_database_name("a"), fresh_database_name("a"));
}

#[test]
fn a_small_disk_becomes_full_and_is_gone_when_dropped() {
    let disk = SmallDisk::mount(1 << 20);
    let file = disk.path().join("file");
    let full = std::fs::File::create(&file).unwrap().write_all(&vec![0; 2 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    drop(disk);
    assert!(!file.exists());
}

/// A test process that is killed takes its servers with it: this test runs itself once more and kills that.
#[test]
fn servers_die_with_the_test_process() {
    const INNER: &str = "MONGOARK_TEST_RUNS_INSIDE_ITSELF";
    if std::env::var_os(INNER).is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        println!("\naddress {}", runtime.block_on(shared::standalone()));
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "servers_die_with_the_test_process", "--nocapture"])
        .env(INNER, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let uri = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("address ").map(str::to_owned));
    let address = uri.unwrap().replace("mongodb://", "").replace("/?directConnection=true", "");
    assert!(TcpStream::connect(&address).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(&address).is_ok() {
        assert!(Instant::now() < deadline, "{address} is still served");
        std::thread::sleep(Duration::from_millis(20));
    }
}
