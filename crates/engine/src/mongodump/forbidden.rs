//! Oplog entries with which no dump can be replayed: pure looks at their bytes.

use mongoark_bson_bytes::{Element, Elements, get};

/// How deep `applyOps` are looked into; the server nests them once.
const DEPTH_MAX: usize = 8;

/// Why a dump with this entry could not be restored, in mongodump's words.
pub(super) fn why(entry: &[u8]) -> Option<String> {
    why_at(entry, 0)
}

fn why_at(entry: &[u8], depth: usize) -> Option<String> {
    let text = |key| field(entry, key).and_then(|element| element.as_str());
    let ns = text("ns").unwrap_or_default();
    if ns == "admin.system.version" {
        let mut shown = Vec::new();
        // An entry that cannot be shown is still named.
        _ = mongoark_bson_text::write_relaxed(entry, &mut shown);
        let shown = String::from_utf8_lossy(&shown).into_owned();
        return Some(format!("cannot dump with oplog if admin.system.version is modified by {shown}"));
    }
    // Within `applyOps` commands may lack their `op`.
    if text("op").is_some_and(|op| op != "c") {
        return None;
    }
    let command = field(entry, "o")?.as_document()?;
    if has(command, "importCollection") {
        return Some("cannot dump with oplog while importCollection occurs".to_owned());
    }
    if has(command, "upgradeDowngradeViewlessTimeseries") {
        let reason = "cannot dump with oplog while a timeseries format conversion caused by an FCV change between \
                      8.x and 9.0 occurs";
        return Some(reason.to_owned());
    }
    if ns.split('.').next() == Some("config") && creates_resharding(command) {
        return Some("cannot dump with oplog while resharding".to_owned());
    }
    nested(command, depth)
}

/// What `applyOps` holds.
fn nested(command: &[u8], depth: usize) -> Option<String> {
    let operations = field(command, "applyOps")?.as_array()?;
    if depth == DEPTH_MAX {
        return Some("cannot dump with oplog entries nested this deep".to_owned());
    }
    let mut operations = Elements::new(operations).ok()?.filter_map(Result::ok);
    operations.find_map(|operation| why_at(operation.as_document()?, depth + 1))
}

fn creates_resharding(command: &[u8]) -> bool {
    let name = field(command, "create").and_then(|name| name.as_str());
    name.is_some_and(super::select::is_of_resharding)
}

fn has(document: &[u8], key: &str) -> bool {
    field(document, key).is_some()
}

fn field<'a>(document: &'a [u8], key: &str) -> Option<Element<'a>> {
    get(document, key).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    #[test]
    fn what_cannot_be_replayed_is_named_however_deep() {
        for (entry, expected) in [
            (
                rawdoc! { "op": "u", "ns": "admin.system.version", "o": {} },
                "admin.system.version is modified by {",
            ),
            (
                rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "importCollection": "x" } },
                "importCollection occurs",
            ),
            (
                rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "upgradeDowngradeViewlessTimeseries": "x" } },
                "timeseries format conversion",
            ),
            (
                rawdoc! { "op": "c", "ns": "config.$cmd", "o": { "create": "reshardingOperations" } },
                "while resharding",
            ),
        ] {
            let reason = why(entry.as_bytes()).unwrap();
            assert!(reason.contains(expected), "{reason}");
            let within =
                rawdoc! { "op": "c", "ns": "admin.$cmd", "o": { "applyOps": [{ "op": "n" }, entry] } };
            let twice = rawdoc! { "op": "c", "ns": "admin.$cmd", "o": { "applyOps": [within] } };
            assert!(why(twice.as_bytes()).unwrap().contains(expected));
        }
    }

    #[test]
    fn documents_of_users_may_look_like_commands() {
        for entry in [
            rawdoc! { "op": "i", "ns": "d.c", "o": { "importCollection": 1, "applyOps": [] } },
            rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "renameCollection": "d.a", "to": "d.b" } },
            rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "create": "reshardingOperations" } },
            rawdoc! { "op": "n", "ns": "", "o": { "msg": "periodic noop" } },
            rawdoc! {},
        ] {
            assert_eq!(why(entry.as_bytes()), None);
        }
        assert_eq!(why(&[1, 2, 3]), None);
    }
}
