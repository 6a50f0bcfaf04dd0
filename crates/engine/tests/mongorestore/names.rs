//! Names of collections, in files and under other names.

use crate::desk::{Desk, document};
use mongoark_dump_format::names;
use mongoark_engine::mongorestore::{Input, Options};
use std::collections::BTreeSet;

async fn collections(desk: &Desk, db: &str) -> BTreeSet<String> {
    desk.client.database(db).list_collection_names().await.expect("names").into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_name_comes_back_as_it_was() {
    let desk = Desk::shared().await;
    let long = "a%+41é b".repeat(20);
    let odd = ["a b", "a+b", "a%41", "100%", "sla/sh", "new\nline", "back`tick", "dot.s", "é", &long];
    for name in odd {
        let stem = names::stem(name);
        desk.write(&format!("{stem}.bson"), &document(0, "x"));
        let metadata = serde_json::json!({ "indexes": [], "collectionName": name, "type": "collection" });
        desk.write(&format!("{stem}.metadata.json"), metadata.to_string().as_bytes());
    }
    desk.restore(&Options::default()).await.expect(odd.len() as u64, 0);
    assert_eq!(collections(&desk, &desk.db).await, odd.map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_series_is_renamed_with_its_buckets() {
    let desk = Desk::shared().await;
    let series = doc_series(&desk).await;
    let options = Options {
        renames: vec![(format!("{}.*", desk.db), format!("{}_copy.*", desk.db))],
        ..Options::default()
    };
    desk.write("zz.bson", &series);
    std::fs::rename(
        desk.path("dump").join(&desk.db).join("zz.bson"),
        desk.path("dump").join(&desk.db).join("system.buckets.zz.bson"),
    )
    .expect("a file");
    desk.write(
        "zz.metadata.json",
        br#"{"options":{"timeseries":{"timeField":"t","granularity":"seconds"}},"indexes":[],"type":"timeseries"}"#,
    );
    desk.restore(&options).await.expect(1, 0);
    let copy = desk.client.database(&format!("{}_copy", desk.db));
    let count =
        copy.collection::<bson::Document>("zz").count_documents(bson::doc! {}).await.expect("a count");
    assert_eq!(count, 1);
}

/// The buckets of a time series with one measurement.
async fn doc_series(desk: &Desk) -> Vec<u8> {
    let db = desk.client.database(&format!("{}_made", desk.db));
    let create = bson::doc! { "create": "s", "timeseries": { "timeField": "t" } };
    db.run_command(create).await.expect("a time series");
    let measurement = bson::doc! { "t": bson::DateTime::from_millis(1_600_000_000_000), "v": 1 };
    db.collection("s").insert_one(measurement).await.expect("an insert");
    let buckets = db.collection::<bson::RawDocumentBuf>("system.buckets.s");
    let found = buckets.find_one(bson::doc! {}).await.expect("a find").expect("a bucket");
    found.into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_collections_do_not_become_one() {
    let desk = Desk::shared().await;
    desk.write("a.bson", &document(0, "x"));
    desk.write("b.bson", &document(0, "x"));
    let to = format!("{}.c", desk.db);
    let rename = |from: &str| (format!("{}.{from}", desk.db), to.clone());
    let options = Options { renames: vec![rename("a"), rename("b")], ..Options::default() };
    let run = desk.restore(&options).await.says("destination conflict: ");
    run.expect_error(&["cannot restore with conflicting namespace destinations"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_is_restored_under_the_name_that_is_asked_for() {
    let desk = Desk::shared().await;
    desk.write("a.bson", &document(0, "x"));
    let file = || Input::Path(desk.path("dump").join(&desk.db).join("a.bson"));
    desk.restore_from(file(), &Options::default()).await.expect(1, 0);
    let options =
        Options { collection: Some("b$".to_owned()), db: Some(desk.db.clone()), ..Options::default() };
    desk.restore_from(file(), &options).await;
    let named = Options { collection: Some("b".to_owned()), ..options };
    desk.restore_from(file(), &named).await.expect(1, 0);
    assert_eq!((desk.count("a").await, desk.count("b").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_part_of_a_dump_is_told() {
    let desk = Desk::shared().await;
    desk.write("notes.txt", b"x");
    desk.write("a.bson", &document(0, "x"));
    let run = desk.restore(&Options::default()).await.expect(1, 0);
    run.says("don't know what to do with file `").says("notes.txt`, skipping...");
}
