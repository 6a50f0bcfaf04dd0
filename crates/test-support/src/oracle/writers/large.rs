//! Transactions that take several entries of the oplog, together with a balance that they keep.

use std::time::Duration;

use bson::{Binary, Document, doc, spec::BinarySubtype};

use super::insert;
use crate::oracle::checks::integer;
use crate::oracle::pen::{Pen, put, removed};
use crate::oracle::state::{Namespace, State};
use crate::oracle::writer::Writer;

const DATABASE: &str = "large";
const DOCUMENT_BYTES: usize = 250_000;
const IN_A_STATEMENT: usize = 12;

pub(in crate::oracle) struct Large {
    documents: i32,
    rounds: i32,
}

impl Large {
    pub(in crate::oracle) fn new(megabytes: usize) -> Self {
        let documents = i32::try_from(megabytes * 1_000_000 / DOCUMENT_BYTES).expect("a few documents");
        Self { documents, rounds: 0 }
    }

    fn document(&self, id: i32) -> Document {
        let byte = u8::try_from((self.rounds * 31 + id) % 251).expect("a byte");
        let fill = Binary { subtype: BinarySubtype::Generic, bytes: vec![byte; DOCUMENT_BYTES] };
        doc! { "_id": id, "round": self.rounds, "fill": fill }
    }
}

impl Writer for Large {
    fn databases(&self) -> Vec<String> {
        vec![DATABASE.to_owned()]
    }

    fn pause(&self) -> usize {
        3_000
    }

    async fn prepare(&mut self, pen: &mut Pen) {
        pen.observed(DATABASE, doc! { "create": "blobs" }).await;
        pen.observed(DATABASE, insert("round", vec![doc! { "_id": 0, "round": 0 }])).await;
    }

    /// The first round inserts; each later one removes all of the last one and inserts anew, in one transaction.
    async fn step(&mut self, pen: &mut Pen) {
        self.rounds += 1;
        let (blobs, mut statements, mut changes) = (format!("{DATABASE}.blobs"), Vec::new(), Vec::new());
        let round = doc! { "_id": 0, "round": self.rounds };
        statements.push((DATABASE, super::replace("round", &round)));
        changes.push(put(&format!("{DATABASE}.round"), &round));
        if self.rounds > 1 {
            let all = doc! { "q": {}, "limit": 0 };
            statements.push((DATABASE, doc! { "delete": "blobs", "deletes": [all] }));
            changes.extend((0..self.documents).map(|id| removed(&blobs, id)));
        }
        let documents: Vec<Document> = (0..self.documents).map(|id| self.document(id)).collect();
        changes.extend(documents.iter().map(|document| put(&blobs, document)));
        for some in documents.chunks(IN_A_STATEMENT) {
            statements.push((DATABASE, insert("blobs", some.to_vec())));
        }
        pen.transaction(&statements, Duration::ZERO, changes).await;
    }
}

/// Whether a large transaction is there in part.
pub(in crate::oracle) fn broken(state: &State) -> Vec<String> {
    let in_ = |collection: &str| {
        let namespace = state.namespaces.get(&format!("{DATABASE}.{collection}"));
        let documents = namespace.into_iter().flat_map(Namespace::documents);
        documents.map(|(_, document)| integer(document, "round")).collect::<Vec<_>>()
    };
    let round = in_("round");
    let wrong = in_("blobs").into_iter().filter(|of| !round.contains(of)).count();
    if wrong == 0 {
        Vec::new()
    } else {
        vec![format!("{DATABASE}: {wrong} documents are not of round {round:?}")]
    }
}
