//! The kinds of writers, each with databases of its own.

pub(super) mod bank;
pub(super) mod catalog;
pub(super) mod counters;
pub(super) mod documents;
pub(super) mod large;
pub(super) mod measurements;
pub(super) mod ring;
pub(super) mod sweeper;

use bson::{Document, doc};

fn insert(collection: &str, documents: Vec<Document>) -> Document {
    doc! { "insert": collection, "documents": documents }
}

fn replace(collection: &str, document: &Document) -> Document {
    let id = document.get("_id").expect("a document with an _id").clone();
    doc! { "update": collection, "updates": [{ "q": { "_id": id }, "u": document.clone(), "upsert": true }] }
}

fn remove(collection: &str, id: i32) -> Document {
    doc! { "delete": collection, "deletes": [{ "q": { "_id": id }, "limit": 1 }] }
}
