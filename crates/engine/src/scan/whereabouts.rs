//! Where a collection is by now that was found when the dump began.

use super::is_for_the_collection;
use crate::Result;
use bson::RawDocumentBuf;
use mongoark_deployment::{self as deployment, Collection, Patience, Source, indexes};
use mongoark_model::{CollectionKind, CollectionMetadata, Namespace, TopologyKind};
use std::collections::HashSet;

/// Where the collection that was planned is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// Where it was.
    Here,
    /// Under another name of its database.
    Renamed(Namespace),
    /// Nowhere.
    Gone,
}

/// Looks for the collection by its UUID: another one may have its name by now.
pub(crate) async fn whereabouts(source: &Source, metadata: &CollectionMetadata) -> Result<Whereabouts> {
    let mut patience = Patience::default();
    loop {
        match look_for(source, metadata).await {
            Ok(found) => return Ok(found),
            Err(error) if error.may_pass() => patience.wait(error).await?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// A collection as one that commands find by its UUID, where they can.
pub(super) fn by_uuid(
    source: &Source,
    metadata: &CollectionMetadata,
    namespace: &Namespace,
) -> Option<Collection> {
    let takes_uuids = source.info().topology != TopologyKind::Sharded;
    let uuid = metadata.uuid.filter(|_| takes_uuids)?;
    Some(Collection { namespace: namespace.clone(), uuid: Some(uuid) })
}

/// The indexes of a collection, under the name that it has by now; nothing where it is gone. A view has none. Where the
/// oplog goes along it tells when a build is finished, and those under way are no indexes yet.
pub(crate) async fn indexes_where_it_is(
    source: &Source,
    metadata: &CollectionMetadata,
    has_oplog: bool,
) -> Result<Option<Vec<RawDocumentBuf>>> {
    let found = match (metadata.kind, by_uuid(source, metadata, &metadata.namespace)) {
        (CollectionKind::View, _) => return Ok(Some(Vec::new())),
        // The UUID is that of the buckets, whose indexes are others.
        (CollectionKind::TimeSeries, _) | (_, None) => None,
        (_, Some(collection)) => match deployment::catalog::indexes(source, &collection, !has_oplog).await {
            Err(error) if !is_for_the_collection(&error) => return Err(error.into()),
            found => found.ok().flatten(),
        },
    };
    match found {
        Some(indexes) => Ok(Some(indexes)),
        None => indexes_by_name(source, metadata, has_oplog).await,
    }
}

/// The indexes of a time series' buckets that are not among its own, by name: what somebody made on the buckets themselves.
pub(crate) async fn bucket_indexes(
    source: &Source,
    metadata: &CollectionMetadata,
    has_oplog: bool,
) -> deployment::Result<Vec<RawDocumentBuf>> {
    let buckets = Collection::named(&metadata.data_namespace());
    let listed = deployment::catalog::indexes(source, &buckets, !has_oplog).await?.unwrap_or_default();
    let own: HashSet<&str> = metadata.indexes.iter().map(indexes::name).collect();
    let is_made_there = |index: &RawDocumentBuf| {
        !own.contains(indexes::name(index)) && !index.get_bool("clustered").unwrap_or(false)
    };
    Ok(listed.into_iter().filter(is_made_there).collect())
}

async fn indexes_by_name(
    source: &Source,
    metadata: &CollectionMetadata,
    has_oplog: bool,
) -> Result<Option<Vec<RawDocumentBuf>>> {
    let mut metadata = metadata.clone();
    loop {
        let collection = Collection::named(&metadata.namespace);
        let indexes = deployment::catalog::indexes(source, &collection, !has_oplog).await?;
        // Another collection may have the name by now, and these be its indexes.
        match (whereabouts(source, &metadata).await?, indexes) {
            (Whereabouts::Here, Some(indexes)) => return Ok(Some(indexes)),
            (Whereabouts::Renamed(to), _) if metadata.kind == CollectionKind::Collection => {
                metadata.namespace = to;
            }
            // It came back under its name meanwhile.
            (Whereabouts::Here, None) => {}
            (Whereabouts::Renamed(_) | Whereabouts::Gone, _) => return Ok(None),
        }
    }
}

async fn look_for(source: &Source, metadata: &CollectionMetadata) -> deployment::Result<Whereabouts> {
    let namespace = metadata.data_namespace();
    if deployment::catalog::uuid_of(source, &namespace).await? == metadata.uuid {
        return Ok(Whereabouts::Here);
    }
    let all = deployment::catalog::collections(source, &namespace.db).await?;
    let renamed = all.into_iter().find(|found| metadata.uuid.is_some() && found.uuid == metadata.uuid);
    Ok(renamed.map_or(Whereabouts::Gone, |found| Whereabouts::Renamed(found.namespace)))
}
