//! Everything that changes the catalog: collections, views, names, options and indexes come, change and go.
//!
//! What a command did is read afterwards, so a command may as well be refused: names are taken as they come.

use bson::{Bson, Document, doc};

use super::insert;
use crate::oracle::pen::Pen;
use crate::oracle::writer::Writer;

/// One where most happens, one that collections move to and from, and one that is dropped whole.
const DATABASES: [&str; 3] = ["catalog", "catalog_other", "catalog_gone"];
const NAMES: [&str; 5] = ["a", "b", "c d", "e.é", "f"];

#[derive(Default)]
pub(in crate::oracle) struct Catalog {
    inserted: i32,
}

impl Writer for Catalog {
    fn databases(&self) -> Vec<String> {
        DATABASES.map(str::to_owned).into()
    }

    fn pause(&self) -> usize {
        30
    }

    async fn prepare(&mut self, pen: &mut Pen) {
        for name in &NAMES[..3] {
            self.fill(pen, DATABASES[0], name).await;
        }
    }

    async fn step(&mut self, pen: &mut Pen) {
        let database = if pen.random.below(4) == 0 { DATABASES[1] } else { DATABASES[0] };
        let name = *pen.random.pick(&NAMES);
        match pen.random.below(22) {
            0..3 => self.fill(pen, database, name).await,
            3 | 4 => self.recreate(pen, database, name).await,
            5 => self.create_in_a_transaction(pen, database, name).await,
            6 | 7 => self.rename(pen, database, name).await,
            8 => self.cycle(pen, database, name).await,
            9 => self.move_away(pen, database, name).await,
            10 | 11 => self.view(pen, database).await,
            12 => self.drop_database(pen).await,
            13 => {
                pen.observed(database, doc! { "drop": name }).await;
            }
            14 => {
                pen.observed(database, doc! { "convertToCapped": name, "size": 1 << 20 }).await;
            }
            15 | 16 => drop_indexes(pen, database, name).await,
            17 | 18 => modify(pen, database, name).await,
            _ => build_indexes(pen, database, name).await,
        }
    }
}

impl Catalog {
    fn documents(&mut self, count: i32) -> Vec<Document> {
        let from = self.inserted;
        self.inserted += count;
        (from..self.inserted)
            .map(|id| doc! { "_id": id, "n": id % 7, "text": format!("number {id}"), "unique": id, "list": [id, 1] })
            .collect()
    }

    /// Documents, in a collection that may be made by that.
    async fn fill(&mut self, pen: &mut Pen, database: &str, name: &str) {
        let count = 1 + i32::try_from(pen.random.below(8)).unwrap_or(0);
        let documents = self.documents(count);
        pen.observed_write(database, insert(name, documents)).await;
    }

    /// The same name again, with other options.
    async fn recreate(&mut self, pen: &mut Pen, database: &str, name: &str) {
        if pen.random.below(2) == 0 {
            pen.observed(database, doc! { "drop": name }).await;
        }
        let mut create = doc! { "create": name };
        let options = match pen.random.below(6) {
            0 => doc! { "validator": { "n": { "$type": "int" } }, "validationAction": "warn" },
            1 => doc! { "collation": { "locale": "sv", "strength": 2 } },
            2 => doc! { "capped": true, "size": 1 << 20, "max": 1_000 },
            3 => doc! { "storageEngine": { "wiredTiger": { "configString": "block_compressor=zlib" } } },
            _ => doc! {},
        };
        create.extend(options);
        pen.observed(database, create).await;
        if pen.random.below(3) > 0 {
            self.fill(pen, database, name).await;
        }
    }

    async fn create_in_a_transaction(&mut self, pen: &mut Pen, database: &str, name: &str) {
        pen.observed(database, doc! { "drop": name }).await;
        let (first, second) = (self.documents(3), self.documents(2));
        let index = doc! { "key": { "n": 1 }, "name": "n_1" };
        let statements = if pen.random.below(2) == 0 {
            vec![(database, insert(name, first))]
        } else {
            vec![
                (database, doc! { "create": name }),
                (database, doc! { "createIndexes": name, "indexes": [index] }),
                (database, insert(name, first)),
                (database, insert(name, second)),
            ]
        };
        pen.observed_transaction(&statements).await;
    }

    async fn rename(&mut self, pen: &mut Pen, database: &str, name: &str) {
        let to = *pen.random.pick(&NAMES);
        let drops = pen.random.below(2) == 0;
        pen.observed("admin", rename((database, name), (database, to), drops)).await;
        if pen.random.below(2) == 0 {
            self.fill(pen, database, to).await;
        }
    }

    /// x becomes y, a new x is made, and goes over y.
    async fn cycle(&mut self, pen: &mut Pen, database: &str, name: &str) {
        let aside = *pen.random.pick(&NAMES);
        pen.observed("admin", rename((database, name), (database, aside), true)).await;
        self.recreate(pen, database, name).await;
        if pen.random.below(2) == 0 {
            pen.observed("admin", rename((database, name), (database, aside), true)).await;
            self.fill(pen, database, name).await;
        }
    }

    /// To another database, which makes it a collection of its own.
    async fn move_away(&mut self, pen: &mut Pen, database: &str, name: &str) {
        let to = if database == DATABASES[0] { DATABASES[1] } else { DATABASES[0] };
        let drops = pen.random.below(2) == 0;
        pen.observed("admin", rename((database, name), (to, name), drops)).await;
    }

    async fn view(&mut self, pen: &mut Pen, database: &str) {
        let view = *pen.random.pick(&["view", "view of a view"]);
        let on = *pen.random.pick(&["a", "b", "view", "nothing"]);
        let limit = i32::try_from(pen.random.below(9)).unwrap_or(0);
        let pipeline: Bson = Bson::Array(vec![doc! { "$match": { "n": { "$gt": limit } } }.into()]);
        let command = match pen.random.below(4) {
            0 => doc! { "drop": view },
            1 => doc! { "collMod": view, "viewOn": on, "pipeline": pipeline },
            _ => doc! { "create": view, "viewOn": on, "pipeline": pipeline },
        };
        pen.observed(database, command).await;
    }

    async fn drop_database(&mut self, pen: &mut Pen) {
        let gone = DATABASES[2];
        for name in &NAMES[..2] {
            self.fill(pen, gone, name).await;
            build_indexes(pen, gone, name).await;
        }
        pen.observed(gone, doc! { "create": "view", "viewOn": "a", "pipeline": [] }).await;
        pen.observed(gone, doc! { "dropDatabase": 1 }).await;
        if pen.random.below(2) == 0 {
            self.fill(pen, gone, NAMES[0]).await;
        }
    }
}

fn rename(from: (&str, &str), to: (&str, &str), drops: bool) -> Document {
    let name = |(database, name): (&str, &str)| format!("{database}.{name}");
    doc! { "renameCollection": name(from), "to": name(to), "dropTarget": drops }
}

/// Every kind of index that a few documents can have.
fn index(number: usize) -> Document {
    match number {
        0 => doc! { "key": { "n": 1 }, "name": "n_1" },
        1 => doc! { "key": { "unique": 1 }, "name": "unique", "unique": true },
        2 => doc! { "key": { "text": "text" }, "name": "words", "weights": { "text": 3 } },
        3 => doc! { "key": { "when": 1 }, "name": "ttl", "expireAfterSeconds": 1_000_000 },
        4 => {
            doc! { "key": { "n": -1, "list": 1 }, "name": "part", "partialFilterExpression": { "n": { "$gt": 3 } } }
        }
        5 => doc! { "key": { "n": "hashed" }, "name": "hashed" },
        6 => doc! { "key": { "$**": 1 }, "name": "wild", "wildcardProjection": { "list": 1 } },
        7 => doc! { "key": { "text": 1 }, "name": "swedish", "collation": { "locale": "sv" } },
        8 => doc! { "key": { "n": 1, "text": 1 }, "name": "hidden", "hidden": true },
        _ => doc! { "key": { "list": 1 }, "name": "list", "sparse": true },
    }
}

async fn build_indexes(pen: &mut Pen, database: &str, name: &str) {
    let count = 1 + pen.random.below(3);
    let first = pen.random.below(10);
    let indexes: Vec<Document> = (0..count).map(|number| index((first + number * 3) % 10)).collect();
    let command = doc! { "createIndexes": name, "indexes": indexes, "commitQuorum": "majority" };
    pen.observed(database, command).await;
}

async fn drop_indexes(pen: &mut Pen, database: &str, name: &str) {
    let known = pen.state.namespaces.get(&format!("{database}.{name}"));
    let names = known.into_iter().flat_map(|namespace| namespace.indexes.keys());
    let some: Vec<String> = names.filter(|index| *index != "_id_").take(2).cloned().collect();
    let index: Bson = match (pen.random.below(4), some.first()) {
        (0, _) => "*".into(),
        (1 | 2, Some(first)) => first.clone().into(),
        _ => some.into(),
    };
    pen.observed(database, doc! { "dropIndexes": name, "index": index }).await;
}

async fn modify(pen: &mut Pen, database: &str, name: &str) {
    let number = i32::try_from(pen.random.below(100)).unwrap_or(0);
    let mut command = doc! { "collMod": name };
    command.extend(match pen.random.below(5) {
        0 => doc! { "validator": { "n": { "$gte": -number } }, "validationLevel": "moderate" },
        1 => doc! { "validator": {}, "validationAction": "warn" },
        2 => doc! { "index": { "name": "ttl", "expireAfterSeconds": 1_000_000 + number } },
        3 => doc! { "index": { "name": "hidden", "hidden": number % 2 == 0 } },
        _ => doc! { "index": { "keyPattern": { "n": 1 }, "hidden": number % 2 == 1 } },
    });
    pen.observed(database, command).await;
}
