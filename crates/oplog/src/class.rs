//! What is to be done with an entry: passed over, applied as a write, or run as a command.

use crate::entry::{Entry, Op};
use crate::error::{Error, Result};
use mongoark_bson_bytes::{self as bytes, Element, Elements};
use mongoark_model::Namespace;

/// Collections of `config` that belong to a dump; all others are the server's own business.
const CONFIG_KEPT: [&str; 7] =
    ["chunks", "collections", "databases", "settings", "shards", "tags", "version"];

/// Keys with which a cluster signs its times; another cluster has its own.
const SIGNING_KEYS: &str = "system.keys";

/// What is to be done with an entry.
#[derive(Clone, Copy, Debug)]
pub enum Class<'a> {
    /// Nothing.
    Skip(Skip<'a>),
    /// An insert, update or delete.
    Write,
    /// A change of the catalog, or the control of a transaction.
    Command(Command<'a>),
}

/// Why an entry is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip<'a> {
    /// It does nothing, or keeps the books of replication.
    Nothing,
    /// Its namespace belongs to the server.
    Namespace(&'a str),
    /// Its command is a step that only the server that took it can take.
    Command(&'a str),
}

/// A command of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    /// Which.
    pub kind: CommandKind,
    /// Its database.
    pub db: &'a str,
    /// The whole command, `o`.
    pub body: &'a [u8],
}

/// The commands that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// `create`.
    Create,
    /// `drop`.
    Drop,
    /// `dropDatabase`.
    DropDatabase,
    /// `renameCollection`.
    RenameCollection,
    /// `collMod`.
    CollMod,
    /// `createIndexes`: one index.
    CreateIndexes,
    /// `commitIndexBuild`: several indexes.
    CommitIndexBuild,
    /// `dropIndexes` under its four names.
    DropIndexes,
    /// `convertToCapped`.
    ConvertToCapped,
    /// `emptycapped`.
    EmptyCapped,
    /// `dbCheck`, which changes nothing.
    DbCheck,
    /// `applyOps`, outside of transactions.
    ApplyOps,
    /// `commitTransaction`, `abortTransaction`: see [`Entry::transaction`].
    Transaction,
}

impl<'a> Entry<'a> {
    /// What is to be done with this entry. An unknown command is an error, and so is an entry that
    /// may not be replayed.
    pub fn class(&self) -> Result<Class<'a>> {
        if let Some(refusal) = self.own_refusal()? {
            return Err(Error::Refused { ts: self.ts, namespace: self.namespace.to_owned(), refusal });
        }
        if is_the_servers(self.db(), self.collection()) {
            return Ok(Class::Skip(Skip::Namespace(self.namespace)));
        }
        match self.op {
            Op::Nothing => Ok(Class::Skip(Skip::Nothing)),
            Op::Insert | Op::Update | Op::Delete => Ok(Class::Write),
            Op::Command => self.command(),
        }
    }

    fn command(&self) -> Result<Class<'a>> {
        let name = command_name(self.object)?;
        if matches!(name, "startIndexBuild" | "abortIndexBuild" | "setMultikeyMetadata" | "dropIdent") {
            return Ok(Class::Skip(Skip::Command(name)));
        }
        let kind = CommandKind::named(name).ok_or_else(|| Error::UnknownCommand {
            ts: self.ts,
            namespace: self.namespace.to_owned(),
            command: name.to_owned(),
        })?;
        let command = Command { kind, db: self.db(), body: self.object };
        if kind == CommandKind::Create && is_the_servers(command.db, &command.collection()?.collection) {
            return Ok(Class::Skip(Skip::Namespace(self.namespace)));
        }
        Ok(Class::Command(command))
    }
}

impl Command<'_> {
    /// The collection that the command's first field names.
    pub fn collection(&self) -> Result<Namespace> {
        let first = Elements::new(self.body)?.next().transpose()?;
        let name = first.and_then(|first| first.as_str());
        let wanted = Error::Field { ts: None, field: "o", wanted: "a command that names a collection" };
        Ok(Namespace::new(self.db, name.ok_or(wanted)?))
    }

    /// Whether a `create` makes a collection that its server removes by itself unless it is renamed.
    pub fn is_temporary(&self) -> Result<bool> {
        Ok(bytes::get(self.body, "temp")?.and_then(|temp| temp.as_bool()) == Some(true))
    }

    /// The collection that a renameCollection removed, where the entry tells its UUID.
    pub fn replaced(&self) -> Result<Option<[u8; 16]>> {
        Ok(bytes::get(self.body, "dropTarget")?.and_then(|replaced| uuid(&replaced)))
    }

    /// Where a renameCollection leads from and to, and whether it replaced a collection there.
    pub fn rename(&self) -> Result<(Namespace, Namespace, bool)> {
        let name = |field: &'static str| {
            let name = bytes::get(self.body, field)?.and_then(|name| name.as_str());
            let namespace = name.and_then(|name| name.parse::<Namespace>().ok());
            namespace.ok_or(Error::Field { ts: None, field, wanted: "a namespace" })
        };
        let replaces = bytes::get(self.body, "dropTarget")?;
        let replaces = replaces.is_some_and(|replaces| replaces.as_bool() != Some(false));
        Ok((name("renameCollection")?, name("to")?, replaces))
    }
}

impl CommandKind {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "create" => Self::Create,
            "drop" => Self::Drop,
            "dropDatabase" => Self::DropDatabase,
            "renameCollection" => Self::RenameCollection,
            "collMod" => Self::CollMod,
            "createIndexes" => Self::CreateIndexes,
            "commitIndexBuild" => Self::CommitIndexBuild,
            "deleteIndex" | "deleteIndexes" | "dropIndex" | "dropIndexes" => Self::DropIndexes,
            "convertToCapped" => Self::ConvertToCapped,
            "emptycapped" => Self::EmptyCapped,
            "dbCheck" => Self::DbCheck,
            "applyOps" => Self::ApplyOps,
            "commitTransaction" | "abortTransaction" => Self::Transaction,
            _ => return None,
        })
    }
}

/// A UUID, where the element is one.
pub(crate) fn uuid(element: &Element<'_>) -> Option<[u8; 16]> {
    element.as_binary().filter(|(subtype, _)| *subtype == 4).and_then(|(_, bytes)| bytes.try_into().ok())
}

/// The first key of a command; nothing where it is empty or no text.
pub(crate) fn command_name(command: &[u8]) -> Result<&str> {
    let first = Elements::new(command)?.next().transpose()?;
    Ok(first.and_then(|first| first.key_str()).unwrap_or_default())
}

fn is_the_servers(db: &str, collection: &str) -> bool {
    db.starts_with("__mdb_internal_")
        || db == "config" && !CONFIG_KEPT.contains(&collection)
        || db == "admin" && collection == SIGNING_KEYS
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{RawDocumentBuf, rawdoc};
    use mongoark_bson_bytes::Builder;

    fn class_of(entry: &RawDocumentBuf) -> String {
        match Entry::parse(entry.as_bytes()).unwrap().class() {
            Ok(Class::Skip(skip)) => format!("skip {skip:?}"),
            Ok(Class::Write) => "write".to_owned(),
            Ok(Class::Command(command)) => format!("{:?}", command.kind),
            Err(error) => format!("error: {error}"),
        }
    }

    fn command(name: &str) -> RawDocumentBuf {
        let body = Builder::new().str(name, "c").finish();
        rawdoc! { "op": "c", "ns": "d.$cmd", "o": RawDocumentBuf::from_bytes(body).unwrap() }
    }

    #[test]
    fn writes_are_applied_and_bookkeeping_is_not() {
        for op in ["i", "u", "d"] {
            assert_eq!(class_of(&rawdoc! { "op": op, "ns": "d.c", "o": {} }), "write");
            assert_eq!(class_of(&rawdoc! { "op": op, "ns": "config.chunks", "o": {} }), "write");
            assert!(class_of(&rawdoc! { "op": op, "ns": "config.x", "o": {} }).starts_with("skip Namespace"));
            let internal = rawdoc! { "op": op, "ns": "__mdb_internal_x.c", "o": {} };
            assert!(class_of(&internal).starts_with("skip Namespace"));
        }
        let key = rawdoc! { "op": "i", "ns": "admin.system.keys", "o": {} };
        assert!(class_of(&key).starts_with("skip Namespace"));
        let create = rawdoc! { "op": "c", "ns": "admin.$cmd", "o": { "create": "system.keys" } };
        assert!(class_of(&create).starts_with("skip Namespace"));
        for op in ["n", "ci", "cu", "cd", "km"] {
            assert_eq!(class_of(&rawdoc! { "op": op, "ns": "" }), "skip Nothing");
        }
    }

    #[test]
    fn commands_are_known_skipped_refused_or_an_error() {
        for name in ["startIndexBuild", "abortIndexBuild", "setMultikeyMetadata", "dropIdent"] {
            assert_eq!(class_of(&command(name)), format!("skip Command({name:?})"));
        }
        for name in ["deleteIndex", "deleteIndexes", "dropIndex", "dropIndexes"] {
            assert_eq!(class_of(&command(name)), "DropIndexes");
        }
        for (name, kind) in [("create", "Create"), ("emptycapped", "EmptyCapped"), ("dbCheck", "DbCheck")] {
            assert_eq!(class_of(&command(name)), kind);
        }
        assert!(class_of(&command("importCollection")).contains("imported"));
        assert!(
            class_of(&command("shrinkEverything")).contains("unknown oplog command name shrinkEverything")
        );
        assert!(class_of(&rawdoc! { "op": "c", "ns": "d.$cmd", "o": {} }).starts_with("error"));
    }

    #[test]
    fn a_rename_tells_whether_it_replaced() {
        let rename = |extra: bson::RawBson| {
            let body =
                rawdoc! { "renameCollection": "d.a.b", "to": "e.c", "stayTemp": false, "dropTarget": extra };
            let entry = rawdoc! { "op": "c", "ns": "d.$cmd", "o": body };
            match Entry::parse(entry.as_bytes()).unwrap().class().unwrap() {
                Class::Command(command) => command.rename().unwrap(),
                other => panic!("{other:?}"),
            }
        };
        let (from, to, replaced) = rename(bson::RawBson::Boolean(false));
        assert_eq!((from, to, replaced), (Namespace::new("d", "a.b"), Namespace::new("e", "c"), false));
        assert!(rename(bson::RawBson::String("a uuid".into())).2);
        assert!(rename(bson::RawBson::Boolean(true)).2);
    }
}
