//! The flags of `mongorestore` alone.

use crate::personality::flags::Takes::{List, Nothing, Number, Text, TextOr};
use crate::personality::flags::{Flag, Group};

/// What is restored, and under which names.
pub static NAMESPACES: Group = Group {
    name: "namespace options",
    flags: &[
        Flag::new(
            "excludeCollection",
            List(|t| &mut t.restore.exclude_collection),
            "<collection-name>",
            "leave out this collection; --nsExclude does more",
        ),
        Flag::new(
            "excludeCollectionsWithPrefix",
            List(|t| &mut t.restore.exclude_prefix),
            "<collection-prefix>",
            "leave out collections whose names begin so; --nsExclude does more",
        ),
        Flag::new(
            "nsExclude",
            List(|t| &mut t.restore.ns_exclude),
            "<namespace-pattern>",
            "leave out namespaces that match",
        ),
        Flag::new(
            "nsInclude",
            List(|t| &mut t.restore.ns_include),
            "<namespace-pattern>",
            "restore the namespaces that match alone",
        ),
        Flag::new(
            "nsFrom",
            List(|t| &mut t.restore.ns_from),
            "<namespace-pattern>",
            "rename namespaces that match; needs its --nsTo",
        ),
        Flag::new(
            "nsTo",
            List(|t| &mut t.restore.ns_to),
            "<namespace-pattern>",
            "to this; needs its --nsFrom",
        ),
    ],
};

/// What is read.
pub static INPUT: Group = Group {
    name: "input options",
    flags: &[
        Flag::new(
            "objcheck",
            Nothing(|t| &mut t.restore.objcheck),
            "",
            "check each document before it is sent",
        ),
        Flag::new("oplogReplay", Nothing(|t| &mut t.restore.oplog_replay), "", "apply the dump's oplog"),
        Flag::new(
            "oplogLimit",
            Text(|t| &mut t.restore.oplog_limit),
            "<seconds>[:ordinal]",
            "apply entries before this time alone",
        ),
        Flag::new(
            "oplogFile",
            Text(|t| &mut t.restore.oplog_file),
            "<filename>",
            "apply the oplog in this file",
        ),
        Flag::new(
            "archive",
            TextOr("-", |t| &mut t.restore.archive),
            "<filename>",
            "read an archive from this file, or without a value from standard input",
        ),
        Flag::new(
            "restoreDbUsersAndRoles",
            Nothing(|t| &mut t.restore.users_and_roles),
            "",
            "restore the database's users and roles too",
        ),
        Flag::new(
            "dir",
            Text(|t| &mut t.restore.dir),
            "<directory-name>",
            "the folder, or '-' for standard input",
        ),
        Flag::new("gzip", Nothing(|t| &mut t.restore.gzip), "", "the input is compressed by gzip"),
    ],
};

/// What is written, and how.
pub static OUTPUT: Group = Group {
    name: "restore options",
    flags: &[
        Flag::new("drop", Nothing(|t| &mut t.restore.drop), "", "drop each collection before it is restored"),
        Flag::new("dryRun", Nothing(|t| &mut t.restore.dry_run), "", "write nothing"),
        Flag::new(
            "writeConcern",
            Text(|t| &mut t.restore.write_concern),
            "<write-concern>",
            "a word, a number, or '{w: 3, wtimeout: 500, j: true}' (default: majority)",
        ),
        Flag::new("noIndexRestore", Nothing(|t| &mut t.restore.no_index_restore), "", "build no indexes"),
        Flag::new(
            "convertLegacyIndexes",
            Nothing(|t| &mut t.restore.convert_legacy_indexes),
            "",
            "drop invalid index options and rewrite old values",
        ),
        Flag::new(
            "noOptionsRestore",
            Nothing(|t| &mut t.restore.no_options_restore),
            "",
            "create collections without their options",
        ),
        Flag::new(
            "keepIndexVersion",
            Nothing(|t| &mut t.restore.keep_index_version),
            "",
            "keep index versions",
        ),
        Flag::new(
            "maintainInsertionOrder",
            Nothing(|t| &mut t.restore.maintain_insertion_order),
            "",
            "insert in the order of the input, and stop at the first error",
        ),
        Flag::new(
            "numParallelCollections",
            Number(|t| &mut t.restore.parallel_collections),
            "<number>",
            "collections that are restored at once (default: 4)",
        )
        .or('j'),
        Flag::new(
            "numInsertionWorkersPerCollection",
            Number(|t| &mut t.restore.insertion_workers),
            "<number>",
            "inserts that run at once for a collection (default: 1)",
        ),
        Flag::new(
            "stopOnError",
            Nothing(|t| &mut t.restore.stop_on_error),
            "",
            "stop at the first document that is refused",
        ),
        Flag::new(
            "bypassDocumentValidation",
            Nothing(|t| &mut t.restore.bypass_document_validation),
            "",
            "insert documents that a validator refuses",
        ),
        Flag::new(
            "preserveUUID",
            Nothing(|t| &mut t.restore.preserve_uuid),
            "",
            "keep the UUIDs of collections; needs --drop",
        ),
        Flag::hidden("tempUsersColl", Text(|t| &mut t.restore.temp_users)),
        Flag::hidden("tempRolesColl", Text(|t| &mut t.restore.temp_roles)),
        Flag::hidden("batchSize", Number(|t| &mut t.restore.batch_size)),
        Flag::new(
            "fixDottedHashIndex",
            Nothing(|t| &mut t.restore.fix_dotted_hash_index),
            "",
            "build hashed indexes on dotted fields as ascending ones",
        ),
    ],
};
