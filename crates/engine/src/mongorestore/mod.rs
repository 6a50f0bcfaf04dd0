//! The flow of mongorestore: a dump of mongodump into a deployment, in mongorestore's order and words.
//!
//! [`plan`] decides what is restored under which name, [`definition`] what is made of it; [`collections`] writes
//! several collections at once, each as [`collection`] has it; then come [`accounts`], the [`oplog`] and at last the
//! [`indexes`], which the oplog may have changed. Unlike the peer this loses no document without saying so, and never
//! ends well when one is lost.

mod accounts;
mod collection;
mod collections;
mod definition;
mod indexes;
mod legacy;
mod oplog;
mod options;
mod patterns;
mod place;
mod plan;
mod preflight;
mod spill;
mod tally;

pub use options::{Input, Options};

use crate::dump_input::DumpInput;
use crate::quote::quoted;
use crate::{Error, Result, Stop};
use collections::Collections;
use definition::Definition;
use mongoark_deployment::Target;
use mongoark_monitor::Monitor;
use oplog::OplogSource;
use plan::{Names, Plan};
use std::sync::Arc;
use tally::Tally;

/// What a run has done, whether it went well or not.
#[derive(Debug, Default)]
pub struct Report {
    /// Documents that this run wrote.
    pub restored: u64,
    /// Documents that it did not: there already, refused by a validator, or the ones at which it stopped.
    pub failed: u64,
    /// What ended the run before its time, or was not carried over: the exit code is 1.
    pub error: Option<Error>,
}

/// What every part of a run needs.
#[derive(Clone)]
struct Context {
    target: Target,
    options: Arc<Options>,
    monitor: Monitor,
    /// The user's request to stop.
    stop: Stop,
    tally: Arc<Tally>,
}

/// Restores a dump as mongorestore does. What it says on the way goes to the monitor in mongorestore's words: a step
/// is always printed, a detail from `-v` on. The last lines (`Failed: ...` and the counts) are the caller's.
pub async fn restore(
    target: &Target,
    input: Input,
    options: &Options,
    monitor: &Monitor,
    stop: &Stop,
) -> Report {
    let context = Context {
        target: target.clone(),
        options: Arc::new(options.clone()),
        monitor: monitor.clone(),
        stop: stop.clone(),
        tally: Arc::default(),
    };
    let error = context.run(input).await.err();
    Report { restored: context.tally.restored(), failed: context.tally.failed(), error }
}

impl Context {
    async fn run(&self, input: Input) -> Result<()> {
        let names = Names::new(&self.options)?;
        let (dump, line) = self.open(input).await?;
        self.tell_version(&dump);
        self.monitor.step(line);
        for line in dump.unknown() {
            self.monitor.step(line.clone());
        }
        let mut plan = Plan::new(&dump, &names, &self.options, &self.monitor)?;
        preflight::check_plan(self, &plan)?;
        if self.options.dry_run {
            self.monitor.step("dry run completed");
            return Ok(());
        }
        accounts::check_version_ahead(self, &dump, &mut plan)?;
        let definitions = definition::read(self, &dump, &plan)?;
        let existing = preflight::existing(self, &definitions).await?;
        preflight::check_definitions(self, &definitions, &existing)?;
        self.write(dump, plan, definitions, existing).await
    }

    async fn write(
        &self,
        dump: DumpInput,
        plan: Plan,
        definitions: Vec<Definition>,
        existing: preflight::Existing,
    ) -> Result<()> {
        let mut catalog = definition::index_catalog(&definitions);
        let places = definition::places(&dump, &definitions);
        let with_accounts = accounts::are_restored(self, &plan);
        let from_file = oplog::file_of(self, &dump, &plan);
        let mut collections = Collections::start(self, dump, &plan, with_accounts, definitions, existing);
        let mut taken = collections.restore_all().await?;
        self.stop.check()?;
        if with_accounts {
            accounts::restore(self, &plan, &mut taken.accounts).await?;
        }
        let oplog = from_file.map(OplogSource::File).or(taken.oplog.take());
        if let Some(oplog) = oplog.filter(|_| self.options.oplog_replay) {
            oplog::replay(self, oplog, places, &mut catalog).await?;
        }
        if !self.options.no_index_restore {
            indexes::restore(self, catalog).await?;
        }
        collections.finish().await
    }

    /// Opens the dump. Reading the beginning of a pipe may take its time.
    async fn open(&self, input: Input) -> Result<(DumpInput, String)> {
        let options = Arc::clone(&self.options);
        let opening = tokio::task::spawn_blocking(move || {
            let (place, line) = place::of(input, &options)?;
            Ok((DumpInput::open(place, options.gzip)?, line))
        });
        opening.await.unwrap_or(Err(Error::PipelineClosed("the dump's reader")))
    }

    fn tell_version(&self, dump: &DumpInput) {
        let Some(header) = dump.archive_header() else { return };
        let minor = |version: &str| version.splitn(3, '.').take(2).map(str::to_owned).collect::<Vec<_>>();
        let (from, to) = (header.server_version.as_str(), self.target.server_version());
        if minor(from) != minor(to) {
            self.monitor.step(format!(
                "WARNING: This archive came from MongoDB {}, but you are restoring to {}. Cross-version dump & restore \
                 is unsupported. The restored data may be corrupted.",
                quoted(from),
                quoted(to)
            ));
        }
    }

    /// Collections that are restored, or indexed, at once.
    fn parallel(&self) -> usize {
        const AT_ONCE: usize = 16;
        self.options.parallel_collections.unwrap_or(AT_ONCE).max(1)
    }
}
