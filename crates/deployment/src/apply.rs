//! Doing again what an oplog says: its operations through `applyOps`, in order and each by itself, and the
//! commands that `applyOps` does not know or would do harm with.

use crate::command::write_concern_error;
use crate::error::{Error, Result, While};
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
    /// So many, from the first on, were applied.
    pub applied: usize,
    /// The server had to do with so many, from the first on; those behind them it did not look at.
    pub tried: usize,
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
        let failed = |error| Box::new(ApplyFailure { applied: 0, tried: 0, error });
        let mut command = self.apply_command(operations, always_upsert).map_err(failed)?;
        let mut patience = Patience::default();
        loop {
            let error = match self.send_operations(&command).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let lost = error.error.is_passing();
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

    async fn send_operations(&self, command: &RawDocumentBuf) -> Result<(), Box<ApplyFailure>> {
        const ACTION: &str = "apply oplog entries";
        let sent = self.client.database("admin").run_raw_command(command.clone()).await;
        match sent.while_doing(|| ACTION.to_owned()) {
            Ok(reply) => write_concern_error(&reply, ACTION)
                .map_err(|error| Box::new(ApplyFailure { applied: 0, tried: 0, error })),
            Err(error) => {
                let (applied, tried) = error.response().map(results).unwrap_or_default();
                Err(Box::new(ApplyFailure { applied, tried, error }))
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
        self.write_concern.append_to(&mut command);
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
        settle::replace(self, namespace, document).await
    }
}

/// How many operations the server applied before the first that failed, and how many it tried.
fn results(reply: &[u8]) -> (usize, usize) {
    let results = bytes::get(reply, "results").ok().flatten().and_then(|results| results.as_array());
    let Some(Ok(results)) = results.map(Elements::new) else { return (0, 0) };
    let results: Vec<bool> = results.map_while(|result| result.ok()?.as_bool()).collect();
    let applied = results.iter().take_while(|applied| **applied).count();
    (applied, results.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    #[test]
    fn the_first_failure_is_found_in_a_reply() {
        let reply = |results| rawdoc! { "applied": 3, "code": 26, "results": results, "ok": 0.0 };
        for (list, expected) in [
            (list_of(&[true, true, false]), (2, 3)),
            (list_of(&[false, false]), (0, 2)),
            (list_of(&[true, false, true]), (1, 3)),
        ] {
            assert_eq!(results(reply(list).as_bytes()), expected);
        }
        assert_eq!(results(rawdoc! { "ok": 0.0 }.as_bytes()), (0, 0));
    }

    fn list_of(results: &[bool]) -> bson::RawArrayBuf {
        results.iter().copied().collect()
    }
}
