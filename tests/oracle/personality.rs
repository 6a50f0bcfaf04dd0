//! The program called mongodump --oplog and mongorestore --oplogReplay: the state at the last entry of the dump.

use std::fs;
use std::process::Command;
use std::time::Duration;

use bson::{Document, Timestamp};
use mongoark_test_support::ReplicaSet;
use mongoark_test_support::corpus::Random;

use crate::desk::{Desk, a_while, as_argument};
use crate::seeds;
use crate::slowed::Slowed;
use crate::support::arg;
use crate::support::tools::documents_in;

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_mongodump_restores_to_its_last_entry_on_one_member() {
    let mut desk = Desk::start(1).await;
    seeds::each("mongodump, one member", async |seed| check(&mut desk, seed, Elections::None).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_mongodump_restores_to_its_last_entry_through_an_election_on_three_members() {
    let mut desk = Desk::start(3).await;
    seeds::each("mongodump, three members", async |seed| check(&mut desk, seed, Elections::One).await).await;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Elections {
    None,
    One,
}

/// How a dump is stored.
#[derive(Debug, Clone, Copy)]
enum Form {
    Folder,
    Archive,
}

async fn check(desk: &mut Desk, seed: u64, elections: Elections) -> String {
    let mut random = Random::new(seed);
    let form = *random.pick(&[Form::Folder, Form::Archive]);
    let writers = desk.writers(seed).await;
    a_while(&mut random).await;
    let mut dump = Slowed::start(&mut mongodump(desk, form), desk.path("dump.log"));
    let status = match elections {
        Elections::None => dump.crawl(&mut random).await,
        Elections::One => {
            let moment = Duration::from_millis(300 + random.below(1_500) as u64);
            tokio::join!(dump.crawl(&mut random), step_down_after(&desk.source, moment)).0
        }
    };
    a_while(&mut random).await;
    let model = writers.stop().await;
    dump.expect_success(status);
    let (first, last, entries) = span(&oplog(desk, form));
    desk.restore(&mut mongorestore(desk, form), seed).await;
    desk.expect_state_at(&model, last, seed, "after mongorestore --oplogReplay").await;
    desk.expect_equal_members(&model, seed).await;
    let changes = model.changes_within(first, last);
    format!("{form:?}, {entries} entries, {changes} changes up to {}", as_argument(last))
}

async fn step_down_after(set: &ReplicaSet, moment: Duration) {
    tokio::time::sleep(moment).await;
    set.step_down().await;
}

fn mongodump(desk: &Desk, form: Form) -> Command {
    let mut command = desk.tools.mongodump();
    command.args(["--uri", &desk.source.uri(), "--oplog"]);
    match form {
        Form::Folder => command.arg("--out").arg(desk.path("dump")),
        Form::Archive => command.arg(format!("--archive={}", arg(&desk.path("archive")))),
    };
    command
}

fn mongorestore(desk: &Desk, form: Form) -> Command {
    let mut command = desk.tools.mongorestore();
    command.args(["--uri", &desk.target.uri(), "--oplogReplay"]);
    match form {
        Form::Folder => command.arg(desk.path("dump")),
        Form::Archive => command.arg(format!("--archive={}", arg(&desk.path("archive")))),
    };
    command
}

/// Times of the first and the last entry, and how many there are.
fn span(entries: &[Document]) -> (Timestamp, Timestamp, usize) {
    let time = |entry: Option<&Document>| entry.expect("a dump with an oplog").get_timestamp("ts").unwrap();
    (time(entries.first()), time(entries.last()), entries.len())
}

/// The oplog entries of a dump.
fn oplog(desk: &Desk, form: Form) -> Vec<Document> {
    match form {
        Form::Folder => documents_in(&fs::read(desk.path("dump/oplog.bson")).unwrap()),
        Form::Archive => documents_in(&oplog_in_archive(&fs::read(desk.path("archive")).unwrap())),
    }
}

/// The entries inside an archive: the blocks of the namespace without a database, which is called oplog.
fn oplog_in_archive(archive: &[u8]) -> Vec<u8> {
    let mut at = 4;
    let mut entries = Vec::new();
    // The prelude is a block like others, of documents without a namespace.
    while at < archive.len() {
        let mut documents = Vec::new();
        while archive[at..at + 4] != [0xff; 4] {
            let length = u32::from_le_bytes(archive[at..at + 4].try_into().unwrap()) as usize;
            documents.push(&archive[at..at + length]);
            at += length;
        }
        at += 4;
        let header = Document::from_reader(documents[0]).unwrap();
        let is = |field, text| header.get_str(field).is_ok_and(|found| found == text);
        if is("db", "") && is("collection", "oplog") {
            entries.extend_from_slice(&documents[1..].concat());
        }
    }
    entries
}
