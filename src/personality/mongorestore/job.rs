//! What `mongorestore` is to do, from its flags; refused where they exclude each other. The words are those of the
//! tool.

use crate::personality::Refusal;
use crate::personality::flags::{RestoreArgs, Typed};
use crate::personality::go_text::{Errno, quoted};
use crate::personality::settle::Settled;
use crate::personality::stdio;
use mongoark_engine::deployment::{UriWriteConcern, WriteConcern};
use mongoark_engine::mongorestore::{Input, Options};
use std::io;

/// The name that stands for standard input.
const DASH: &str = "-";
/// The folder where nothing else is said.
const FOLDER: &str = "dump";
const DB_NAME_BYTES_MAX: usize = 63;

/// A restore that was asked for.
pub struct Job {
    /// Everything that was given.
    pub settled: Settled,
    /// The folder or file; empty if there is none.
    pub target: String,
}

/// Why a restore cannot be done as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Flags that exclude each other.
    #[error("{0}")]
    BadOption(&'static str),
    /// A name that no database has.
    #[error("invalid db name: {0}")]
    Database(String),
    /// A name that no collection has.
    #[error("invalid collection name: illegal character '$' found in {}", quoted(.0))]
    Collection(String),
    /// No time.
    #[error("error parsing timestamp argument to --oplogLimit: {0}")]
    OplogLimit(String),
    /// A pattern.
    #[error("invalid {0}: {1}")]
    Pattern(&'static str, String),
    /// Standard input is closed.
    #[error("cannot read standard input: {}", Errno(.0))]
    Input(io::Error),
}

impl Job {
    /// Takes the flags; `others` are arguments that are neither flags nor a connection string.
    pub fn new(settled: Settled, mut others: Vec<String>) -> Result<Self, Refusal> {
        if others.len() > 1 {
            return Err(Refusal::Arguments(
                "provide only one polling interval in seconds and only one MongoDB connection string. \
                 Connection strings must begin with mongodb:// or mongodb+srv:// schemes",
            ));
        }
        let concern = settled.typed.restore.write_concern.as_str();
        WriteConcern::of_tool(Some(concern), &UriWriteConcern::default()).map_err(Refusal::WriteConcern)?;
        let dir = settled.typed.restore.dir.clone();
        let target = match others.pop() {
            Some(_) if !dir.is_empty() => {
                return Err(Refusal::Arguments(
                    "cannot use both --dir and a positional argument to set the target directory",
                ));
            }
            Some(other) => other,
            None => dir,
        };
        Ok(Self { settled, target })
    }

    /// Refuses names and flags that are looked at before the [`Job::deprecations`] are told.
    pub fn check(&self) -> Result<(), JobError> {
        check_names(&self.settled.typed)?;
        first_broken(&self.rules_of_input())
    }

    /// What the engine is to do, once [`Job::check`] is through.
    pub fn options(&self) -> Result<Options, JobError> {
        let (typed, names) = (&self.settled.typed.restore, &self.settled.typed.namespace);
        first_broken(&self.rules_of_selection())?;
        check_patterns(typed)?;
        first_broken(&self.rules_of_writing())?;
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let number = |number: Option<i64>| number.and_then(|number| usize::try_from(number).ok());
        let defaults = Options::default();
        Ok(Options {
            db: some(&names.db),
            collection: some(&names.collection),
            gzip: typed.gzip,
            ns_include: typed.ns_include.clone(),
            ns_exclude: typed.ns_exclude.clone(),
            renames: typed.ns_from.iter().cloned().zip(typed.ns_to.iter().cloned()).collect(),
            excluded_collections: typed.exclude_collection.clone(),
            excluded_prefixes: typed.exclude_prefix.clone(),
            drop: typed.drop,
            dry_run: typed.dry_run,
            no_index_restore: typed.no_index_restore,
            no_options_restore: typed.no_options_restore,
            keep_index_version: typed.keep_index_version,
            convert_legacy_indexes: typed.convert_legacy_indexes,
            fix_dotted_hashed_indexes: typed.fix_dotted_hash_index,
            maintain_insertion_order: typed.maintain_insertion_order,
            stop_on_error: typed.stop_on_error || typed.maintain_insertion_order,
            bypass_document_validation: typed.bypass_document_validation,
            preserve_uuid: typed.preserve_uuid,
            objcheck: typed.objcheck,
            parallel_collections: number(typed.parallel_collections),
            insertion_workers: number(typed.insertion_workers),
            batch_size: number(typed.batch_size),
            restore_db_users_and_roles: typed.users_and_roles,
            temp_users_collection: some(&typed.temp_users).unwrap_or(defaults.temp_users_collection),
            temp_roles_collection: some(&typed.temp_roles).unwrap_or(defaults.temp_roles_collection),
            oplog_replay: typed.oplog_replay,
            oplog_file: some(&typed.oplog_file).map(Into::into),
            oplog_limit: oplog_limit(&typed.oplog_limit)?,
        })
    }

    /// Where the dump is. Opens standard input where it comes from there.
    pub fn input(&self) -> Result<Input, JobError> {
        let archive = self.settled.typed.restore.archive.as_str();
        Ok(match (archive, self.target.as_str()) {
            (DASH, _) => Input::ArchiveStream(Box::new(stdio::input().map_err(JobError::Input)?)),
            ("", DASH) => Input::DocumentStream(Box::new(stdio::input().map_err(JobError::Input)?)),
            ("", "") => Input::Path(FOLDER.into()),
            ("", path) => Input::Path(path.into()),
            (file, _) => Input::Archive(file.into()),
        })
    }

    /// What is always said before a restore that is asked for in an old way.
    pub fn deprecations(&self) -> Vec<&'static str> {
        let (typed, names) = (&self.settled.typed.restore, &self.settled.typed.namespace);
        let mut said = Vec::new();
        let one_file = std::path::Path::new(&self.target).extension().is_some_and(|end| end == "bson");
        if (!names.db.is_empty() || !names.collection.is_empty()) && !one_file {
            said.push(
                "The --db and --collection flags are deprecated for this use-case; please use --nsInclude instead, \
                 i.e. with --nsInclude=${DATABASE}.${COLLECTION}",
            );
        }
        if !typed.exclude_collection.is_empty() || !typed.exclude_prefix.is_empty() {
            said.push(
                "the --excludeCollections and --excludeCollectionPrefixes options are deprecated and will not exist \
                 in the future; use --nsExclude instead",
            );
        }
        said
    }

    /// Whether no flag says where the dump is.
    pub fn is_of_default_folder(&self) -> bool {
        self.target.is_empty() && self.settled.typed.restore.archive.is_empty()
    }

    fn rules_of_input(&self) -> [Rule; 5] {
        let (restore, db) = (&self.settled.typed.restore, self.settled.typed.namespace.db.as_str());
        let (limit, file) = (!restore.oplog_limit.is_empty(), !restore.oplog_file.is_empty());
        [
            (
                restore.users_and_roles && db.is_empty(),
                "cannot use --restoreDbUsersAndRoles without a specified database",
            ),
            (
                restore.users_and_roles && db == "admin",
                "cannot use --restoreDbUsersAndRoles with the admin database",
            ),
            (limit && !restore.oplog_replay, "cannot use --oplogLimit without --oplogReplay enabled"),
            (file && !restore.oplog_replay, "cannot use --oplogFile without --oplogReplay enabled"),
            (file && !restore.archive.is_empty(), "cannot use --oplogFile with --archive specified"),
        ]
    }

    fn rules_of_selection(&self) -> [Rule; 6] {
        let (restore, names) = (&self.settled.typed.restore, &self.settled.typed.namespace);
        let (db, collection) = (!names.db.is_empty(), !names.collection.is_empty());
        let (excludes, prefixes) =
            (!restore.exclude_collection.is_empty(), !restore.exclude_prefix.is_empty());
        let replay = restore.oplog_replay;
        [
            (
                replay && (db || !restore.ns_include.is_empty()),
                "cannot use --oplogReplay with includes specified",
            ),
            (
                replay && (excludes || prefixes || !restore.ns_exclude.is_empty()),
                "cannot use --oplogReplay with excludes specified",
            ),
            (
                replay && !restore.ns_from.is_empty(),
                "cannot use --oplogReplay with namespace renames specified",
            ),
            (excludes && collection, "--collection is not allowed when --excludeCollection is specified"),
            (
                prefixes && collection,
                "--collection is not allowed when --excludeCollectionsWithPrefix is specified",
            ),
            (
                restore.ns_from.len() != restore.ns_to.len(),
                "--nsFrom and --nsTo arguments must be specified an equal number of times",
            ),
        ]
    }

    fn rules_of_writing(&self) -> [Rule; 4] {
        let (restore, from_stdin) = (&self.settled.typed.restore, self.target == DASH);
        [
            (
                restore.insertion_workers.is_some_and(|number| number < 0),
                "cannot specify a negative number of insertion workers per collection",
            ),
            (restore.preserve_uuid && !restore.drop, "cannot specify --preserveUUID without --drop"),
            (
                from_stdin && !restore.archive.is_empty(),
                "cannot restore from \"-\" when --archive is specified",
            ),
            (
                from_stdin && self.settled.typed.namespace.collection.is_empty(),
                "cannot restore from stdin without a specified collection",
            ),
        ]
    }
}

/// Whether a rule is broken, and what is said then.
type Rule = (bool, &'static str);

fn first_broken(rules: &[Rule]) -> Result<(), JobError> {
    match rules.iter().find(|(broken, _)| *broken) {
        Some((_, message)) => Err(JobError::BadOption(message)),
        None => Ok(()),
    }
}

fn check_names(typed: &Typed) -> Result<(), JobError> {
    let (db, collection) = (&typed.namespace.db, &typed.namespace.collection);
    if db.is_empty() && !collection.is_empty() {
        return Err(JobError::BadOption("cannot restore a collection without a specified database"));
    }
    if db.len() > DB_NAME_BYTES_MAX {
        return Err(JobError::Database(format!("db name {} is longer than 63 characters", quoted(db))));
    }
    if let Some(illegal) = "/\\. \"\0$".chars().find(|&illegal| db.contains(illegal)) {
        let name = quoted(db);
        return Err(JobError::Database(format!("illegal character {illegal:?} found in db name {name}")));
    }
    if collection.contains('$') {
        return Err(JobError::Collection(collection.clone()));
    }
    Ok(())
}

fn check_patterns(typed: &RestoreArgs) -> Result<(), JobError> {
    for (kind, patterns) in [("includes", &typed.ns_include), ("excludes", &typed.ns_exclude)] {
        if patterns.iter().any(|pattern| pattern.contains('$')) {
            let why = "'$' is not allowed in include/exclude patterns".to_owned();
            return Err(JobError::Pattern(kind, why));
        }
    }
    let wildcards = |pattern: &str| pattern.matches('*').count() - pattern.matches("\\*").count();
    let odd = |pattern: &str| pattern.matches('$').count() % 2 == 1;
    for (from, to) in typed.ns_from.iter().zip(&typed.ns_to) {
        let why = if !from.contains('$') && wildcards(from) != wildcards(to) {
            format!("Different number of asterisks in from: {} and to: {}", quoted(from), quoted(to))
        } else if odd(from) {
            format!("Odd number of dollar signs in from: {}", quoted(from))
        } else if from.contains('$') && odd(to) {
            format!("Odd number of dollar signs in to: {}", quoted(to))
        } else {
            continue;
        };
        return Err(JobError::Pattern("renames", why));
    }
    Ok(())
}

/// `<seconds>[:ordinal]`
fn oplog_limit(text: &str) -> Result<Option<(u32, u32)>, JobError> {
    if text.is_empty() {
        return Ok(None);
    }
    let (seconds, ordinal) = text.split_once(':').unwrap_or((text, ""));
    if ordinal.contains(':') {
        return Err(JobError::OplogLimit("too many : characters".to_owned()));
    }
    let number = |part: &str, text: &str| {
        let why = match text.parse::<i64>() {
            Ok(_) => format!("{text} is no number of 32 bits"),
            Err(_) => format!("strconv.Atoi: parsing {text:?}: invalid syntax"),
        };
        let wrong = JobError::OplogLimit(format!("error parsing timestamp {part}: {why}"));
        text.parse::<u32>().map_err(|_| wrong)
    };
    let ordinal = if ordinal.is_empty() { 0 } else { number("increment", ordinal)? };
    Ok(Some((number("seconds", seconds)?, ordinal)))
}
