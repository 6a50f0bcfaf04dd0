//! What a run was asked for, without where it goes: tasks share this.

use super::Options;
use crate::dump::default_jobs;
use crate::dump_output::Form;
use bson::RawDocumentBuf;

/// Collections read at once, unless the user says otherwise.
const PARALLEL_COLLECTIONS: usize = 4;

/// [`Options`] without their output, and with defaults filled in.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own, as the user typed it")]
pub(super) struct Wanted {
    pub(super) db: Option<String>,
    pub(super) collection: Option<String>,
    /// Never an empty one.
    pub(super) query: Option<RawDocumentBuf>,
    pub(super) excluded_collections: Vec<String>,
    pub(super) excluded_prefixes: Vec<String>,
    pub(super) views_as_collections: bool,
    pub(super) users_and_roles: bool,
    pub(super) oplog: bool,
    pub(super) gzip: bool,
    /// Bare documents are written, no metadata.
    pub(super) is_bare: bool,
    /// There is one archive, which has a place for views too.
    pub(super) is_archive: bool,
    /// Collections at once.
    pub(super) parallel: usize,
    /// Cursors at once.
    pub(super) jobs: usize,
    pub(super) tool_version: String,
}

impl Wanted {
    /// Takes options apart.
    pub(super) fn of(options: Options) -> (Self, Form) {
        let or = |number: usize, otherwise: usize| if number == 0 { otherwise } else { number };
        let parallel = or(options.parallel_collections, PARALLEL_COLLECTIONS);
        let wanted = Self {
            is_bare: matches!(options.output, Form::Documents(_)),
            is_archive: options.output.is_archive(),
            db: options.db,
            collection: options.collection,
            query: options.query.filter(|query| !query.is_empty()),
            excluded_collections: options.excluded_collections,
            excluded_prefixes: options.excluded_prefixes,
            views_as_collections: options.views_as_collections,
            users_and_roles: options.users_and_roles,
            oplog: options.oplog,
            gzip: options.gzip,
            parallel,
            jobs: or(options.jobs, default_jobs()).max(parallel),
            tool_version: options.tool_version,
        };
        (wanted, options.output)
    }
}
