//! Many collections, so that a dump takes its time: single documents inserted, replaced, removed and inserted anew,
//! and indexes built and dropped.

use bson::{Document, doc};

use super::{insert, remove, replace};
use crate::oracle::pen::{Pen, put, removed};
use crate::oracle::writer::Writer;

const DATABASE: &str = "swept";
const COLLECTIONS: usize = 24;
const DOCUMENTS: i32 = 150;

#[derive(Default)]
pub(in crate::oracle) struct Sweeper {
    /// Which documents are there, for each collection.
    present: Vec<Vec<bool>>,
}

impl Sweeper {
    fn document(pen: &mut Pen, id: i32) -> Document {
        let length = pen.random.below(3_000);
        doc! { "_id": id, "n": i64::from(pen.random.u32() % 100), "fill": "x".repeat(length), "list": [id, "y"] }
    }
}

fn name(collection: usize) -> String {
    format!("c{collection}")
}

impl Writer for Sweeper {
    fn databases(&self) -> Vec<String> {
        vec![DATABASE.to_owned()]
    }

    fn pause(&self) -> usize {
        4
    }

    async fn prepare(&mut self, pen: &mut Pen) {
        pen.observed_all(DATABASE, (0..COLLECTIONS).map(|collection| doc! { "create": name(collection) }))
            .await;
        for collection in 0..COLLECTIONS {
            let documents: Vec<Document> = (0..DOCUMENTS).map(|id| Self::document(pen, id)).collect();
            let full_name = format!("{DATABASE}.{}", name(collection));
            let changes = documents.iter().map(|document| put(&full_name, document)).collect();
            pen.write(DATABASE, insert(&name(collection), documents), changes).await;
            self.present.push(vec![true; DOCUMENTS as usize]);
        }
    }

    async fn step(&mut self, pen: &mut Pen) {
        let (collection, id) = (pen.random.below(COLLECTIONS), pen.random.below(DOCUMENTS as usize));
        let (short, number) = (name(collection), i32::try_from(id).expect("a small number"));
        let full_name = format!("{DATABASE}.{short}");
        if pen.random.below(60) == 0 {
            return self.index(pen, &short).await;
        }
        let is_there = &mut self.present[collection][id];
        if *is_there && pen.random.below(3) == 0 {
            *is_there = false;
            return pen.write(DATABASE, remove(&short, number), vec![removed(&full_name, number)]).await;
        }
        let document = Self::document(pen, number);
        let changes = vec![put(&full_name, &document)];
        let command = if *is_there { replace(&short, &document) } else { insert(&short, vec![document]) };
        *is_there = true;
        pen.write(DATABASE, command, changes).await;
    }
}

impl Sweeper {
    /// Builds an index, or drops it if it is there.
    async fn index(&mut self, pen: &mut Pen, collection: &str) {
        let indexes = &pen.state.namespaces[&format!("{DATABASE}.{collection}")].indexes;
        let command = if indexes.contains_key("n_1") {
            doc! { "dropIndexes": collection, "index": "n_1" }
        } else {
            let index = doc! { "key": { "n": 1 }, "name": "n_1" };
            doc! { "createIndexes": collection, "indexes": [index], "commitQuorum": "majority" }
        };
        pen.indexes(DATABASE, collection, command).await;
    }
}
