//! Dumps that were cut, flipped or forged, given to the program under the name mongorestore on a real server: each
//! ends with exit code 1 and names the file and the place in it, and none hangs.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use mongoark_test_support::fresh_database_name;
use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::shop::Shop;
use support::{Run, arg};

/// A run that takes so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Places that are damaged in a file of some kilobytes.
const PLACES: usize = 40;
/// What ends an archive's prelude.
const TERMINATOR: [u8; 4] = [0xff; 4];

/// Runs mongorestore to its end, which has to come.
fn restore(shop: &Shop, more: &[&str]) -> Run {
    let mut command = shop.tools.mongorestore();
    command.args(["--host", shop.address(), "--drop"]).args(more);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        stderr.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
    });
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            None => {
                child.kill().unwrap();
                panic!("mongorestore hangs: {:?}", reader.join().unwrap());
            }
        }
    };
    Run { code: status.code().unwrap_or(-1), stdout: Vec::new(), stderr: reader.join().unwrap().unwrap() }
}

/// A shop, its dump as an archive, and where the archive's prelude ends.
async fn archived() -> (Shop, Vec<u8>, usize) {
    let shop = Shop::open().await;
    shop.dump(&["--archive=whole"]).expect(0);
    let archive = fs::read(shop.tools.path("whole")).unwrap();
    let prelude = archive.windows(4).position(|word| word == TERMINATOR).unwrap() + 4;
    (shop, archive, prelude)
}

/// The archive `bytes`, restored; `what` is what was done to it.
fn refused(shop: &Shop, bytes: &[u8], what: &str) {
    let file = shop.tools.path("damaged");
    fs::write(&file, bytes).unwrap();
    let run = restore(shop, &[&format!("--archive={}", arg(&file))]);
    assert_eq!(run.code, 1, "{what}:\n{}", run.stderr);
    assert!(run.stderr.contains(arg(&file)), "{what}: the file is not named:\n{}", run.stderr);
    assert!(names_a_place(&run.stderr), "{what}: no offset is named:\n{}", run.stderr);
}

fn names_a_place(text: &str) -> bool {
    ["offset ", "byte ", "it begins with", "empty"].iter().any(|place| text.contains(place))
}

/// Whether a byte is one of the eight that a block's header keeps for a checksum that only the end of a namespace has.
fn is_idle(archive: &[u8], place: usize) -> bool {
    const IDLE: &[u8] = b"\x08EOF\0\0\x12CRC\0\0\0\0\0\0\0\0\0";
    let first = place.saturating_sub(IDLE.len());
    let start = archive[first..=place].windows(11).position(|bytes| bytes == &IDLE[..11]);
    start.is_some_and(|start| (11..19).contains(&(place - first - start)))
}

/// Places all over a file, and more of them at both ends.
fn places(len: usize) -> Vec<usize> {
    let step = (len / PLACES).max(1);
    let mut places: Vec<usize> = (0..len).step_by(step).chain([1, 3, 4, 5, 8]).collect();
    places.extend((1..=6).map(|back| len - back * 3));
    places
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_cut_anywhere() {
    let (shop, archive, _) = archived().await;
    for len in places(archive.len()) {
        refused(&shop, &archive[..len], &format!("cut at {len}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_with_a_flipped_bit_in_its_body() {
    let (shop, archive, prelude) = archived().await;
    for (turn, place) in places(archive.len() - prelude).into_iter().enumerate() {
        let mut damaged = archive.clone();
        damaged[prelude + place] ^= 1 << (turn % 8);
        let what = format!("bit {} of byte {} flipped", turn % 8, prelude + place);
        // A truth is true whatever its byte, but for zero.
        let is_truth = archive[..prelude + place].ends_with(b"\x08EOF\0") && archive[prelude + place] == 1;
        if is_idle(&archive, prelude + place) || is_truth && damaged[prelude + place] != 0 {
            continue;
        }
        refused(&shop, &damaged, &what);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_with_more_behind_its_end() {
    let (shop, archive, _) = archived().await;
    for more in [&b"\0"[..], b"more", &[5, 0, 0, 0, 0], &TERMINATOR, &archive] {
        refused(&shop, &[&archive, more].concat(), &format!("{} bytes more", more.len()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_states_impossible_lengths() {
    let (shop, archive, prelude) = archived().await;
    for at in [4, prelude] {
        for length in [-1, 0, 4, 17 * 1024 * 1024, i32::MAX] {
            let mut damaged = archive.clone();
            damaged[at..at + 4].copy_from_slice(&i32::to_le_bytes(length));
            refused(&shop, &damaged, &format!("length {length} at {at}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_archive_that_was_cut_flipped_or_added_to() {
    let (shop, archive, _) = archived().await;
    let gzip = Command::new("gzip").arg("-c").arg(shop.tools.path("whole")).output().unwrap();
    let packed = gzip.stdout;
    let damages = [
        packed[..packed.len() - 1].to_vec(),
        packed[..packed.len() / 2].to_vec(),
        packed[..5].to_vec(),
        [&packed[..], b"garbage"].concat(),
        flipped(&packed, packed.len() / 2),
        flipped(&packed, packed.len() - 6),
        archive.clone(),
    ];
    for (case, damaged) in damages.iter().enumerate() {
        let file = shop.tools.path("damaged.gz");
        fs::write(&file, damaged).unwrap();
        let run = restore(&shop, &["--gzip", &format!("--archive={}", arg(&file))]);
        assert_eq!(run.code, 1, "case {case}:\n{}", run.stderr);
        assert!(run.stderr.contains(arg(&file)), "case {case}: the file is not named:\n{}", run.stderr);
    }
}

fn flipped(bytes: &[u8], place: usize) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    damaged[place] ^= 0x10;
    damaged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_a_damaged_file() {
    let shop = Shop::open().await;
    shop.dump(&[]).expect(0);
    let folder = format!("dump/{}", shop.db);
    let (data, metadata) = (format!("{folder}/c.bson"), format!("{folder}/c.metadata.json"));
    let documents = fs::read(shop.tools.path(&data)).unwrap();
    let mut lengths = documents.clone();
    lengths[..4].copy_from_slice(&i32::to_le_bytes(3));
    let mut unended = documents.clone();
    *unended.last_mut().unwrap() = 1;
    for (file, contents) in [
        (&data, documents[..documents.len() - 1].to_vec()),
        (&data, documents[..2].to_vec()),
        (&data, [&documents[..], b"\x01"].concat()),
        (&data, lengths),
        (&data, unended),
        (&metadata, b"{".to_vec()),
        (&metadata, b"{\"options\": 1}".to_vec()),
        (&metadata, b"\xff\xfe".to_vec()),
        (&metadata, b"[".repeat(100_000)),
    ] {
        let path = shop.tools.path(file);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &contents).unwrap();
        let run = restore(&shop, &[]);
        fs::write(&path, whole).unwrap();
        assert_eq!(run.code, 1, "{file}:\n{}", run.stderr);
        assert!(run.stderr.contains(file.as_str()), "{file} is not named:\n{}", run.stderr);
    }
    restore(&shop, &[]).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_with_a_broken_inside_is_found_by_objcheck() {
    let shop = Shop::open().await;
    shop.dump(&["-c", "d"]).expect(0);
    let file = format!("dump/{}/d.bson", shop.db);
    let mut documents = fs::read(shop.tools.path(&file)).unwrap();
    // The kind of the second document's first element becomes one that BSON does not have.
    let second = i32::from_le_bytes(*documents.first_chunk().unwrap());
    documents[usize::try_from(second).unwrap() + 4] = 0x66;
    fs::write(shop.tools.path(&file), &documents).unwrap();
    let run = restore(&shop, &["--objcheck"]).expect(1);
    assert!(run.stderr.contains(&file) && names_a_place(&run.stderr), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_early_or_never_was_an_archive() {
    let (shop, archive, _) = archived().await;
    for (what, input) in
        [("cut", &archive[..archive.len() - 20]), ("empty", b""), ("text", b"hello, world\n")]
    {
        let path = shop.tools.path("input");
        fs::write(&path, input).unwrap();
        let mut command: Command = shop.tools.mongorestore();
        command.args(["--host", shop.address(), "--drop", "--archive"]);
        let run = support::run(command.stdin(fs::File::open(&path).unwrap())).expect(1);
        assert!(run.stderr.contains("Failed: "), "{what}:\n{}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oplog_that_was_cut_or_cannot_be_replayed() {
    let shop = Shop::open().await;
    let none = fresh_database_name("none");
    fs::create_dir(shop.tools.path("dump")).unwrap();
    let entry = |operation: bson::Document| bson::serialize_to_vec(&operation).unwrap();
    let unknown = entry(bson::doc! { "ts": bson::Timestamp { time: 5, increment: 1 }, "v": 2i64, "op": "c",
    "ns": format!("{none}.$cmd"), "o": { "frobnicate": 1 } });
    for (what, bytes) in
        [("unknown", unknown.clone()), ("cut", unknown[..20].to_vec()), ("text", b"text".to_vec())]
    {
        fs::write(shop.tools.path("dump/oplog.bson"), &bytes).unwrap();
        let run = support::run(shop.tools.mongorestore().args(["--host", shop.address(), "--oplogReplay"]))
            .expect(1);
        assert!(run.stderr.contains("Failed: "), "{what}:\n{}", run.stderr);
    }
}
