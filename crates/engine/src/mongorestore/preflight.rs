//! What is refused before anything is written.

use super::Context;
use super::definition::Definition;
use super::plan::{Plan, dotted};
use crate::quote::quoted;
use crate::{Error, Result, together};
use mongoark_model::{CollectionKind, Namespace, TopologyKind};
use std::collections::{BTreeSet, HashSet};

/// Databases listed at once.
const LISTED_AT_ONCE: usize = 16;

/// What stands on the target under the names that are restored.
pub(super) type Existing = HashSet<Namespace>;

/// What the flags and the names alone rule out.
pub(super) fn check_plan(context: &Context, plan: &Plan) -> Result<()> {
    let (options, topology) = (&context.options, context.target.topology());
    let has_config = plan.collections.iter().any(|(_, namespace)| namespace.db == "config");
    if *topology == TopologyKind::Sharded && has_config && options.db.is_none() {
        return refused(
            "cannot do a full restore on a sharded system - remove the 'config' directory from the dump directory first",
        );
    }
    if options.restore_db_users_and_roles && plan.users.is_none() && plan.roles.is_none() {
        return refused(
            "No users or roles found in restore target. Please omit --restoreDbUsersAndRoles, or use a dump created \
             with --dumpDbUsersAndRoles.",
        );
    }
    if options.oplog_replay && plan.oplog.is_none() && options.oplog_file.is_none() {
        return refused("no oplog file to replay; make sure you run mongodump with --oplog");
    }
    if options.preserve_uuid && !options.drop {
        return refused("cannot specify --preserveUUID without --drop");
    }
    Ok(())
}

fn refused<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::Refused(message.into()))
}

/// Lists what is there in the databases that are restored.
pub(super) async fn existing(context: &Context, definitions: &[Definition]) -> Result<Existing> {
    let databases: BTreeSet<&str> = definitions.iter().map(|d| d.metadata.namespace.db.as_str()).collect();
    let listings = databases.into_iter().map(|db| context.target.collections(db));
    let listed = together::all(LISTED_AT_ONCE, listings).await?;
    Ok(listed.into_iter().flatten().map(|metadata| metadata.namespace).collect())
}

/// What the target rules out.
pub(super) fn check_definitions(
    context: &Context,
    definitions: &[Definition],
    existing: &Existing,
) -> Result<()> {
    let series = |definition: &&Definition| definition.metadata.kind == CollectionKind::TimeSeries;
    for definition in definitions.iter().filter(series) {
        check_time_series(context, definition, existing)?;
    }
    if context.target.is_at_least(4, 9) && !context.options.no_index_restore {
        definitions.iter().try_for_each(refuse_haystack)?;
    }
    Ok(())
}

fn check_time_series(context: &Context, definition: &Definition, existing: &Existing) -> Result<()> {
    let (name, buckets) = (definition.shown(), definition.metadata.data_namespace());
    if !context.options.drop && existing.contains(&definition.metadata.namespace) {
        return refused(format!(
            "restore error: timeseries collection {name} already exists on the destination. You must remove this \
             collection from the destination or use --drop"
        ));
    }
    if !context.options.drop && existing.contains(&buckets) {
        return refused(format!(
            "restore error: system.buckets collection {} already exists on the destination. You must remove this \
             collection from the destination in order to restore {name}",
            quoted(&dotted(&buckets))
        ));
    }
    if context.options.no_options_restore {
        return refused(
            "restore error: cannot specify --noOptionsRestore when restoring timeseries collections",
        );
    }
    Ok(())
}

/// Servers from 4.9 on have no geoHaystack indexes.
fn refuse_haystack(definition: &Definition) -> Result<()> {
    let is_haystack = |index: &&bson::RawDocumentBuf| {
        let keys = index.get_document("key").into_iter().flat_map(|key| key.iter());
        keys.flatten().any(|(_, value)| value.as_str() == Some("geoHaystack"))
    };
    match definition.metadata.indexes.iter().find(is_haystack) {
        None => Ok(()),
        Some(index) => refused(format!(
            "restore error: found a geoHaystack index: {} on {}. geoHaystack indexes are not supported by the \
             destination cluster. Remove the index from the source or use --noIndexRestore to skip all indexes.",
            super::indexes::shown(index.as_bytes()),
            definition.shown()
        )),
    }
}
