//! What a run writes down on the target about itself: a small collection of its own, in the database `mongoark`.

use crate::command::{self, From};
use crate::error::{Error, Result};
use crate::patience::Patience;
use crate::target::{Target, raw};
use bson::RawDocumentBuf;
use mongoark_bson_bytes::{self as bytes, Builder};
use mongoark_model::Namespace;
use std::time::Duration;
use tokio::time::sleep;

/// The database of all notes.
const DATABASE: &str = "mongoark";
/// Bytes and documents of one command, far below what a server takes.
const COMMAND_BYTES: usize = 4 * 1024 * 1024;
const COMMAND_DOCUMENTS: usize = 1_000;
/// Between two looks at what an earlier run left under way. One that came in at the moment of the first is
/// seen by the second.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A collection of notes, documents with an `_id` each.
#[derive(Clone, Debug)]
pub struct Notes {
    target: Target,
    namespace: Namespace,
}

impl Notes {
    /// Those of this name. Nothing is made before the first is written.
    pub fn new(target: &Target, name: &str) -> Self {
        Self { target: target.clone(), namespace: Namespace::new(DATABASE, name) }
    }

    /// Notes that only one run writes, and that are gone, under this name, once another has taken over.
    #[must_use]
    pub fn of_run(&self, run: &str) -> Self {
        let name = format!("{}.{run}", self.namespace.collection);
        Self { target: self.target.clone(), namespace: Namespace::new(DATABASE, name) }
    }

    /// Those of single runs that are there.
    pub async fn of_runs(&self) -> Result<Vec<Self>> {
        let prefix = format!("{}.", self.namespace.collection);
        let there = self.target.collections(&self.namespace.db).await?;
        let of_runs = there.into_iter().map(|metadata| metadata.namespace);
        let of_runs = of_runs.filter(|namespace| namespace.collection.starts_with(&prefix));
        Ok(of_runs.map(|namespace| Self { target: self.target.clone(), namespace }).collect())
    }

    /// Takes the notes of earlier runs over: from now on they are this run's, and whatever an earlier one sends together with a
    /// note of its own comes to nothing.
    pub async fn take_over(&self, earlier: &str, run: &str) -> Result<()> {
        let own = self.of_run(run);
        let mut others = self.of_runs().await?;
        others.retain(|it| it.namespace != own.namespace);
        // Those of the run that wrote last count; where it had not come to taking over, those of whoever was before it.
        let last = self.of_run(earlier).namespace;
        others.sort_by_key(|it| it.namespace != last);
        let mut others = others.into_iter();
        if let Some(last) = others.next() {
            self.target.rename(&last.namespace, &own.namespace, true).await?;
        }
        for stale in others {
            self.target.drop(&stale.namespace).await?;
        }
        Ok(())
    }

    /// Whether `note` still stands with the same `key`, as the primary has it now: asked by a write that changes nothing and waits for
    /// no other member.
    pub async fn stands(&self, note: &[u8], key: &str) -> Result<bool> {
        let mut update = Builder::new();
        let (id, same) = (self.field(note, "_id")?, self.field(note, key)?);
        let set = |change: &mut Builder| _ = change.nested("$set", |set| _ = set.element(&same));
        update.nested("q", |q| _ = q.element(&id).element(&same)).nested("u", set);
        let mut command = self.command("update");
        command.array_of_documents("updates", [update.finish()]);
        command.nested("writeConcern", |concern| _ = concern.i32("w", 1));
        let action = self.action("write");
        let client = &self.target.client;
        let reply =
            command::write(client, &self.namespace.db, raw(&mut command)?, &action, Error::may_pass).await?;
        Ok(reply.get_i32("n").is_ok_and(|found| found == 1))
    }

    /// Where they are.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Whether there are any. Whoever may restore may ask.
    pub async fn exist(&self) -> Result<bool> {
        self.target.exists(&self.namespace).await
    }

    /// All notes, raw.
    pub async fn read(&self) -> Result<Vec<RawDocumentBuf>> {
        let mut find = Builder::new();
        find.str("find", &self.namespace.collection);
        find.nested("readConcern", |concern| _ = concern.str("level", "local"));
        let database = self.target.client.database(&self.namespace.db);
        command::all(&database, From::Primary, raw(&mut find)?, &self.action("read")).await
    }

    /// Writes these notes in their order, each in place of the one with its `_id`.
    pub async fn put<D: AsRef<[u8]>>(&self, notes: &[D]) -> Result<()> {
        let mut rest = notes;
        while !rest.is_empty() {
            let mut size = 0;
            let fits = rest.iter().take(COMMAND_DOCUMENTS).take_while(|note| {
                size += note.as_ref().len() + 64;
                size <= COMMAND_BYTES
            });
            let (now, later) = rest.split_at(fits.count().max(1));
            self.upsert(now).await?;
            rest = later;
        }
        Ok(())
    }

    /// Writes a note in place of `earlier`, another version of it, if that one still stands with the same `key`; whether
    /// it did.
    pub async fn exchange(&self, earlier: &[u8], note: &[u8], key: &str) -> Result<bool> {
        let mut update = Builder::new();
        let (id, same) = (self.field(earlier, "_id")?, self.field(earlier, key)?);
        update.nested("q", |q| _ = q.element(&id).element(&same)).document("u", note);
        let mut command = self.command("update");
        command.array_of_documents("updates", [update.finish()]);
        let reply = self.run(command).await?;
        Ok(reply.get_i32("n").is_ok_and(|found| found == 1))
    }

    async fn upsert<D: AsRef<[u8]>>(&self, notes: &[D]) -> Result<()> {
        let update = |note: &D| {
            let id = self.field(note.as_ref(), "_id")?;
            let mut update = Builder::new();
            update.nested("q", |q| _ = q.element(&id)).document("u", note.as_ref()).bool("upsert", true);
            Ok(update.finish())
        };
        let updates: Vec<Vec<u8>> = notes.iter().map(update).collect::<Result<_>>()?;
        let mut command = self.command("update");
        command.array_of_documents("updates", &updates);
        self.run(command).await.map(drop)
    }

    fn field<'a>(&self, note: &'a [u8], key: &str) -> Result<bytes::Element<'a>> {
        let field = bytes::get(note, key).ok().flatten();
        field.ok_or_else(|| Error::reply(self.action("write"), format!("a note has no {key}")))
    }

    fn command(&self, name: &str) -> Builder {
        let mut command = Builder::new();
        command.str(name, &self.namespace.collection);
        command
    }

    async fn run(&self, command: Builder) -> Result<bson::Document> {
        let action = self.action("write");
        let reply = self.target.run(&self.namespace.db, command, &action).await?;
        match reply.get_array("writeErrors").ok().and_then(|errors| errors.first()) {
            Some(error) => Err(Error::reply(action, error.to_string())),
            None => Ok(reply),
        }
    }

    /// The operation that writes a note, for [`Target::apply_ops`]: together with others, in their order. The collection
    /// must be there.
    pub fn operation(&self, note: &[u8]) -> Vec<u8> {
        let mut operation = Builder::new();
        operation.str("op", "i").str("ns", self.namespace.to_string()).document("o", note).finish()
    }

    /// Takes all of them away, those of single runs last: without the others they mean nothing.
    pub async fn clear(&self) -> Result<()> {
        self.target.drop(&self.namespace).await?;
        for of_run in self.of_runs().await? {
            self.target.drop(&of_run.namespace).await?;
        }
        Ok(())
    }

    /// Waits until the server has nothing to do any more for commands with the target's tag, which a run that was killed
    /// may have left under way, or until `stops`. Where the user may not ask, nothing is known.
    pub async fn wait_for_earlier_commands(&self, stops: impl Fn() -> bool) -> Result<()> {
        let Some(tag) = self.target.tag() else { return Ok(()) };
        let (mut free, mut patience) = (0, Patience::default());
        while free < 2 && !stops() {
            let mut command = Builder::new();
            command.i32("currentOp", 1).bool("$ownOps", true).str("command.comment", tag);
            let database = self.target.client.database("admin");
            let asked = database.run_raw_command(raw(&mut command)?).await;
            match asked {
                Ok(reply) if reply.get_array("inprog").is_ok_and(|found| !found.is_empty()) => free = 0,
                Ok(_) => free += 1,
                Err(error) => {
                    let error = Error::driver("look for commands of an earlier run", error);
                    if !error.may_pass() {
                        return Ok(());
                    }
                    patience.wait(error).await?;
                }
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    fn action(&self, what: &str) -> String {
        format!("{what} the restore's progress in {}", self.namespace)
    }
}
