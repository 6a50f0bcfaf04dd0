//! The flags of `mongodump` alone.

use crate::personality::flags::Takes::{List, Nothing, Number, Text, TextOr};
use crate::personality::flags::{Flag, Group};

/// What is read, and how.
pub static QUERY: Group = Group {
    name: "query options",
    flags: &[
        Flag::new(
            "query",
            Text(|t| &mut t.dump.query),
            "<json>",
            "dump the documents that match; Extended JSON v2, e.g. '{\"x\":{\"$gt\":1}}'",
        )
        .or('q'),
        Flag::new("queryFile", Text(|t| &mut t.dump.query_file), "<file>", "take the query from this file"),
        Flag::new(
            "readPreference",
            Text(|t| &mut t.dump.read_preference),
            "<string>|<json>",
            "a mode, or '{mode: \"nearest\", tagSets: [{a: \"b\"}], maxStalenessSeconds: 123}'",
        ),
        Flag::new(
            "forceTableScan",
            Nothing(|t| &mut t.dump.table_scan),
            "",
            "accepted; collections are scanned in any case",
        ),
        Flag::hidden("internalOnlySourceWritesDoneBarrier", Text(|t| &mut t.dump.writes_done_barrier)),
    ],
};

/// What is written, and where.
pub static OUTPUT: Group = Group {
    name: "output options",
    flags: &[
        Flag::new(
            "out",
            Text(|t| &mut t.dump.out),
            "<directory-path>",
            "the folder, or '-' for one collection on standard output (default: 'dump')",
        )
        .or('o'),
        Flag::new("gzip", Nothing(|t| &mut t.dump.gzip), "", "compress files or archive by gzip"),
        Flag::new("oplog", Nothing(|t| &mut t.dump.oplog), "", "dump the oplog of the dump's time too"),
        Flag::new(
            "archive",
            TextOr("-", |t| &mut t.dump.archive),
            "<file-path>",
            "write an archive to this file, or without a value to standard output",
        ),
        Flag::new(
            "dumpDbUsersAndRoles",
            Nothing(|t| &mut t.dump.users_and_roles),
            "",
            "dump the database's users and roles too",
        ),
        Flag::new(
            "excludeCollection",
            List(|t| &mut t.dump.exclude_collection),
            "<collection-name>",
            "leave out this collection; may be given several times",
        ),
        Flag::new(
            "excludeCollectionsWithPrefix",
            List(|t| &mut t.dump.exclude_prefix),
            "<collection-prefix>",
            "leave out collections whose names begin so; may be given several times",
        ),
        Flag::new(
            "numParallelCollections",
            Number(|t| &mut t.dump.parallel_collections),
            "<number>",
            "collections that are dumped at once (default: 4)",
        )
        .or('j'),
        Flag::new(
            "viewsAsCollections",
            Nothing(|t| &mut t.dump.views_as_collections),
            "",
            "dump views alone, as collections with their documents",
        ),
    ],
};
