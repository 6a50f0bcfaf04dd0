//! How far a replay is, written down on the target among the operations that it sends, so that another run can go on.
//!
//! A place is a number of operations, counted from the first entry on. Each command to the server has a note before its
//! operations, of how far they will reach, and one behind them, that all before are done. The server applies them in
//! their order, so whatever it keeps of a command that nobody saw the end of, the notes tell. What lies between the two
//! is done again: entries of an oplog may be applied twice, as long as they are in order.

use crate::Stop;
use bson::{Bson, Document, doc};
use mongoark_deployment::Notes;
use mongoark_model::{Namespace, Timestamp};
use std::collections::BTreeMap;

/// The `_id` of the note.
const ID: &str = "replay";

/// Where a replay writes down how far it is.
#[derive(Clone, Debug)]
pub struct Marks {
    /// The notes of the restore; its collection is there.
    pub notes: Notes,
    /// How far an earlier run has come.
    pub from: ReplayPlace,
    /// Set once nothing may be written any more.
    pub lost: Stop,
}

/// How far a replay has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayPlace {
    /// Operations that are done.
    pub done: u64,
    /// The time of the last of them: a number alone says nothing of which oplog it is a number in.
    pub at: Option<Timestamp>,
    /// Those behind them, up to here, may be done.
    pub ahead: u64,
    /// Of them, inserts into capped collections up to here are done: one that is repeated would push out another.
    pub capped: u64,
    /// Collections that the oplog made: their UUIDs at the source, and on the target.
    pub created: BTreeMap<[u8; 16], [u8; 16]>,
    /// Collections that writes did not find, with the time of the first: an error unless they are dropped later.
    pub missing: Vec<(Namespace, Option<Timestamp>)>,
}

impl ReplayPlace {
    /// Its note.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let time = |ts: Timestamp| bson::Timestamp { time: ts.seconds, increment: ts.increment };
        let missing = self.missing.iter().map(|(Namespace { db, collection }, ts)| {
            Bson::from(doc! { "db": db, "collection": collection, "ts": ts.map(time) })
        });
        let document = doc! {
            "_id": ID,
            "done": self.done.cast_signed(),
            "at": self.at.map(time),
            "ahead": self.ahead.cast_signed(),
            "capped": self.capped.cast_signed(),
            "created": self.created.iter().map(|(source, there)| Bson::from(vec![uuid(source), uuid(there)])).collect::<Vec<_>>(),
            "missing": missing.collect::<Vec<_>>(),
        };
        // Numbers and names of collections can always be encoded.
        document.to_vec().unwrap_or_default()
    }

    /// Reads such a note; nothing where it is on something else.
    pub(crate) fn decode(note: &[u8]) -> bson::error::Result<Option<Self>> {
        let document = Document::from_reader(note)?;
        if !document.get_str("_id").is_ok_and(|id| id == ID) {
            return Ok(None);
        }
        let count = |key| document.get_i64(key).map(i64::cast_unsigned);
        let time =
            |of: &Document, key| of.get_timestamp(key).ok().map(|ts| Timestamp::new(ts.time, ts.increment));
        let mut place = Self {
            done: count("done")?,
            at: time(&document, "at"),
            ahead: count("ahead")?,
            capped: count("capped")?,
            created: BTreeMap::new(),
            missing: Vec::new(),
        };
        for pair in document.get_array("created")?.iter().filter_map(Bson::as_array) {
            if let [Some(source), Some(there)] = [pair.first(), pair.get(1)].map(|it| it.and_then(bytes_of)) {
                place.created.insert(source, there);
            }
        }
        for missing in document.get_array("missing")?.iter().filter_map(Bson::as_document) {
            let namespace = Namespace::new(missing.get_str("db")?, missing.get_str("collection")?);
            place.missing.push((namespace, time(missing, "ts")));
        }
        Ok(Some(place))
    }
}

fn uuid(bytes: &[u8; 16]) -> Bson {
    bson::Binary { subtype: bson::spec::BinarySubtype::Uuid, bytes: bytes.to_vec() }.into()
}

fn bytes_of(uuid: &Bson) -> Option<[u8; 16]> {
    match uuid {
        Bson::Binary(binary) => binary.bytes.as_slice().try_into().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_as_it_was() {
        let missing =
            vec![(Namespace::new("d", "c"), Some(Timestamp::new(3, 1))), (Namespace::new("e", "f"), None)];
        let place = ReplayPlace {
            done: 5,
            at: Some(Timestamp::new(8, 2)),
            ahead: 9,
            capped: 7,
            created: [([1; 16], [2; 16])].into(),
            missing,
        };
        assert_eq!(ReplayPlace::decode(&place.encode()).unwrap(), Some(place));
        assert_eq!(ReplayPlace::decode(&doc! { "_id": "restore" }.to_vec().unwrap()).unwrap(), None);
    }
}
