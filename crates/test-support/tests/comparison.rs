//! The comparison of deployments names what was changed, and nothing else.

use bson::{Document, doc};
use mongoark_test_support::compare::{Options, State, capture};
use mongoark_test_support::{ReplicaSet, Server};
use mongodb::Client;

/// A deployment with one of each thing that can be changed.
async fn prepared(client: &Client) -> State {
    let db = client.database("shop");
    let documents: Vec<Document> = (0..5).map(|n| doc! { "_id": n, "n": n }).collect();
    db.collection::<Document>("items").insert_many(documents).await.expect("a server that answers");
    let many: Vec<Document> = (0..1000).map(|n| doc! { "_id": n }).collect();
    db.collection::<Document>("many").insert_many(many).await.expect("a server that answers");
    for command in [
        doc! { "createIndexes": "items", "indexes": [{ "key": { "n": 1 }, "name": "by n", "expireAfterSeconds": 60 }] },
        doc! { "create": "log", "capped": true, "size": 4096 },
        doc! { "create": "paid", "viewOn": "items", "pipeline": [{ "$match": { "n": 1 } }] },
        doc! { "createRole": "keeper", "privileges": [], "roles": ["read"] },
        doc! { "createUser": "clerk", "pwd": "secret", "roles": ["keeper"], "customData": { "a": 1 } },
    ] {
        db.run_command(command).await.expect("a server that answers");
    }
    db.collection::<Document>("log")
        .insert_many([doc! { "_id": 1 }, doc! { "_id": 2 }])
        .await
        .expect("a server that answers");
    capture(client).await.expect("a server that answers")
}

/// What differs after these commands on the database.
async fn after(commands: impl IntoIterator<Item = Document>) -> Vec<String> {
    let server = Server::standalone().await;
    let client = server.client().await;
    let before = prepared(&client).await;
    for command in commands {
        client.database("shop").run_command(command).await.expect("a server that answers");
    }
    before.differences(&capture(&client).await.expect("a server that answers"), &Options::default())
}

fn update(id: i32, change: Document) -> Document {
    doc! { "update": "items", "updates": [{ "q": { "_id": id }, "u": change }] }
}

#[tokio::test]
async fn nothing_differs_between_a_state_and_itself() {
    let server = ReplicaSet::single().await;
    let client = server.client().await;
    let state = prepared(&client).await;
    let again = capture(&client).await.unwrap();
    let options = Options { uuids: true, ..Options::default() };
    assert_eq!(state.differences(&again, &options), Vec::<String>::new());
    assert_eq!(state, again);
}

#[tokio::test]
async fn documents_are_named_by_their_id() {
    let delete = doc! { "delete": "items", "deletes": [{ "q": { "_id": 4 }, "limit": 1 }] };
    let insert = doc! { "insert": "items", "documents": [{ "_id": "new" }] };
    // Only the type of the number changes.
    let lines = after([update(2, doc! { "$set": { "n": 2_i64 } }), delete, insert]).await;
    assert_eq!(
        lines,
        [
            r#""shop.items" document {"$numberInt":"2"}: differs"#,
            r#""shop.items" document {"$numberInt":"4"}: missing"#,
            r#""shop.items" document "new": unexpected"#,
        ]
    );
}

#[tokio::test]
async fn among_many_documents_a_change_is_seen_too() {
    let change = doc! { "update": "many", "updates": [{ "q": { "_id": 500 }, "u": { "$set": { "x": 1 } } }] };
    assert_eq!(after([change]).await, [r#""shop.many": the documents differ"#]);
}

#[tokio::test]
async fn options_and_indexes_are_named() {
    let ttl = doc! { "collMod": "items", "index": { "name": "by n", "expireAfterSeconds": 61 } };
    let validated = doc! { "collMod": "many", "validationLevel": "moderate" };
    let view = doc! { "collMod": "paid", "viewOn": "items", "pipeline": [{ "$match": { "n": 2 } }] };
    let index = doc! { "createIndexes": "many", "indexes": [{ "key": { "x": 1 }, "name": "x_1" }] };
    let lines = after([ttl, validated, view, index]).await.join("\n");
    for expected in [
        "\"shop.items\" index \"by n\": expireAfterSeconds differs: expected {\"$numberInt\":\"60\"}",
        "\"shop.many\" options: unexpected validationLevel: \"moderate\"",
        "\"shop.many\" index \"x_1\": unexpected",
        "\"shop.paid\" options: pipeline differs",
        "\"shop.paid\" document {\"$numberInt\":\"1\"}: missing",
    ] {
        assert!(lines.contains(expected), "{expected} is not in\n{lines}");
    }
}

#[tokio::test]
async fn missing_and_unexpected_namespaces_are_named() {
    let lines = after([doc! { "drop": "many" }, doc! { "create": "new" }, doc! { "drop": "log" }]).await;
    assert_eq!(lines, ["\"shop.log\": missing", "\"shop.many\": missing", "\"shop.new\": unexpected"]);
}

#[tokio::test]
async fn the_natural_order_of_capped_collections_counts() {
    let create = doc! { "create": "log", "capped": true, "size": 4096 };
    let insert = doc! { "insert": "log", "documents": [{ "_id": 2 }, { "_id": 1 }] };
    let lines = after([doc! { "drop": "log" }, create, insert]).await;
    assert_eq!(lines, ["\"shop.log\": the natural order differs"]);
}

#[tokio::test]
async fn users_and_roles_are_named() {
    let user = doc! { "updateUser": "clerk", "customData": { "a": 1_i64 } };
    let lines = after([user]).await;
    let expected = r#"user "shop.clerk": customData differs: expected {"a":{"$numberInt":"1"}}, found {"a":{"$numberLong":"1"}}"#;
    assert_eq!(lines, [expected]);
    let lines = after([doc! { "updateUser": "clerk", "pwd": "other" }]).await;
    assert!(lines.len() == 1 && lines[0].contains("credentials differs"), "{lines:#?}");
    let lines = after([doc! { "updateRole": "keeper", "roles": ["readWrite"] }]).await.join("\n");
    assert!(lines.contains(r#"role "shop.keeper": roles differs"#), "{lines}");
    let lines = after([doc! { "dropUser": "clerk" }, doc! { "dropRole": "keeper" }]).await;
    assert_eq!(lines, ["user \"shop.clerk\": missing", "role \"shop.keeper\": missing"]);
}

#[tokio::test]
async fn options_of_the_comparison_are_heeded() {
    let server = Server::standalone().await;
    let client = server.client().await;
    let before = prepared(&client).await;
    let db = client.database("shop");
    let create =
        |v: i32| doc! { "createIndexes": "items", "indexes": [{ "key": { "o": 1 }, "name": "o", "v": v }] };
    db.run_command(create(1)).await.unwrap();
    let old = capture(&client).await.unwrap();
    assert_eq!(before.differences(&old, &Options::default()), ["\"shop.items\" index \"o\": unexpected"]);
    db.run_command(doc! { "dropIndexes": "items", "index": "o" }).await.unwrap();
    db.run_command(create(2)).await.unwrap();
    let new = capture(&client).await.unwrap();
    assert_eq!(old.differences(&new, &Options::default()).len(), 1);
    let lenient = Options { newer_index_version: true, ..Options::default() };
    assert_eq!(old.differences(&new, &lenient), Vec::<String>::new());
    assert_eq!(new.differences(&old, &lenient).len(), 1, "an index must not become older");
    client.database("other").create_collection("c").await.unwrap();
    let more = capture(&client).await.unwrap();
    assert_eq!(new.differences(&more, &Options::default()), ["\"other.c\": unexpected"]);
    assert!(new.differences(&more, &Options { allow_more: true, ..Options::default() }).is_empty());
    let ignored = Options { ignored_databases: ["other".to_owned()].into(), ..Options::default() };
    assert!(new.differences(&more, &ignored).is_empty());
}
