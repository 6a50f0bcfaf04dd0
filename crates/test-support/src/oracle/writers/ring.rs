//! Capped collections that are written to until they are full and beyond.

use bson::{Document, doc};

use super::insert;
use crate::oracle::pen::{Pen, put};
use crate::oracle::writer::Writer;

const DATABASE: &str = "ring";

#[derive(Default)]
pub(in crate::oracle) struct Ring {
    written: i32,
}

impl Ring {
    fn document(&mut self) -> Document {
        self.written += 1;
        doc! { "_id": self.written, "m": format!("entry {}", self.written) }
    }
}

impl Writer for Ring {
    fn databases(&self) -> Vec<String> {
        vec![DATABASE.to_owned()]
    }

    async fn prepare(&mut self, pen: &mut Pen) {
        for (name, max) in [("entries", 25), ("few", 5)] {
            let create = doc! { "create": name, "capped": true, "size": 16 << 20, "max": max };
            pen.observed(DATABASE, create).await;
        }
    }

    async fn step(&mut self, pen: &mut Pen) {
        let name = if pen.random.below(3) == 0 { "few" } else { "entries" };
        let documents: Vec<Document> = (0..=pen.random.below(3)).map(|_| self.document()).collect();
        let changes = documents.iter().map(|document| put(&format!("{DATABASE}.{name}"), document)).collect();
        pen.write(DATABASE, insert(name, documents), changes).await;
    }
}
