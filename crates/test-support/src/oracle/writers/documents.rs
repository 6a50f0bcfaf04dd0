//! Documents under every form of update: deltas of fields and arrays, pipelines, replacements, upserts, deletions.

use bson::{Bson, Document, doc};

use super::insert;
use crate::oracle::pen::Pen;
use crate::oracle::writer::Writer;

const DATABASE: &str = "documents";
const DOCUMENTS: i32 = 60;
/// The first form after those of single documents.
const SEVERAL: usize = 12;

#[derive(Default)]
pub(in crate::oracle) struct Documents {
    made: i32,
}

impl Documents {
    fn document(&mut self, id: i32) -> Document {
        self.made += 1;
        doc! {
            "_id": id, "n": id, "unique": self.made, "text": format!("document {}", self.made),
            "list": [1, { "k": 1, "v": "one" }, { "k": 2, "v": "two" }, 4], "sub": { "x": 1.5, "deep": { "y": [1, 2] } },
        }
    }

    /// An update in the form of this number, as a filter and what to do.
    fn update(&mut self, form: usize, id: i32, pen: &mut Pen) -> Document {
        let number = i64::from(pen.random.u32() % 1_000);
        let one = doc! { "_id": id };
        let (filter, change): (Document, Bson) = match form {
            0 => (one, doc! { "$set": { "n": number, "sub.deep.y.1": number } }.into()),
            1 => (one, doc! { "$unset": { "text": 1, "sub.x": 1 } }.into()),
            2 => (one, doc! { "$inc": { "sub.count": 1 }, "$mul": { "n": 2 } }.into()),
            3 => (
                one,
                doc! { "$push": { "list": { "$each": [number, 7], "$position": 1, "$slice": 8 } } }.into(),
            ),
            4 => (one, doc! { "$pull": { "list": { "$gte": 5 } } }.into()),
            5 => (one, doc! { "$pop": { "list": -1 }, "$currentDate": { "when": true } }.into()),
            6 => (one, doc! { "$rename": { "text": "words" }, "$set": { "é.x": Bson::Null } }.into()),
            7 => {
                let set = doc! { "$set": { "p": { "$add": [{ "$ifNull": ["$n", 0] }, number] } } };
                (one, Bson::Array(vec![set.into(), doc! { "$unset": "sub" }.into()]))
            }
            8 => (one, self.document(id).into()),
            9 => (
                doc! { "_id": { "b": id, "a": 1 } },
                doc! { "$set": { "deep.er.est": [[1], { "x": [number] }] } }.into(),
            ),
            10 => (one, doc! { "$set": { "list.5.far": number, "text": "again" } }.into()),
            _ => (one, doc! { "$setOnInsert": { "born": number }, "$max": { "n": number } }.into()),
        };
        doc! { "q": filter, "u": change, "upsert": true }
    }

    /// Hands the unique value of one document to another, by way of nobody.
    async fn hand_over(&mut self, pen: &mut Pen, from: i32, to: i32) {
        self.made += 1;
        let value = self.made;
        for (id, change) in [
            (from, doc! { "$set": { "unique": value } }),
            (from, doc! { "$unset": { "unique": 1 } }),
            (to, doc! { "$set": { "unique": value } }),
        ] {
            let update = doc! { "q": { "_id": id }, "u": change };
            pen.observed_write(DATABASE, doc! { "update": "forms", "updates": [update] }).await;
        }
    }
}

impl Writer for Documents {
    fn databases(&self) -> Vec<String> {
        vec![DATABASE.to_owned()]
    }

    async fn prepare(&mut self, pen: &mut Pen) {
        let documents = (0..DOCUMENTS).map(|id| self.document(id)).collect();
        pen.observed(DATABASE, insert("forms", documents)).await;
        let unique = doc! { "key": { "unique": 1 }, "name": "unique", "unique": true, "sparse": true };
        let several = doc! { "key": { "list": 1 }, "name": "list" };
        pen.observed(DATABASE, doc! { "createIndexes": "forms", "indexes": [unique, several] }).await;
    }

    async fn step(&mut self, pen: &mut Pen) {
        let id = i32::try_from(pen.random.below(DOCUMENTS as usize)).expect("a small number");
        let form = pen.random.below(17);
        match form {
            0..SEVERAL => {
                let update = self.update(form, id, pen);
                pen.observed_write(DATABASE, doc! { "update": "forms", "updates": [update] }).await;
            }
            SEVERAL => {
                let set = doc! { "$set": { "several": id } };
                let update = doc! { "q": { "n": { "$lt": 5 } }, "u": set, "multi": true };
                pen.observed(DATABASE, doc! { "update": "forms", "updates": [update] }).await;
            }
            13 => {
                let delete = doc! { "q": { "_id": id }, "limit": 1 };
                pen.observed_write(DATABASE, doc! { "delete": "forms", "deletes": [delete] }).await;
                // The same _id again, with other contents.
                let again = self.document(id);
                pen.observed_write(DATABASE, insert("forms", vec![again])).await;
            }
            14 => {
                let some = doc! { "q": { "n": { "$mod": [9, id % 9] } }, "limit": 0 };
                pen.observed(DATABASE, doc! { "delete": "forms", "deletes": [some] }).await;
            }
            15 => {
                let set = doc! { "$set": { "found": id } };
                let modify = doc! { "findAndModify": "forms", "query": { "_id": id }, "update": set };
                pen.observed_write(DATABASE, modify).await;
            }
            _ => self.hand_over(pen, id, (id + 1) % DOCUMENTS).await,
        }
    }
}
