//! Dumps that are cut or damaged: the restore ends, and its error names the file and the place in it.

use crate::desk::{Desk, document};
use mongoark_engine::mongorestore::{Input, Options};
use std::time::Duration;

fn documents(count: i32) -> Vec<Vec<u8>> {
    (0..count).map(|n| document(n, "text")).collect()
}

/// A restore of an archive that must end with an error, and soon.
async fn expect_refused(desk: &Desk, bytes: Vec<u8>, parts: &[&str]) {
    let options = Options::default();
    let run = tokio::time::timeout(Duration::from_secs(60), desk.restore_archive(bytes, &options)).await;
    run.expect("an end").expect_error(parts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_ends_within_a_document() {
    let desk = Desk::shared().await;
    let bytes = documents(3).concat();
    let third = bytes.len() / 3 * 2;
    desk.write("c.bson", &bytes[..bytes.len() - 3]);
    let run = desk.restore(&Options::default()).await;
    let (file, place) = (format!("{}/c.bson", desk.db), format!("offset {third}"));
    let run = run.expect_error(&[&format!("{}.c: error restoring from", desk.db), &file, &place]);
    assert_eq!(run.report.restored, 0, "a batch that did not come whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_an_impossible_length() {
    let desk = Desk::shared().await;
    let good = document(0, "text");
    desk.write("c.bson", &[&good[..], &[4, 0, 0, 0, 0]].concat());
    let place = format!("offset {}", good.len());
    desk.restore(&Options::default()).await.expect_error(&["c.bson", &place, "length"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_whose_elements_are_damaged() {
    let desk = Desk::shared().await;
    let mut bytes = documents(2).concat();
    let second = bytes.len() / 2;
    bytes[second + 4] = 0x77;
    desk.write("c.bson", &bytes);
    let options = Options { objcheck: true, ..Options::default() };
    desk.restore(&options).await.expect_error(&["c.bson", &format!("offset {second}")]);
    assert_eq!(desk.count("c").await, 0);
    desk.restore(&Options::default()).await.expect_error(&["c.bson"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_files_that_are_not() {
    let desk = Desk::shared().await;
    desk.write("c.bson.gz", &documents(1).concat());
    let options = Options { gzip: true, ..Options::default() };
    desk.restore(&options).await.expect_error(&["c.bson.gz", "offset 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_is_no_json() {
    let desk = Desk::shared().await;
    desk.write("c.bson", &documents(1).concat());
    desk.write("c.metadata.json", b"{\"options\":");
    desk.restore(&Options::default()).await.expect_error(&["c.metadata.json"]);
    assert_eq!(desk.count("c").await, 0, "nothing is written before all is read");
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_cut_at_every_place() {
    let desk = Desk::shared().await;
    let whole = desk.archive(&[("a", documents(2)), ("b", documents(1)), ("a", documents(1))]);
    for cut in (0..whole.len()).step_by(7).chain([whole.len() - 1, whole.len() - 4]) {
        expect_refused(&desk, whole[..cut].to_vec(), &["archive on stdin"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_with_another_checksum() {
    let desk = Desk::shared().await;
    let mut bytes = desk.archive(&[("a", documents(2))]);
    let place = bytes.windows(4).position(|part| part == b"text").expect("a document");
    bytes[place] = b'T';
    expect_refused(&desk, bytes, &["archive on stdin", "checksum", "offset"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_with_something_behind_it() {
    let desk = Desk::shared().await;
    let mut bytes = desk.archive(&[("a", documents(2))]);
    bytes.extend_from_slice(b"garbage");
    expect_refused(&desk, bytes, &["archive on stdin", "offset"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_file_is_named() {
    let desk = Desk::shared().await;
    let path = desk.path("cut.archive");
    let whole = desk.archive(&[("a", documents(2))]);
    std::fs::write(&path, &whole[..whole.len() - 9]).expect("a file");
    let run = desk.restore_from(Input::Archive(path), &Options::default()).await;
    run.expect_error(&["cut.archive", "offset"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_where_nothing_is() {
    let desk = Desk::shared().await;
    let run = desk.restore_from(Input::Path("nowhere".into()), &Options::default()).await;
    run.expect_error(&["mongorestore target 'nowhere' invalid: stat nowhere: no such file or directory"]);
}
