//! Where a collection is by now that was found when the dump began.

use crate::Result;
use bson::RawDocumentBuf;
use mongoark_deployment::{self as deployment, Patience, Source};
use mongoark_model::{CollectionKind, CollectionMetadata, Namespace};

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
            Err(error) if error.is_passing() => patience.wait(error).await?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// The indexes of a collection, under the name that it has by now; nothing where it is gone.
pub(crate) async fn indexes_where_it_is(
    source: &Source,
    metadata: &CollectionMetadata,
) -> Result<Option<Vec<RawDocumentBuf>>> {
    let mut metadata = metadata.clone();
    loop {
        let indexes = deployment::catalog::indexes(source, &metadata).await?;
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
