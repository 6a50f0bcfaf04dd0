//! A password that nobody gave is asked for: on the terminal, where it is not shown and spoils no archive, or on a
//! standard input that is none. Run with `MONGOARK_TEST_TOOLS=DIR` the same tests hold for the real tools.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use mongoark_test_support::ReplicaSet;
use std::fs;
use std::path::Path;
use support::arg;
use support::shop::Shop;

const PASSWORD: &str = "p@ss word";

/// A shop that only `root` may enter, and what has to be typed for that.
async fn guarded() -> (ReplicaSet, Shop, Vec<String>) {
    let set = ReplicaSet::builder().auth("root", PASSWORD).start().await;
    let shop = Shop::at(set.uri()).await;
    let address = shop.uri.rsplit_once('@').unwrap().1.split(['/', '?']).next().unwrap().to_owned();
    let words = ["--host", &address, "-u", "root", "--authenticationDatabase=admin"];
    let words = words.map(ToOwned::to_owned).to_vec();
    (set, shop, words)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_asked_for_on_the_terminal() {
    let (_set, shop, words) = guarded().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/at_a_terminal.py");
    let tool = shop.tools.path("bin/mongodump");
    for (password, code) in [(PASSWORD, 0), ("wr0ng", 1)] {
        let out = shop.tools.path("archive");
        let mut command = shop.tools.on_path("python3");
        command.args([arg(&script), arg(&out), password, arg(&tool)]).args(&words);
        let run = support::run(command.args(["--db", &shop.db, "--archive"])).expect(code);
        let shown = run.text();
        assert!(shown.contains("Enter password for mongo user:") && !shown.contains(password), "{shown}");
        let archive = fs::read(&out).unwrap();
        assert!(
            code == 1 || archive.starts_with(&[0x6d, 0xe2, 0x99, 0x81]),
            "the prompt is not in the archive"
        );
        fs::remove_file(out).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_come_before_an_archive() {
    let (_set, shop, words) = guarded().await;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let input = shop.tools.path("input");
    fs::write(&input, format!("{PASSWORD}\n")).unwrap();
    let stdin = || fs::File::open(&input).unwrap();
    let mut dump = shop.tools.mongodump();
    let dump = support::run(dump.args(&words).args(["--archive", "--db", &shop.db]).stdin(stdin())).expect(0);
    let dump = dump.says("\treading password from standard input\n").says("Enter password for mongo user:");
    let mut both = format!("{PASSWORD}\n").into_bytes();
    both.extend_from_slice(&dump.stdout);
    fs::write(&input, both).unwrap();
    shop.clear().await;
    let mut restore = shop.tools.mongorestore();
    let restore = support::run(restore.args(&words).arg("--archive").stdin(stdin())).expect(0);
    assert!(!restore.says("115 document(s) restored successfully.").stderr.contains(PASSWORD));
    assert_eq!(shop.count(&shop.db, "c").await, 100);
}
