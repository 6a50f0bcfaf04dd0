//! The notes of a restore, as documents and back. `docs/resume.md` has their fields.

use crate::restore::tally::{Counts, Reached, Tally};
use crate::restore::{Existing, RestoreOptions};
use crate::{Error, Result};
use bson::oid::ObjectId;
use bson::{Bson, Document, doc};
use mongoark_deployment::Rejected;
use mongoark_model::CollectionKind;
use std::collections::HashSet;
use std::fmt::Display;

/// The `_id` of the note on the restore as a whole.
pub(super) const HEAD: &str = "restore";
/// The field that tells runs apart, of which only the last may write.
pub(super) const RUN: &str = "run";
const VERSION: i32 = 2;

/// How far a restore has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::restore) enum Phase {
    /// What is in the way is dropped.
    #[default]
    Preparing,
    /// Collections are made and documents written.
    Documents,
    /// All documents are written.
    Finishing,
    /// Views, users and roles are written too, and the oplog is replayed.
    Replaying,
}

const PHASES: [(Phase, &str); 4] = [
    (Phase::Preparing, "preparing"),
    (Phase::Documents, "documents"),
    (Phase::Finishing, "finishing"),
    (Phase::Replaying, "replaying"),
];

/// The restore as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::restore) struct Head {
    /// What has to be the same when it goes on.
    pub(super) flags: Document,
    /// The run that goes on with it now.
    pub(super) run: ObjectId,
    /// Between two notes, milliseconds.
    pub(super) every: i64,
    pub(in crate::restore) phase: Phase,
    /// What stood on the target before anything was written, by the numbers of the archive's streams.
    pub(in crate::restore) there: HashSet<u32>,
    /// Users and roles of that time.
    pub(in crate::restore) own_accounts: HashSet<(CollectionKind, String)>,
    /// Failures of the phases before: subject, message, documents.
    pub(super) failures: Vec<(String, String, u64)>,
    /// Why nobody can go on with this restore; nothing where it can be.
    pub(super) unusable: Option<String>,
    /// Whether users and roles may lie in temporary collections of this restore's making.
    pub(in crate::restore) has_temporary_accounts: bool,
}

/// The flags that decide what a restore does.
pub(super) fn flags_of(options: &RestoreOptions) -> Document {
    let texts = |texts: Vec<String>| texts.into_iter().map(Bson::from).collect::<Vec<_>>();
    let patterns =
        |patterns: &[crate::select::Pattern]| texts(patterns.iter().map(ToString::to_string).collect());
    doc! {
        "include": patterns(&options.selection.include),
        "exclude": patterns(&options.selection.exclude),
        "rename": texts(options.renames.iter().map(ToString::to_string).collect()),
        "existing": match options.existing {
            Existing::Fail => "fail",
            Existing::Merge => "merge",
            Existing::Drop => "drop",
        },
        "to": options.until.to_string(),
        "no-oplog": options.no_oplog,
        "oplog-dir": options.slices.is_some(),
        "ttl": options.ttl.as_str(),
    }
}

/// The flags that are not the same, as the command line has them.
pub(super) fn differing(one: &Document, other: &Document) -> Vec<String> {
    one.iter()
        .filter(|(key, value)| other.get(key) != Some(value))
        .map(|(key, _)| format!("--{key}"))
        .collect()
}

impl Head {
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let phase = PHASES.iter().find(|(phase, _)| *phase == self.phase).map_or("", |(_, name)| name);
        let mut there: Vec<i64> = self.there.iter().copied().map(i64::from).collect();
        there.sort_unstable();
        let accounts = self
            .own_accounts
            .iter()
            .map(|(kind, name)| Bson::from(doc! { "roles": *kind == CollectionKind::Roles, "name": name }));
        let failures = self.failures.iter().map(|(subject, message, documents)| {
            Bson::from(doc! { "subject": subject, "message": message, "documents": documents.cast_signed() })
        });
        let document = doc! {
            "_id": HEAD,
            "v": VERSION,
            "phase": phase,
            "flags": &self.flags,
            RUN: self.run,
            "every": self.every,
            "there": there,
            "ownAccounts": accounts.collect::<Vec<_>>(),
            "failures": failures.collect::<Vec<_>>(),
            "unusable": self.unusable.as_deref(),
            "temporaryAccounts": self.has_temporary_accounts,
        };
        document.to_vec().map_err(unusable)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let document = Document::from_reader(bytes).map_err(unusable)?;
        let version = document.get_i32("v").map_err(unusable)?;
        if version != VERSION {
            return Err(unusable(format!("it is of version {version}, which another mongoark has written")));
        }
        let name = document.get_str("phase").map_err(unusable)?;
        let phase = PHASES.iter().find(|(_, other)| *other == name).map(|(phase, _)| *phase);
        let there = array(&document, "there")?.iter().filter_map(Bson::as_i64);
        let accounts = array(&document, "ownAccounts")?.iter().filter_map(Bson::as_document).map(|account| {
            let is_role = account.get_bool("roles").map_err(unusable)?;
            let kind = if is_role { CollectionKind::Roles } else { CollectionKind::Users };
            Ok((kind, account.get_str("name").map_err(unusable)?.to_owned()))
        });
        let failures = array(&document, "failures")?.iter().filter_map(Bson::as_document).map(|failure| {
            let text = |key| failure.get_str(key).map(ToOwned::to_owned).map_err(unusable);
            Ok((text("subject")?, text("message")?, count(failure, "documents")?))
        });
        Ok(Self {
            flags: document.get_document("flags").map_err(unusable)?.clone(),
            run: document.get_object_id(RUN).map_err(unusable)?,
            every: document.get_i64("every").map_err(unusable)?,
            phase: phase.ok_or_else(|| unusable(format!("'{name}' is no phase")))?,
            there: there.map(|stream| u32::try_from(stream).map_err(unusable)).collect::<Result<_>>()?,
            own_accounts: accounts.collect::<Result<_>>()?,
            failures: failures.collect::<Result<_>>()?,
            unusable: document.get_str("unusable").ok().map(ToOwned::to_owned),
            has_temporary_accounts: document.get_bool("temporaryAccounts").map_err(unusable)?,
        })
    }
}

/// The note on one stream.
pub(super) fn encode_stream(stream: u32, tally: &Tally) -> Result<Vec<u8>> {
    let Counts { inserted, found, identical, rejected, superseded, disputed, named } = &tally.counts;
    let Reached { chunks, last, hash } = &tally.reached;
    let encoded = |rejected: &[Rejected]| {
        let encoded = rejected.iter().map(|Rejected { id, code, message }| {
            let id =
                id.as_ref().map(|(kind, value)| doc! { "kind": i32::from(*kind), "value": binary(value) });
            Bson::from(doc! { "id": id, "code": code, "message": message })
        });
        encoded.collect::<Vec<_>>()
    };
    let document = doc! {
        "_id": i64::from(stream),
        "uuid": tally.uuid.map(|uuid| binary(&uuid)),
        "chunks": chunks.cast_signed(),
        "last": last.cast_signed(),
        "hash": binary(hash),
        "inserted": inserted.cast_signed(),
        "found": found.cast_signed(),
        "identical": identical.cast_signed(),
        "rejected": rejected.cast_signed(),
        "superseded": superseded.cast_signed(),
        "disputed": encoded(disputed),
        "named": encoded(named),
        "refused": tally.refuses(),
    };
    document.to_vec().map_err(unusable)
}

/// The stream and what was done of it; nothing where the note is on something else.
pub(super) fn decode_stream(bytes: &[u8], reported: bool) -> Result<Option<(u32, Tally)>> {
    let document = Document::from_reader(bytes).map_err(unusable)?;
    let Ok(stream) = document.get_i64("_id") else { return Ok(None) };
    let counts = Counts {
        inserted: count(&document, "inserted")?,
        found: count(&document, "found")?,
        identical: count(&document, "identical")?,
        rejected: count(&document, "rejected")?,
        superseded: count(&document, "superseded")?,
        disputed: rejected(&document, "disputed")?,
        named: rejected(&document, "named")?,
    };
    let reached = Reached {
        chunks: count(&document, "chunks")?,
        last: count(&document, "last")?,
        hash: exact(&document, "hash")?.ok_or_else(|| unusable("a note has no hash"))?,
    };
    let refused = document.get_bool("refused").map_err(unusable)?;
    let stream = u32::try_from(stream).map_err(unusable)?;
    let mut tally = Tally::kept(counts, reached, refused, reported);
    tally.uuid = exact(&document, "uuid")?;
    Ok(Some((stream, tally)))
}

fn rejected(document: &Document, key: &str) -> Result<Vec<Rejected>> {
    let decoded = array(document, key)?.iter().filter_map(Bson::as_document).map(|rejected| {
        let id = match rejected.get_document("id") {
            Ok(id) => {
                let kind = id.get_i32("kind").map_err(unusable)?;
                let value = id.get_binary_generic("value").map_err(unusable)?.clone();
                Some((u8::try_from(kind).map_err(unusable)?, value))
            }
            Err(_) => None,
        };
        let message = rejected.get_str("message").map_err(unusable)?.to_owned();
        Ok(Rejected { id, code: rejected.get_i32("code").map_err(unusable)?, message })
    });
    decoded.collect()
}

/// So many bytes; nothing where there are none.
fn exact<const N: usize>(document: &Document, key: &str) -> Result<Option<[u8; N]>> {
    match document.get_binary_generic(key) {
        Ok(bytes) => bytes.as_slice().try_into().map(Some).map_err(unusable),
        Err(_) => Ok(None),
    }
}

fn array<'a>(document: &'a Document, key: &str) -> Result<&'a Vec<Bson>> {
    document.get_array(key).map_err(unusable)
}

fn count(document: &Document, key: &str) -> Result<u64> {
    Ok(document.get_i64(key).map_err(unusable)?.cast_unsigned())
}

fn binary(bytes: &[u8]) -> bson::Binary {
    bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: bytes.to_vec() }
}

pub(super) fn unusable(error: impl Display) -> Error {
    Error::Refused(format!(
        "what the restore that was broken off wrote down on the target cannot be used: {error}; restore without \
         --resume, with --existing drop"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_as_they_were() {
        let head = Head {
            flags: flags_of(&RestoreOptions::default()),
            run: ObjectId::new(),
            every: 1000,
            phase: Phase::Replaying,
            there: [3, 70_000].into(),
            own_accounts: [(CollectionKind::Roles, "admin.r".to_owned())].into(),
            failures: vec![("d.c".to_owned(), "refused".to_owned(), 7)],
            unusable: Some("why".to_owned()),
            has_temporary_accounts: true,
        };
        assert_eq!(Head::decode(&head.encode().unwrap()).unwrap(), head);
        let named = vec![
            Rejected { id: Some((0x10, vec![1, 0, 0, 0])), code: 121, message: "why".to_owned() },
            Rejected { id: None, code: 2, message: String::new() },
        ];
        let disputed = named[..1].to_vec();
        let counts =
            Counts { inserted: 5, found: 4, identical: 1, rejected: 2, superseded: 3, disputed, named };
        let reached = Reached { chunks: 9, last: 70, hash: [3; 32] };
        let mut tally = Tally::kept(counts.clone(), reached, true, false);
        for uuid in [None, Some([8; 16])] {
            tally.uuid = uuid;
            let (stream, found) = decode_stream(&encode_stream(4, &tally).unwrap(), false).unwrap().unwrap();
            assert_eq!((stream, &found.counts, found.reached), (4, &counts, reached));
            assert_eq!((found.uuid, found.refuses()), (uuid, true));
        }
        assert!(decode_stream(&head.encode().unwrap(), false).unwrap().is_none());
        assert!(Head::decode(b"nothing").unwrap_err().to_string().contains("cannot be used"));
    }

    #[test]
    fn flags_that_differ_are_named() {
        let options =
            RestoreOptions { existing: Existing::Drop, no_oplog: true, ..RestoreOptions::default() };
        let found = differing(&flags_of(&options), &flags_of(&RestoreOptions::default()));
        assert_eq!(found, ["--existing", "--no-oplog"]);
    }
}
