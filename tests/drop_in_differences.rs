//! Where mongodump and mongorestore lose data, hide a failure or show a secret, and this program does not: each
//! deliberate difference of docs/drop-in.md on a real server. Against the real tools these tests fail.
#![cfg(unix)]

mod support;

use bson::{Document, doc};
use mongoark_test_support::fresh_database_name;
use support::shop::Shop;
use support::tools::Tools;

/// Documents of a megabyte each, so many that several insert commands are needed whatever the batch size is.
const LARGE: i32 = 150;

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_batch_of_large_documents_loses_no_other() {
    let shop = Shop::open().await;
    let large = shop.client.database(&shop.db).collection::<Document>("large");
    for first in (0..LARGE).step_by(10) {
        let ten = (first..first + 10).map(|n| doc! { "_id": n, "fill": "x".repeat(1_000_000) });
        large.insert_many(ten).await.unwrap();
    }
    shop.dump(&["-c", "large"]).expect(0);
    large.delete_many(doc! { "_id": { "$ne": 0 } }).await.unwrap();
    let only = format!("--nsInclude={}.large", shop.db);
    shop.restore(&[&only])
        .expect(0)
        .says("149 document(s) restored successfully. 1 document(s) failed to restore.");
    assert_eq!(shop.count(&shop.db, "large").await, 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_hides_no_failed_write_concern() {
    let shop = Shop::open().await;
    shop.dump(&["-c", "d"]).expect(0);
    // Two members cannot acknowledge where there is one, and every document is a duplicate, too.
    let only = format!("--nsInclude={}.d", shop.db);
    shop.restore(&[&only, "--writeConcern", "{w: 2, wtimeout: 500}"]).expect(1).says("Failed: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_too_long_for_a_file_come_back_as_they_were() {
    let shop = Shop::open().await;
    let database = shop.client.database(&shop.db);
    let names = ["a+b %41 ", "100% "].map(|start| format!("{start}{}", "é".repeat(60)));
    for name in &names {
        database.collection(name).insert_one(doc! { "_id": 1 }).await.unwrap();
    }
    shop.dump(&[]).expect(0);
    shop.clear().await;
    shop.restore(&[]).expect(0);
    let found = shop.collections(&shop.db).await;
    assert!(names.iter().all(|name| found.contains(name)), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_whose_pipeline_holds_a_nan_comes_back() {
    let shop = Shop::open().await;
    let create =
        doc! { "create": "odd", "viewOn": "c", "pipeline": [{ "$match": { "x": { "$ne": f64::NAN } } }] };
    shop.client.database(&shop.db).run_command(create).await.unwrap();
    shop.dump(&[]).expect(0);
    shop.clear().await;
    shop.restore(&[]).expect(0);
    assert_eq!(shop.count(&shop.db, "odd").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flag_for_the_read_preference_wins() {
    let shop = Shop::open().await;
    // There is no secondary: a dump that obeys the flag cannot be made.
    let separator = if shop.uri.contains('?') { '&' } else { '?' };
    let uri = format!("{}{separator}readPreference=primary&serverSelectionTimeoutMS=1000", shop.uri);
    let arguments = ["--uri", &uri, "--db", &shop.db, "--readPreference=secondary"];
    shop.tools.run("mongodump", &arguments).expect(1).says("Failed: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_series_is_renamed_whatever_its_name() {
    let shop = Shop::open().await;
    let database = shop.client.database(&shop.db);
    // Its files' names sort before and after those of its buckets.
    for name in ["early", "weather"] {
        let create = doc! { "create": name, "timeseries": { "timeField": "t" } };
        database.run_command(create).await.unwrap();
        database.collection(name).insert_one(doc! { "t": bson::DateTime::now(), "x": 1 }).await.unwrap();
    }
    shop.dump(&[]).expect(0);
    shop.clear().await;
    let copy = fresh_database_name("copy");
    for name in ["early", "weather"] {
        let (from, to) = (format!("--nsFrom={}.{name}", shop.db), format!("--nsTo={copy}.{name}"));
        let only = format!("--nsInclude={}.{name}", shop.db);
        shop.restore(&[&only, &from, &to]).expect(0);
        assert_eq!(shop.count(&copy, name).await, 1, "{name}");
    }
    assert!(shop.collections(&shop.db).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_a_connection_string_is_never_shown() {
    let tools = Tools::link();
    for tool in ["mongodump", "mongorestore"] {
        let uri = "mongodb://ann:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=500";
        let run = tools.run(tool, &["-vvv", "--uri", uri]).expect(1);
        assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_hides_no_other_refusal() {
    let shop = Shop::open().await;
    let d = shop.client.database(&shop.db).collection::<Document>("d");
    shop.dump(&["-c", "d"]).expect(0);
    shop.clear().await;
    // One document is there already, and no number is a place on a sphere: the server refuses all the others.
    d.insert_one(doc! { "_id": 9, "place": 1 }).await.unwrap();
    let index = doc! { "createIndexes": "d", "indexes": [{ "key": { "x": "2dsphere" }, "name": "place" }] };
    shop.client.database(&shop.db).run_command(index).await.unwrap();
    let only = format!("--nsInclude={}.d", shop.db);
    shop.restore(&[&only]).expect(1).says("Failed: ");
}
