//! Where a collection is by now that was found when the dump began.

use crate::Result;
use mongoark_deployment::{self as deployment, Patience, Source};
use mongoark_model::{CollectionMetadata, Namespace};

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

async fn look_for(source: &Source, metadata: &CollectionMetadata) -> deployment::Result<Whereabouts> {
    let namespace = metadata.data_namespace();
    if deployment::catalog::uuid_of(source, &namespace).await? == metadata.uuid {
        return Ok(Whereabouts::Here);
    }
    let all = deployment::catalog::collections(source, &namespace.db).await?;
    let renamed = all.into_iter().find(|found| metadata.uuid.is_some() && found.uuid == metadata.uuid);
    Ok(renamed.map_or(Whereabouts::Gone, |found| Whereabouts::Renamed(found.namespace)))
}
