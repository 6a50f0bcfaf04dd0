//! What a restore easily gets wrong, on real servers.

use crate::desk::{Desk, document};
use bson::{Document, doc};
use mongoark_bson_bytes::Builder;
use mongoark_engine::mongorestore::{Input, Options};
use std::io::Cursor;

#[tokio::test(flavor = "multi_thread")]
async fn no_document_of_a_large_batch_is_lost_beside_a_duplicate() {
    let desk = Desk::shared().await;
    let text = "x".repeat(1024 * 1024);
    let documents: Vec<u8> = (0..150).flat_map(|n| document(n, &text)).collect();
    desk.write("c.bson", &documents);
    let collection = desk.client.database(&desk.db).collection("c");
    collection.insert_one(doc! { "_id": 0 }).await.expect("an insert");
    let run = desk.restore(&Options::default()).await;
    run.expect(149, 1).says("continuing through error: E11000");
    assert_eq!(desk.count("c").await, 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_can_be_survived_hides_no_other() {
    let desk = Desk::shared().await;
    // The middle one has no name that a server takes: an _id that is an array.
    let mut refused = Builder::new();
    refused.array_of_strs("_id", ["x"]);
    desk.write("c.bson", &[document(0, "a"), refused.finish(), document(2, "c")].concat());
    let collection = desk.client.database(&desk.db).collection("c");
    collection.insert_one(doc! { "_id": 0 }).await.expect("an insert");
    let run = desk.restore(&Options::default()).await.says("continuing through error: E11000");
    assert_eq!((run.report.restored, run.report.failed), (1, 2));
    run.expect_error(&[&format!("{}.c: error restoring from", desk.db), "_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_a_validator_refuses_are_counted_unless_it_is_passed_by() {
    let desk = Desk::shared().await;
    let options = r#""options":{"validator":{"x":"new"}}"#;
    desk.write("c.bson", &[document(0, "old"), document(1, "new")].concat());
    desk.write("c.metadata.json", format!("{{{options},\"indexes\":[]}}").as_bytes());
    desk.restore(&Options::default()).await.expect(1, 1).says("Document failed validation");
    let bypass = Options { bypass_document_validation: true, drop: true, ..Options::default() };
    desk.restore(&bypass).await.expect(2, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_at_an_error_keeps_the_order() {
    let desk = Desk::shared().await;
    let documents: Vec<u8> = (0..20).flat_map(|n| document(n, "x")).collect();
    desk.write("c.bson", &documents);
    desk.client.database(&desk.db).collection("c").insert_one(doc! { "_id": 7 }).await.expect("an insert");
    let options = Options { maintain_insertion_order: true, stop_on_error: true, ..Options::default() };
    let run = desk.restore(&options).await.expect_error(&["E11000"]);
    assert_eq!((run.report.restored, run.report.failed), (7, 1));
    assert_eq!(desk.count("c").await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zero_timestamp_survives_and_overwrites_nothing() {
    let desk = Desk::shared().await;
    let timed = |id: i32| Builder::new().i32("_id", id).timestamp("t", 0, 0).finish();
    desk.write("c.bson", &[timed(1), timed(2)].concat());
    let collection = desk.client.database(&desk.db).collection::<Document>("c");
    collection.insert_one(doc! { "_id": 1, "mine": true }).await.expect("an insert");
    desk.restore(&Options::default()).await.expect(1, 1);
    let zero = bson::Timestamp { time: 0, increment: 0 };
    let restored = collection.find_one(doc! { "_id": 2 }).await.expect("a find");
    assert_eq!(restored, Some(doc! { "_id": 2, "t": zero }));
    let kept = collection.find_one(doc! { "_id": 1 }).await.expect("a find");
    assert_eq!(kept, Some(doc! { "_id": 1, "mine": true }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_under_an_index_is_told_by_its_name_and_keeps_no_other_from_being_built() {
    let desk = Desk::shared().await;
    desk.write("c.bson", &[document(0, "same"), document(1, "same")].concat());
    let metadata = r#"{"indexes":[
        {"v":2,"key":{"_id":1},"name":"_id_"},
        {"v":2,"key":{"x":1},"name":"unique_x","unique":true},
        {"v":2,"key":{"y":1},"name":"plain_y"}]}"#;
    desk.write("c.metadata.json", metadata.as_bytes());
    let run = desk.restore(&Options::default()).await.says("index `unique_x`");
    assert_eq!(run.report.restored, 2);
    run.expect_error(&["error creating indexes", "E11000"]);
    let collection = desk.client.database(&desk.db).collection::<Document>("c");
    let names = collection.list_index_names().await.expect("indexes");
    assert_eq!(names, ["_id_", "plain_y"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_and_indexes_with_odd_values_come_back() {
    let desk = Desk::shared().await;
    let metadata = r#"{"options":{"viewOn":"c","pipeline":[
        {"$match":{"x":{"$numberDouble":"NaN"}}},{"$project":{"b":1,"a":1}}]},"indexes":[],"type":"view"}"#;
    desk.write("v.metadata.json", metadata.as_bytes());
    desk.restore(&Options::default()).await.expect(0, 0);
    let command = doc! { "listCollections": 1, "filter": { "name": "v" } };
    let reply = desk.client.database(&desk.db).run_command(command).await.expect("a listing");
    let options = reply.get_document("cursor").expect("a cursor").get_array("firstBatch").expect("a batch");
    let text = format!("{options:?}");
    assert!(text.contains("NaN") && text.find("\"b\"") < text.find("\"a\""), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_series_that_exists_is_refused_before_anything_is_written() {
    let desk = Desk::shared().await;
    let metadata = r#"{"options":{"timeseries":{"timeField":"t"}},"indexes":[],"type":"timeseries"}"#;
    desk.write("s.metadata.json", metadata.as_bytes());
    desk.write("a.bson", &document(0, "x"));
    let create = doc! { "create": "s", "timeseries": { "timeField": "t" } };
    desk.client.database(&desk.db).run_command(create).await.expect("a time series");
    let run = desk.restore(&Options::default()).await;
    run.expect_error(&["timeseries collection", "already exists on the destination"]);
    assert_eq!(desk.count("a").await, 0);
    desk.restore(&Options { drop: true, ..Options::default() }).await.expect(1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_haystack_index_is_refused_before_anything_is_written() {
    let desk = Desk::shared().await;
    desk.write("a.bson", &document(0, "x"));
    desk.write(
        "b.metadata.json",
        br#"{"indexes":[{"v":1,"key":{"p":"geoHaystack"},"name":"p","bucketSize":1}]}"#,
    );
    desk.restore(&Options::default()).await.expect_error(&["geoHaystack", ".b`"]);
    assert_eq!(desk.count("a").await, 0);
    desk.restore(&Options { no_index_restore: true, ..Options::default() }).await.expect(1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capped_collection_keeps_its_order() {
    let desk = Desk::shared().await;
    let documents: Vec<u8> = (0..5000).rev().flat_map(|n| document(n, "x")).collect();
    desk.write("c.bson", &documents);
    desk.write("c.metadata.json", br#"{"options":{"capped":true,"size":100000000},"indexes":[]}"#);
    desk.restore(&Options::default()).await.expect(5000, 0);
    let collection = desk.client.database(&desk.db).collection::<Document>("c");
    let mut cursor = collection.find(doc! {}).await.expect("a cursor");
    for expected in (0..5000).rev() {
        assert!(cursor.advance().await.expect("a document"));
        assert_eq!(cursor.current().get_i32("_id").ok(), Some(expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_may_mix_its_collections_as_it_likes() {
    let desk = Desk::shared().await;
    // More collections than are restored at once, more bytes than are read ahead, and each ends at the very end.
    let names: Vec<String> = (0..40).map(|n| format!("c{n}")).collect();
    let text = "x".repeat(300_000);
    let mut blocks = Vec::new();
    for round in 0..8 {
        blocks.extend(names.iter().map(|name| (name.as_str(), vec![document(round, &text)])));
    }
    let options = Options { parallel_collections: Some(1), insertion_workers: Some(1), ..Options::default() };
    desk.restore_archive(desk.archive(&blocks), &options).await.expect(320, 0);
    for name in ["c0", "c39"] {
        assert_eq!(desk.count(name).await, 8);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_from_a_pipe_are_one_collection() {
    let desk = Desk::shared().await;
    let input = Input::DocumentStream(Box::new(Cursor::new([document(0, "a"), document(1, "b")].concat())));
    let options =
        Options { db: Some(desk.db.clone()), collection: Some("c".to_owned()), ..Options::default() };
    desk.restore_from(input, &options).await.expect(2, 0).says("from `-`");
    assert_eq!(desk.count("c").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing() {
    let desk = Desk::shared().await;
    desk.write("c.bson", &document(0, "x"));
    let options = Options { dry_run: true, ..Options::default() };
    desk.restore(&options).await.expect(0, 0).says("dry run completed");
    assert_eq!(desk.count("c").await, 0);
}
