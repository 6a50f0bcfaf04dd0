//! What mongodump takes of a deployment: pure rules over names.

use super::wanted::Wanted;
use crate::select::CONFIG_TAKEN;
use mongoark_model::{CollectionKind, CollectionMetadata};

/// What becomes of a collection that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// It is dumped.
    Take,
    /// It is the server's own, or the user excluded it.
    Leave,
    /// Its name keeps it out, which the user should know.
    LeaveForItsName,
    /// A resharding runs: no dump with an oplog can be made.
    Resharding,
}

/// Whether the database is the server's own, whatever the user asks for.
pub(super) fn is_internal(db: &str) -> bool {
    db.starts_with("__mdb_internal_")
}

/// What becomes of a collection of a database that is dumped whole.
pub(super) fn choose(wanted: &Wanted, metadata: &CollectionMetadata) -> Choice {
    let (db, name) = (metadata.namespace.db.as_str(), metadata.namespace.collection.as_str());
    if db == "config" && wanted.oplog && is_of_resharding(name) {
        return Choice::Resharding;
    }
    if is_system(wanted, db, name) || is_excluded(wanted, name) {
        return Choice::Leave;
    }
    if wanted.views_as_collections && metadata.kind != CollectionKind::View {
        return Choice::Leave;
    }
    let is_whole_config = db == "config" && wanted.db.as_deref() == Some("config");
    if name.contains('$') && !name.contains(".oplog.$") && name != "system.js" && !is_whole_config {
        return Choice::LeaveForItsName;
    }
    Choice::Take
}

fn is_system(wanted: &Wanted, db: &str, name: &str) -> bool {
    match db {
        "admin" => name == "system.keys",
        "config" => wanted.db.as_deref() != Some("config") && !CONFIG_TAKEN.contains(&name),
        _ => name.starts_with("system.") && name != "system.js",
    }
}

fn is_excluded(wanted: &Wanted, name: &str) -> bool {
    wanted.excluded_collections.iter().any(|excluded| excluded == name)
        || wanted.excluded_prefixes.iter().any(|prefix| name.starts_with(prefix))
}

pub(super) fn is_of_resharding(name: &str) -> bool {
    matches!(
        name,
        "reshardingOperations" | "localReshardingOperations.donor" | "localReshardingOperations.recipient"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongoark_model::Namespace;

    fn wanted(db: Option<&str>) -> Wanted {
        Wanted {
            db: db.map(ToOwned::to_owned),
            excluded_collections: vec!["secret".to_owned()],
            excluded_prefixes: vec!["tmp_".to_owned()],
            ..Wanted::default()
        }
    }

    fn collection(namespace: &str) -> CollectionMetadata {
        let namespace: Namespace = namespace.parse().unwrap();
        CollectionMetadata {
            bucket_indexes: Vec::new(),
            namespace,
            kind: CollectionKind::Collection,
            options: bson::RawDocumentBuf::new(),
            uuid: None,
            indexes: Vec::new(),
        }
    }

    #[test]
    fn names_decide_as_with_mongodump() {
        let whole = wanted(None);
        for (name, choice) in [
            ("a.b", Choice::Take),
            ("a.system.js", Choice::Take),
            ("a.system.views", Choice::Leave),
            ("a.system.buckets.t", Choice::Leave),
            ("admin.system.version", Choice::Take),
            ("admin.system.users", Choice::Take),
            ("admin.system.keys", Choice::Leave),
            ("config.chunks", Choice::Take),
            ("config.transactions", Choice::Leave),
            ("a.x$y", Choice::LeaveForItsName),
            ("a.secret", Choice::Leave),
            ("a.secrets", Choice::Take),
            ("a.tmp_1", Choice::Leave),
        ] {
            assert_eq!(choose(&whole, &collection(name)), choice, "{name}");
        }
        let config = wanted(Some("config"));
        assert_eq!(choose(&config, &collection("config.transactions")), Choice::Take);
        assert!(is_internal("__mdb_internal_x") && !is_internal("local"));
    }

    #[test]
    fn a_resharding_keeps_the_oplog_from_being_dumped() {
        let mut with_oplog = wanted(None);
        let resharding = collection("config.reshardingOperations");
        assert_eq!(choose(&with_oplog, &resharding), Choice::Leave);
        with_oplog.oplog = true;
        assert_eq!(choose(&with_oplog, &resharding), Choice::Resharding);
    }

    #[test]
    fn views_as_collections_leaves_collections() {
        let mut views = wanted(Some("a"));
        views.views_as_collections = true;
        let mut view = collection("a.v");
        assert_eq!(choose(&views, &view), Choice::Leave);
        view.kind = CollectionKind::View;
        assert_eq!(choose(&views, &view), Choice::Take);
    }
}
