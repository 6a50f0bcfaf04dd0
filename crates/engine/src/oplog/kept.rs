//! Which entries go into an archive: raw, all but those that no replay could ever use. A slice keeps a short no-op in the place
//! of each of those, so that every entry can be found in it.

use crate::Result;
use mongoark_bson_bytes::{self as bytes, Builder};
use mongoark_oplog::{Class, Entry, Error as OplogError, Op, Skip};

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is kept as it is.
    Whole,
    /// It does nothing, or is the server's own business.
    Not,
}

/// Whether an entry is kept.
///
/// # Errors
/// Where the entry makes an oplog worthless ([`mongoark_oplog::Refusal`]), or cannot be read.
pub(crate) fn kept(document: &[u8]) -> Result<Kept> {
    let entry = Entry::parse(document)?;
    if is_first_account(&entry)? {
        return Ok(Kept::Not);
    }
    if let Some(refusal) = entry.refusal()? {
        let namespace = entry.namespace.to_owned();
        return Err(OplogError::Refused { ts: entry.ts, namespace, refusal }.into());
    }
    Ok(match entry.class()? {
        // What it takes back is in the index catalog of whoever looked meanwhile.
        Class::Skip(Skip::Command("abortIndexBuild")) | Class::Write | Class::Command(_) => Kept::Whole,
        Class::Skip(_) => Kept::Not,
    })
}

/// What a slice keeps of an entry that no replay can use: a no-op of its time, term and wall clock.
pub(crate) fn stand_in(entry: &[u8]) -> Vec<u8> {
    let mut out = Builder::new();
    out.str("op", "n").str("ns", "").nested("o", |_| ());
    for key in ["ts", "t", "v", "wall"] {
        if let Ok(Some(element)) = bytes::get(entry, key) {
            out.element(&element);
        }
    }
    out.finish()
}

/// The first user makes a server note the schema of its users, which every target notes by itself.
fn is_first_account(entry: &Entry<'_>) -> Result<bool> {
    if entry.namespace != "admin.system.version" || entry.op != Op::Insert {
        return Ok(false);
    }
    let field = |key| bytes::get(entry.object, key).map_err(OplogError::from);
    let is_schema = field("_id")?.is_some_and(|id| id.as_str() == Some("authSchema"));
    Ok(is_schema && field("currentVersion")?.and_then(|version| version.as_i64_lossless()) == Some(5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oplog::EntryId;
    use bson::rawdoc;

    #[test]
    fn a_stand_in_is_the_same_entry_and_does_nothing() {
        let (ts, wall) = (bson::Timestamp { time: 7, increment: 2 }, bson::DateTime::from_millis(9));
        let mut entry = rawdoc! { "op": "u", "ns": "config.transactions", "o": { "a": "long" }, "o2": {} };
        entry.append(bson::raw::cstr!("ts"), ts);
        entry.append(bson::raw::cstr!("t"), 3_i64);
        entry.append(bson::raw::cstr!("v"), 2_i64);
        entry.append(bson::raw::cstr!("wall"), wall);
        let short = stand_in(entry.as_bytes());
        let id = EntryId::of(&short).unwrap();
        assert_eq!(id, EntryId::of(entry.as_bytes()).unwrap());
        assert!(id.is_known() && short.len() < 90, "{}", short.len());
        assert_eq!(kept(&short).unwrap(), Kept::Not);
    }

    #[test]
    fn what_no_replay_can_use_is_left_out_and_what_forbids_it_is_an_error() {
        for (entry, expected) in [
            (rawdoc! { "op": "i", "ns": "d.c", "o": { "_id": 1 } }, Kept::Whole),
            (rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "drop": "c" } }, Kept::Whole),
            (rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "abortIndexBuild": "c" } }, Kept::Whole),
            (rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "startIndexBuild": "c" } }, Kept::Not),
            (rawdoc! { "op": "n", "ns": "", "o": { "msg": "periodic noop" } }, Kept::Not),
            (rawdoc! { "op": "u", "ns": "config.transactions", "o": {} }, Kept::Not),
            (
                rawdoc! { "op": "i", "ns": "admin.system.version", "o": { "_id": "authSchema", "currentVersion": 5 } },
                Kept::Not,
            ),
        ] {
            assert_eq!(kept(entry.as_bytes()).unwrap(), expected, "{entry:?}");
        }
        let version = rawdoc! { "op": "u", "ns": "admin.system.version", "o": { "_id": "featureCompatibilityVersion" } };
        assert!(kept(version.as_bytes()).unwrap_err().to_string().contains("admin.system.version"));
        let unknown = rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "shrinkEverything": 1 } };
        assert!(kept(unknown.as_bytes()).is_err());
    }
}
