//! What the flags of mongorestore mean.

use std::io::Read;
use std::path::PathBuf;

/// Where the dump is, as mongorestore's flags say it. The names given with `--db` and `--collection` are in
/// [`Options`].
pub enum Input {
    /// A folder or a file: of a whole dump, of a database, or of a collection.
    Path(PathBuf),
    /// An archive in a file or a folder.
    Archive(PathBuf),
    /// An archive from standard input.
    ArchiveStream(Box<dyn Read + Send>),
    /// The documents of one collection from standard input.
    DocumentStream(Box<dyn Read + Send>),
}

/// What to restore, and how. `Default` is what mongorestore does without flags.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of mongorestore")]
pub struct Options {
    /// `--db`.
    pub db: Option<String>,
    /// `--collection`.
    pub collection: Option<String>,
    /// `--gzip`.
    pub gzip: bool,
    /// `--nsInclude`: patterns with `*`.
    pub ns_include: Vec<String>,
    /// `--nsExclude`: patterns with `*`.
    pub ns_exclude: Vec<String>,
    /// `--nsFrom`, `--nsTo` in pairs: patterns with `*` or `$name$`.
    pub renames: Vec<(String, String)>,
    /// `--excludeCollection`.
    pub excluded_collections: Vec<String>,
    /// `--excludeCollectionsWithPrefix`.
    pub excluded_prefixes: Vec<String>,
    /// `--drop`.
    pub drop: bool,
    /// `--dryRun`.
    pub dry_run: bool,
    /// `--noIndexRestore`.
    pub no_index_restore: bool,
    /// `--noOptionsRestore`.
    pub no_options_restore: bool,
    /// `--keepIndexVersion`.
    pub keep_index_version: bool,
    /// `--convertLegacyIndexes`.
    pub convert_legacy_indexes: bool,
    /// `--fixDottedHashIndex`.
    pub fix_dotted_hashed_indexes: bool,
    /// `--maintainInsertionOrder`; brings `stop_on_error` and one worker.
    pub maintain_insertion_order: bool,
    /// `--stopOnError`.
    pub stop_on_error: bool,
    /// `--bypassDocumentValidation`.
    pub bypass_document_validation: bool,
    /// `--preserveUUID`; needs `drop`.
    pub preserve_uuid: bool,
    /// `--objcheck`: every document is walked through before it is sent.
    pub objcheck: bool,
    /// `--numParallelCollections`, where it was given; otherwise as many as serve.
    pub parallel_collections: Option<usize>,
    /// `--numInsertionWorkersPerCollection`, where it was given; otherwise as many as serve.
    pub insertion_workers: Option<usize>,
    /// `--batchSize`, where it was given: documents in one insert; otherwise as many as serve.
    pub batch_size: Option<usize>,
    /// `--restoreDbUsersAndRoles`.
    pub restore_db_users_and_roles: bool,
    /// `--tempUsersColl`, a collection of `admin`.
    pub temp_users_collection: String,
    /// `--tempRolesColl`, a collection of `admin`.
    pub temp_roles_collection: String,
    /// `--oplogReplay`.
    pub oplog_replay: bool,
    /// `--oplogFile`.
    pub oplog_file: Option<PathBuf>,
    /// `--oplogLimit`: seconds and ordinal of the first entry that is not applied.
    pub oplog_limit: Option<(u32, u32)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            db: None,
            collection: None,
            gzip: false,
            ns_include: Vec::new(),
            ns_exclude: Vec::new(),
            renames: Vec::new(),
            excluded_collections: Vec::new(),
            excluded_prefixes: Vec::new(),
            drop: false,
            dry_run: false,
            no_index_restore: false,
            no_options_restore: false,
            keep_index_version: false,
            convert_legacy_indexes: false,
            fix_dotted_hashed_indexes: false,
            maintain_insertion_order: false,
            stop_on_error: false,
            bypass_document_validation: false,
            preserve_uuid: false,
            objcheck: false,
            parallel_collections: None,
            insertion_workers: None,
            batch_size: None,
            restore_db_users_and_roles: false,
            temp_users_collection: "tempusers".to_owned(),
            temp_roles_collection: "temproles".to_owned(),
            oplog_replay: false,
            oplog_file: None,
            oplog_limit: None,
        }
    }
}
