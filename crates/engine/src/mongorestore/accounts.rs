//! Users and roles: through temporary collections, as the server merges them, once their version is known to fit.

use super::Context;
use super::plan::Plan;
use crate::dump_input::DumpInput;
use crate::quote::quoted;
use crate::{Error, Result};
use mongoark_bson_bytes as bytes;
use mongoark_deployment::AccountsRestore;
use std::collections::HashMap;

/// The version of accounts of every server that is written to.
const SERVER_VERSION: i64 = 5;

/// Whether this run restores users and roles.
pub(super) fn are_restored(context: &Context, plan: &Plan) -> bool {
    let options = &context.options;
    let all = matches!(options.db.as_deref(), None | Some("admin"));
    (options.restore_db_users_and_roles || all) && (plan.users.is_some() || plan.roles.is_some())
}

/// Refuses accounts of a version that the server cannot take, where that can be known before anything is written. In
/// an archive it shows when the accounts have come.
pub(super) fn check_version_ahead(context: &Context, dump: &DumpInput, plan: &mut Plan) -> Result<()> {
    let is_always_5 = dump.server_version().is_some_and(is_always_5);
    plan.version_is_checked = is_always_5 || dump.archive_header().is_none();
    if is_always_5 || !plan.version_is_checked || !are_restored(context, plan) {
        return Ok(());
    }
    let documents = plan.version.map(|entry| dump.whole(entry)).transpose()?.flatten();
    check_version(context, documents.as_deref())
}

/// Servers from 8.1 on have no document that tells the version.
fn is_always_5(server_version: &str) -> bool {
    let mut numbers = server_version.split(['.', '-']).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (8, 1),
        _ => false,
    }
}

fn check_version(context: &Context, documents: Option<&[u8]>) -> Result<()> {
    let version = match documents {
        Some(documents) => stated_version(documents)?,
        None => assumed_version(context),
    };
    match version {
        3 | SERVER_VERSION => Ok(()),
        2 | 4 => incompatible(&format!(
            "cannot restore users and roles from a dump file with auth version {version}; finish the upgrade or roll \
             it back"
        )),
        1 => incompatible("cannot restore users of auth version 1 to a server of auth version 5"),
        _ => incompatible(&format!("invalid auth pair: dump={version}, server={SERVER_VERSION}")),
    }
}

fn incompatible<T>(why: &str) -> Result<T> {
    Err(Error::Refused(format!(
        "the users and roles collections in the dump have an incompatible auth version with target server: {why}"
    )))
}

fn assumed_version(context: &Context) -> i64 {
    let monitor = &context.monitor;
    if !context.options.restore_db_users_and_roles {
        monitor.step("assuming users in the dump directory are from <= 2.4 (auth version 1)");
        return 1;
    }
    let db = quoted(context.options.db.as_deref().unwrap_or_default());
    monitor.step(format!("no system.version bson file found in {db} database dump"));
    monitor.step("warning: assuming users and roles collections are of auth version 3");
    monitor.step("if users are from an earlier version of MongoDB, they may not restore properly");
    3
}

/// `currentVersion` of the document `authSchema`.
fn stated_version(documents: &[u8]) -> Result<i64> {
    let wrong = |why: &str| Error::Refused(format!("error getting auth version from dump: {why}"));
    for document in bytes::split_documents(documents) {
        let document = document.map_err(|error| wrong(&error.to_string()))?;
        let field = |name: &str| bytes::get(document, name).ok().flatten();
        if field("_id").and_then(|id| id.as_str()) == Some("authSchema") {
            let version = field("currentVersion").and_then(|version| version.as_i64_lossless());
            return version.ok_or_else(|| wrong("currentVersion of authSchema is no whole number"));
        }
    }
    Err(wrong("system.version bson file does not have authSchema document"))
}

/// Restores users and roles from their documents.
pub(super) async fn restore(
    context: &Context,
    plan: &Plan,
    documents: &mut HashMap<usize, Vec<u8>>,
) -> Result<()> {
    let version = plan.version.and_then(|entry| documents.remove(&entry));
    if !plan.version_is_checked {
        check_version(context, version.as_deref())?;
    }
    let mut take = |place: &Option<(usize, String)>, what: &str| {
        let (entry, _) = place.as_ref()?;
        let documents = documents.remove(entry).unwrap_or_default();
        if documents.is_empty() {
            context.monitor.step(format!("{what} file is empty; skipping {what} restoration"));
        } else {
            let location = plan.locations.get(entry).map_or("", String::as_str);
            context.monitor.step(format!("restoring {what} from {}", quoted(location)));
        }
        Some(documents)
    };
    let (users, roles) = (take(&plan.users, "users"), take(&plan.roles, "roles"));
    let db = plan.roles.as_ref().or(plan.users.as_ref()).map_or("", |(_, db)| db.as_str());
    let options = &context.options;
    let accounts = AccountsRestore {
        users: users.as_deref(),
        roles: roles.as_deref(),
        temporary: [&options.temp_users_collection, &options.temp_roles_collection],
        // The accounts of `admin` are those of all databases.
        db: if db == "admin" { "" } else { db },
        replace: options.drop,
    };
    context.target.restore_accounts(&accounts).await.map_err(Error::from)
}
