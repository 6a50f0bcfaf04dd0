//! A small database on a real server, and the tools at work on it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::Run;
use super::tools::Tools;
use bson::{Document, doc};
use mongoark_test_support::{connect, fresh_database_name, shared};
use mongodb::Client;
use std::collections::BTreeSet;

/// A database with a little of everything, on the shared replica set.
pub struct Shop {
    pub tools: Tools,
    pub client: Client,
    pub uri: String,
    pub db: String,
}

/// Documents in collection `c` of a [`Shop`].
pub const C_DOCUMENTS: usize = 100;

impl Shop {
    /// `c` (100 documents, an index on `x`), `d` (10), `d_log` (5), `empty`, and the view `v` on `c`.
    pub async fn open() -> Self {
        Self::at(shared::replica_set().await).await
    }

    pub async fn at(uri: String) -> Self {
        let client = connect(&uri).await;
        let db = fresh_database_name("shop");
        let database = client.database(&db);
        for (name, count) in [("c", 100), ("d", 10), ("d_log", 5)] {
            let documents: Vec<Document> = (0..count).map(|n| doc! { "_id": n, "x": n % 10 }).collect();
            database.collection::<Document>(name).insert_many(documents).await.unwrap();
        }
        database.create_collection("empty").await.unwrap();
        let index = doc! { "createIndexes": "c", "indexes": [{ "key": { "x": 1 }, "name": "x_1" }] };
        database.run_command(index).await.unwrap();
        let view = doc! { "create": "v", "viewOn": "c", "pipeline": [{ "$match": { "x": 3 } }] };
        database.run_command(view).await.unwrap();
        Self { tools: Tools::link(), client, uri, db }
    }

    /// `host:port` of the server.
    pub fn address(&self) -> &str {
        let rest = self.uri.split_once("://").unwrap().1;
        rest.split(['/', '?']).next().unwrap()
    }

    /// mongodump of this database with more arguments, into `dump` unless they say otherwise.
    pub fn dump(&self, more: &[&str]) -> Run {
        let arguments = ["--host", self.address(), "--db", &self.db];
        self.tools.run("mongodump", &[&arguments[..], more].concat())
    }

    /// mongorestore with these arguments.
    pub fn restore(&self, more: &[&str]) -> Run {
        let arguments = ["--host", self.address()];
        self.tools.run("mongorestore", &[&arguments[..], more].concat())
    }

    /// Documents of a collection on the server.
    pub async fn count(&self, db: &str, collection: &str) -> u64 {
        let collection = self.client.database(db).collection::<Document>(collection);
        collection.count_documents(doc! {}).await.unwrap()
    }

    /// Names of the collections of a database.
    pub async fn collections(&self, db: &str) -> BTreeSet<String> {
        self.client.database(db).list_collection_names().await.unwrap().into_iter().collect()
    }

    /// Names of a collection's indexes.
    pub async fn indexes(&self, db: &str, collection: &str) -> BTreeSet<String> {
        let collection = self.client.database(db).collection::<Document>(collection);
        collection.list_index_names().await.unwrap().into_iter().collect()
    }

    /// Drops this database.
    pub async fn clear(&self) {
        self.client.database(&self.db).drop().await.unwrap();
    }
}
