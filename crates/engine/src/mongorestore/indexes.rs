//! Indexes, built last: what the dump and its oplog say, in the form that the server takes.

use super::Context;
use super::legacy;
use super::plan::dotted;
use crate::quote::quoted;
use crate::replay::{CollectionIndexes, IndexCatalog};
use crate::{Error, Result};
use bson::RawDocumentBuf;
use mongoark_bson_bytes as bytes;
use mongoark_bson_bytes::{Builder, Elements};
use mongoark_deployment::{ErrorKind, indexes};
use mongoark_model::Namespace;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// An index as log lines show it.
pub(super) fn shown(index: &[u8]) -> String {
    let mut text = Vec::new();
    match mongoark_bson_text::write_relaxed(index, &mut text) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => "an index that cannot be shown".to_owned(),
    }
}

/// Builds the indexes of every collection, several collections at once. One that cannot be built keeps no other from
/// being built, and is the run's error in the end.
pub(super) async fn restore(context: &Context, catalog: IndexCatalog) -> Result<()> {
    let slots = Arc::new(Semaphore::new(context.parallel()));
    let mut running: JoinSet<Result<()>> = JoinSet::new();
    let mut first = Ok(());
    for (namespace, indexes) in catalog {
        let slot = Arc::clone(&slots).acquire_owned().await;
        let slot = slot.map_err(|_| Error::PipelineClosed("the index builds"))?;
        if context.stop.is_requested() {
            first = Err(Error::Interrupted);
            break;
        }
        let context = context.clone();
        running.spawn(async move {
            let _slot = slot;
            build(&context, &namespace, indexes).await
        });
    }
    while let Some(ended) = running.join_next().await {
        first = first.and(ended.unwrap_or(Err(Error::PipelineClosed("an index build"))));
    }
    first
}

async fn build(context: &Context, namespace: &Namespace, indexes: CollectionIndexes) -> Result<()> {
    let name = quoted(&dotted(namespace));
    let specs = prepared(context, namespace, &indexes.specs)?;
    if specs.is_empty() {
        context.monitor.step(format!("no indexes to restore for collection {name}"));
        return Ok(());
    }
    context.monitor.step(format!("restoring indexes for collection {name} from metadata"));
    for spec in &specs {
        context.monitor.step(format!("index: {}", shown(spec.as_bytes())));
    }
    let built = send(context, namespace, &specs, indexes.collated).await;
    match built {
        Err(error) if specs.len() > 1 && is_refusal(&error) => {
            // One that fails takes the others with it: each by itself tells which it was.
            one_by_one(context, namespace, &specs, indexes.collated).await
        }
        built => built.map_err(|error| failed(namespace, error)),
    }
}

async fn one_by_one(
    context: &Context,
    namespace: &Namespace,
    specs: &[RawDocumentBuf],
    collated: bool,
) -> Result<()> {
    let mut first = Ok(());
    for spec in specs {
        let built = send(context, namespace, std::slice::from_ref(spec), collated).await;
        if let Err(error) = &built {
            let (index, name) = (quoted(indexes::name(spec)), quoted(&dotted(namespace)));
            context.monitor.step(format!("index {index} of collection {name} was not built: {error}"));
        }
        match built {
            Err(error) if !is_refusal(&error) => return Err(failed(namespace, error)),
            built => first = first.and(built.map_err(|error| failed(namespace, error))),
        }
    }
    first
}

async fn send(
    context: &Context,
    namespace: &Namespace,
    specs: &[RawDocumentBuf],
    collated: bool,
) -> mongoark_deployment::Result<()> {
    let keep_version = context.options.keep_index_version;
    context.target.build_indexes_as_tool(namespace, specs, collated, keep_version).await
}

fn is_refusal(error: &mongoark_deployment::Error) -> bool {
    matches!(error.kind(), ErrorKind::Command(_) | ErrorKind::Unauthorized)
}

fn failed(namespace: &Namespace, error: mongoark_deployment::Error) -> Error {
    let namespace = dotted(namespace);
    let action = format!("error creating indexes for {namespace}: createIndex error");
    Error::Restoring { namespace, action, source: Box::new(error.into()) }
}

/// The indexes to build: none that the server makes by itself, in the form that was asked for.
fn prepared(
    context: &Context,
    namespace: &Namespace,
    specs: &[RawDocumentBuf],
) -> Result<Vec<RawDocumentBuf>> {
    let is_own =
        |spec: &&RawDocumentBuf| indexes::is_default_id(spec) || spec.get_bool("clustered").unwrap_or(false);
    let mut prepared = Vec::new();
    for spec in specs.iter().filter(|spec| !is_own(spec)) {
        let spec = with_sphere_version(spec.as_bytes()).map_err(|error| no_index(namespace, &error))?;
        prepared.push(spec);
    }
    if context.options.convert_legacy_indexes {
        prepared = legacy::converted(&prepared, namespace, &context.monitor)
            .map_err(|error| no_index(namespace, &error))?;
    }
    if context.options.fix_dotted_hashed_indexes {
        for spec in &mut prepared {
            *spec = legacy::without_dotted_hashes(spec).map_err(|error| no_index(namespace, &error))?;
        }
    }
    prepared
        .into_iter()
        .map(|spec| RawDocumentBuf::from_bytes(spec).map_err(|error| no_index(namespace, &error)))
        .collect()
}

fn no_index(namespace: &Namespace, error: &impl std::fmt::Display) -> Error {
    let name = quoted(&dotted(namespace));
    Error::Refused(format!("an index of {name} is not valid: {error}"))
}

/// A 2dsphere index without a version is one of version 1, which a server would make one of its latest.
fn with_sphere_version(spec: &[u8]) -> bytes::Result<Vec<u8>> {
    const VERSION: &str = "2dsphereIndexVersion";
    let key = bytes::get(spec, "key")?.and_then(|key| key.as_document());
    let is_sphere = match key {
        Some(key) => Elements::new(key)?.flatten().any(|part| part.as_str() == Some("2dsphere")),
        None => false,
    };
    if !is_sphere || bytes::get(spec, VERSION)?.is_some() {
        return Ok(spec.to_vec());
    }
    let mut out = Builder::with_capacity(spec.len() + 32);
    for element in Elements::new(spec)? {
        out.element(&element?);
    }
    Ok(out.i32(VERSION, 1).finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    #[test]
    fn an_old_sphere_keeps_its_version() {
        let old = rawdoc! { "key": { "a": 1, "p": "2dsphere" }, "name": "p" };
        let stated = rawdoc! { "key": { "a": 1, "p": "2dsphere" }, "name": "p", "2dsphereIndexVersion": 1 };
        assert_eq!(with_sphere_version(old.as_bytes()).unwrap(), stated.as_bytes());
        assert_eq!(with_sphere_version(stated.as_bytes()).unwrap(), stated.as_bytes());
        let other = rawdoc! { "key": { "p": "2d" }, "name": "p" };
        assert_eq!(with_sphere_version(other.as_bytes()).unwrap(), other.as_bytes());
    }
}
