//! The corpus into a database of its own, and that database away again.

use super::corpus::{self, Kind, Slice};
use crate::{Error, Result, Stop};
use bson::RawDocumentBuf;
use mongoark_deployment::{self as deployment, ErrorKind, Inserter, Target};
use mongoark_model::{CollectionKind, CollectionMetadata, Counts, Namespace};
use mongoark_monitor::{Item, Monitor};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// Inserts under way at once.
const INSERTS: usize = 4;

/// A corpus that a deployment holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Documents.
    pub documents: u64,
    /// Their raw BSON, bytes.
    pub bytes: u64,
}

/// What every inserting task needs.
struct Loader {
    target: Target,
    db: String,
    slices: Mutex<Box<dyn Iterator<Item = Slice> + Send>>,
    item: Item,
    stop: Stop,
    /// Set when one task fails, so that the others end too.
    abort: Stop,
}

/// Loads about `bytes` bytes of documents into `db`, which must not exist.
///
/// # Errors
/// When the deployment refuses a write, or the run was asked to stop. The database may exist then:
/// [`drop_corpus`] is called for it in any case.
pub async fn load(target: &Target, db: &str, bytes: u64, monitor: &Monitor, stop: &Stop) -> Result<Loaded> {
    for kind in Kind::ALL {
        target.create(&metadata(db, kind)).await?;
    }
    let item = monitor.item(db, 0, bytes);
    let shared = Arc::new(Loader {
        target: target.clone(),
        db: db.to_owned(),
        slices: Mutex::new(Box::new(corpus::slices(bytes))),
        item: item.clone(),
        stop: stop.clone(),
        abort: Stop::default(),
    });
    let mut inserts = JoinSet::new();
    for _ in 0..INSERTS {
        inserts.spawn(Arc::clone(&shared).insert());
    }
    let loaded = settle(inserts, &shared.abort).await;
    monitor.finish(&item);
    if loaded.is_ok()
        && let Err(error) = target.flush().await
    {
        monitor.detail(format!("the server may still be writing the corpus to disk: {error}"));
    }
    loaded
}

/// Drops what [`load`] has made, or began to make.
///
/// # Errors
/// When the deployment does not do so; the database is there still.
pub async fn drop_corpus(target: &Target, db: &str) -> Result<()> {
    Ok(target.drop_database(db).await?)
}

/// Waits for all: an insert that is under way is never left behind, for it would make the database
/// anew after it was dropped.
async fn settle(mut inserts: JoinSet<Result<Counts>>, abort: &Stop) -> Result<Loaded> {
    let mut total = Ok(Counts::default());
    while let Some(counts) = inserts.join_next().await {
        match (&mut total, counts.unwrap_or(Err(Error::PipelineClosed("an inserting task")))) {
            (Ok(total), Ok(counts)) => *total += counts,
            (Ok(_), Err(error)) => {
                abort.request();
                total = Err(error);
            }
            (Err(_), _) => {}
        }
    }
    total.map(|counts| Loaded { documents: counts.documents, bytes: counts.bytes })
}

impl Loader {
    async fn insert(self: Arc<Self>) -> Result<Counts> {
        let mut counts = Counts::default();
        while let Some(slice) = self.next() {
            self.stop.check()?;
            if self.abort.is_requested() {
                break;
            }
            let documents = slice.documents();
            let namespace = Namespace::new(self.db.clone(), slice.kind.collection());
            let outcome = Inserter::new(&self.target, namespace.clone()).insert(&documents).await?;
            if let Some(rejected) = outcome.rejected.first() {
                let action = format!("insert a generated document into {namespace}");
                return Err(deployment::Error::new(ErrorKind::Reply, action, &rejected.message).into());
            }
            let inserted = Counts::new(outcome.inserted, documents.len() as u64);
            self.item.add(inserted.documents, inserted.bytes);
            counts += inserted;
        }
        Ok(counts)
    }

    fn next(&self) -> Option<Slice> {
        self.slices.lock().unwrap_or_else(PoisonError::into_inner).next()
    }
}

fn metadata(db: &str, kind: Kind) -> CollectionMetadata {
    CollectionMetadata {
        bucket_indexes: Vec::new(),
        namespace: Namespace::new(db, kind.collection()),
        kind: CollectionKind::Collection,
        options: RawDocumentBuf::new(),
        uuid: None,
        indexes: Vec::new(),
    }
}
