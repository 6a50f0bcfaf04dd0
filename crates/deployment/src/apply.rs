//! Doing again what an oplog says: its operations through `applyOps`, in order and each by itself, and the
//! commands that `applyOps` does not know or would do harm with.

use crate::command::write_concern_error;
use crate::error::{Error, ErrorKind, Result, While};
use crate::patience::Patience;
use crate::settle;
use crate::target::{Target, raw};
use bson::RawDocumentBuf;
use mongoark_bson_bytes::{self as bytes, Builder, Elements};
use mongoark_model::Namespace;

/// What the server answers where the namespace does not exist.
const NAMESPACE_NOT_FOUND: i32 = 26;
/// Two operations met in the same document; the server asks to try again.
const WRITE_CONFLICT: i32 = 112;

/// Operations that were not all applied.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct ApplyFailure {
    /// Whether each was applied that the server had to do with, from the first on; those behind them it did not
    /// look at.
    pub applied: Vec<bool>,
    /// Why the first one that was not applied was not.
    #[source]
    pub error: Error,
}

impl Target {
    /// Applies operations, raw documents `{op, ns, o, ..}`, in order. An insert replaces a document that is
    /// there. With `always_upsert` an update makes the document that it does not find, else it fails.
    ///
    /// Bytes and number must be what one command can hold: 16 MiB. Each operation is by itself, never all or
    /// none: a server that applies several as one loses count in capped collections, meets its own
    /// writes, and does not tell which of them failed. Tries again while the connection is broken.
    pub async fn apply_ops<O: AsRef<[u8]>>(
        &self,
        operations: &[O],
        always_upsert: bool,
    ) -> Result<(), Box<ApplyFailure>> {
        let failed = |error| Box::new(ApplyFailure { applied: Vec::new(), error });
        let mut command = self.apply_command(operations, always_upsert).map_err(failed)?;
        let mut patience = Patience::default();
        loop {
            let error = match self.send_operations(&command).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let lost = error.error.may_pass();
            if !lost && !error.error.is_code(WRITE_CONFLICT) {
                return Err(error);
            }
            patience.wait(error.error).await.map_err(failed)?;
            if lost {
                // A document that a later operation deletes may be gone already.
                command = self.apply_command(operations, true).map_err(failed)?;
            }
        }
    }

    /// Whether the user may replay an oplog on a database, found out without writing: the operations are about a
    /// collection that does not exist.
    pub async fn check_may_replay(&self, db: &str) -> Result<()> {
        let namespace = format!("{db}.mongoark.is.not.here");
        let operation = |op: &str| {
            let mut operation = Builder::new();
            operation.str("op", op).str("ns", &namespace).nested("o", |o| _ = o.i32("_id", 1));
            if op == "u" {
                operation.nested("o2", |o2| _ = o2.i32("_id", 1));
            }
            operation.finish()
        };
        let failure = match self.apply_ops(&["d", "u", "i"].map(operation), false).await {
            Ok(()) => return Ok(()),
            Err(failure) => failure.error,
        };
        if failure.kind() != ErrorKind::Unauthorized {
            // Whatever else the server has to say, it says of the real entries too.
            return Ok(());
        }
        let message = "the user may not replay the archive's oplog (applyOps): give it a role with anyAction on \
                       anyResource for the time of the restore, as mongorestore --oplogReplay needs too, or restore \
                       with --no-oplog, each collection as of another moment";
        Err(Error::new(ErrorKind::Unauthorized, format!("restore {db}"), message))
    }

    async fn send_operations(&self, command: &RawDocumentBuf) -> Result<(), Box<ApplyFailure>> {
        const ACTION: &str = "apply oplog entries";
        let held = self.hold().await;
        held.map_err(|error| Box::new(ApplyFailure { applied: Vec::new(), error }))?;
        let sent = self.client.database("admin").run_raw_command(command.clone()).await;
        match sent.while_doing(|| ACTION.to_owned()) {
            Ok(reply) => write_concern_error(&reply, ACTION)
                .map_err(|error| Box::new(ApplyFailure { applied: Vec::new(), error })),
            Err(error) => {
                let applied = error.response().map(results).unwrap_or_default();
                Err(Box::new(ApplyFailure { applied, error }))
            }
        }
    }

    fn apply_command<O: AsRef<[u8]>>(&self, operations: &[O], always_upsert: bool) -> Result<RawDocumentBuf> {
        let size: usize = operations.iter().map(|operation| operation.as_ref().len() + 8).sum();
        let mut command = Builder::with_capacity(size + 256);
        command
            .array_of_documents("applyOps", operations)
            .bool("allowAtomic", false)
            .bool("alwaysUpsert", always_upsert)
            .bool("bypassDocumentValidation", true);
        self.complete(&mut command);
        raw(&mut command)
    }

    /// Renames a collection, in place of another of that name if `replace`. Whether it was there: nothing is
    /// changed where it was not, because then it was renamed before.
    pub async fn rename(&self, from: &Namespace, to: &Namespace, replace: bool) -> Result<bool> {
        let full = |namespace: &Namespace| format!("{}.{}", namespace.db, namespace.collection);
        let mut command = Builder::new();
        command.str("renameCollection", full(from)).str("to", full(to)).bool("dropTarget", replace);
        match self.run("admin", command, &format!("rename {from} to {to}")).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_code(NAMESPACE_NOT_FOUND) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Runs a `convertToCapped` as an oplog has it; a collection that does not exist is no error.
    pub async fn convert_to_capped(&self, db: &str, body: &[u8]) -> Result<()> {
        let action = format!("convert a collection of {db} to a capped one");
        let mut command = Builder::new();
        for field in Elements::new(body).map_err(|error| Error::reply(&action, error.to_string()))? {
            command.element(&field.map_err(|error| Error::reply(&action, error.to_string()))?);
        }
        match self.run(db, command, &action).await {
            Err(error) if !error.is_code(NAMESPACE_NOT_FOUND) => Err(error),
            _ => Ok(()),
        }
    }

    /// Puts back the `Timestamp(0, 0)` that the server replaced by the current time when it applied the
    /// insert of `document`.
    pub async fn restore_zero_timestamps(&self, namespace: &Namespace, document: &[u8]) -> Result<()> {
        settle::replace(self, namespace, document, true).await
    }
}

/// Which operations the server applied, of those that it tried.
fn results(reply: &[u8]) -> Vec<bool> {
    let results = bytes::get(reply, "results").ok().flatten().and_then(|results| results.as_array());
    let Some(Ok(results)) = results.map(Elements::new) else { return Vec::new() };
    results.map_while(|result| result.ok()?.as_bool()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    #[test]
    fn what_failed_is_found_in_a_reply() {
        let reply = |results| rawdoc! { "applied": 3, "code": 26, "results": results, "ok": 0.0 };
        for list in [&[true, true, false][..], &[false, false], &[true, false, true]] {
            assert_eq!(results(reply(list_of(list)).as_bytes()), list);
        }
        assert_eq!(results(rawdoc! { "ok": 0.0 }.as_bytes()), [false; 0]);
    }

    fn list_of(results: &[bool]) -> bson::RawArrayBuf {
        results.iter().copied().collect()
    }
}
