//! All collections of a dump, as their documents come: several at once, and nobody waits for anybody else.

use super::Context;
use super::collection::{self, Shared};
use super::definition::Definition;
use super::oplog::OplogSource;
use super::plan::Plan;
use super::preflight::Existing;
use super::spill::Spill;
use crate::dump_input::{Documents, DumpInput, Feed};
use crate::{Error, Result, Stop};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

/// Documents of users, roles and versions that are kept; more of them is no accounts collection.
const ACCOUNT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What came from the dump and is used later.
#[derive(Default)]
pub(super) struct Taken {
    /// The documents of users, roles and their version, by entry.
    pub(super) accounts: HashMap<usize, Vec<u8>>,
    pub(super) oplog: Option<OplogSource>,
}

/// What a task brings when it ends.
enum Done {
    Collection,
    Accounts(usize, Vec<u8>),
    Oplog(Spill),
}

/// Collections being restored.
pub(super) struct Collections {
    shared: Arc<Shared>,
    feed: Feed,
    definitions: HashMap<usize, Arc<Definition>>,
    oplog: Option<usize>,
    tasks: JoinSet<Result<Done>>,
}

impl Collections {
    /// Begins to read what is planned.
    pub(super) fn start(
        context: &Context,
        dump: DumpInput,
        plan: &Plan,
        with_accounts: bool,
        mut definitions: Vec<Definition>,
        existing: Existing,
    ) -> Self {
        if context.parallel() > 1 {
            // The longest work first, so that nothing long is left for the end.
            definitions.sort_by_key(|definition| std::cmp::Reverse(definition.bytes));
        }
        let accounts =
            [plan.users.as_ref(), plan.roles.as_ref()].into_iter().flatten().map(|(entry, _)| *entry);
        let accounts = accounts.chain(plan.version).filter(|_| with_accounts);
        // A file's oplog is read when its time has come.
        let oplog = plan.oplog.filter(|entry| dump.file(*entry).is_none());
        let wanted: Vec<usize> =
            accounts.chain(definitions.iter().map(|definition| definition.entry)).chain(oplog).collect();
        let abort = Stop::default();
        let workers =
            context.options.insertion_workers.unwrap_or_default().max(collection::default_workers());
        let shared = Shared {
            context: context.clone(),
            existing,
            inserts: Arc::new(Semaphore::new(workers.max(context.options.parallel_collections.unwrap_or(0)))),
            abort,
        };
        let feed = dump.read(&wanted, context.parallel(), &context.stop);
        let definitions = definitions.into_iter().map(|definition| (definition.entry, Arc::new(definition)));
        Self {
            shared: Arc::new(shared),
            feed,
            definitions: definitions.collect(),
            oplog,
            tasks: JoinSet::new(),
        }
    }

    /// Restores every collection. After a failure the others end at their next batch, and all are waited for.
    pub(super) async fn restore_all(&mut self) -> Result<Taken> {
        let mut taken = Taken::default();
        let restored = self.take_all(&mut taken).await;
        if restored.is_err() {
            self.shared.abort.request();
            // Lets the reading threads end, and with them who waits for documents.
            self.feed.close();
        }
        let mut ended = Ok(());
        while let Some(done) = self.tasks.join_next().await {
            let done = flat(done).map(|done| taken.keep(done));
            if done.is_err() {
                self.shared.abort.request();
            }
            ended = crate::error::cause_of(ended, done).map(drop);
        }
        crate::error::cause_of(restored, ended).map(|_| taken)
    }

    /// The rest of an archive, in which nothing is wanted any more, must be whole too.
    pub(super) async fn finish(&mut self) -> Result<()> {
        while self.feed.next().await?.is_some() {}
        Ok(())
    }

    async fn take_all(&mut self, taken: &mut Taken) -> Result<()> {
        loop {
            tokio::select! {
                next = self.feed.next() => match next? {
                    None => return Ok(()),
                    Some(documents) if documents.is_last() && Some(documents.entry()) == self.oplog => {
                        taken.oplog = Some(OplogSource::Documents(documents));
                        return Ok(());
                    }
                    Some(documents) => self.begin(documents),
                },
                Some(done) = self.tasks.join_next() => taken.keep(flat(done)?),
            }
        }
    }

    fn begin(&mut self, documents: Documents) {
        let entry = documents.entry();
        if let Some(definition) = self.definitions.remove(&entry) {
            let shared = Arc::clone(&self.shared);
            self.tasks.spawn(async move {
                collection::restore(&shared, &definition, documents).await.map(|()| Done::Collection)
            });
        } else if Some(entry) == self.oplog {
            self.tasks.spawn(async move { Spill::fill(documents).await.map(Done::Oplog) });
        } else {
            self.tasks.spawn(keep(entry, documents));
        }
    }
}

impl Taken {
    fn keep(&mut self, done: Done) {
        match done {
            Done::Collection => {}
            Done::Accounts(entry, documents) => _ = self.accounts.insert(entry, documents),
            Done::Oplog(spill) => self.oplog = Some(OplogSource::Spill(spill)),
        }
    }
}

/// Keeps the documents of users or roles.
async fn keep(entry: usize, mut documents: Documents) -> Result<Done> {
    let mut kept = Vec::new();
    while let Some(batch) = documents.next().await? {
        if kept.len() + batch.bytes.len() > ACCOUNT_BYTES_MAX {
            let message = format!("the dump's users or roles take more than {ACCOUNT_BYTES_MAX} bytes");
            return Err(Error::Refused(message));
        }
        kept.extend_from_slice(&batch.bytes);
    }
    Ok(Done::Accounts(entry, kept))
}

fn flat(done: std::result::Result<Result<Done>, JoinError>) -> Result<Done> {
    done.unwrap_or(Err(Error::PipelineClosed("a collection's task")))
}
