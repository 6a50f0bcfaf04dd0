//! Writes that wait to be sent with one command.

use mongoark_model::Timestamp;
use std::ops::Range;

/// Operations in one applyOps; the reply has a word for each.
const OPERATIONS_MAX: usize = 2_000;
/// Bytes of operations in one applyOps, but for a single one that is larger. A command may hold 16 MiB.
const BYTES_MAX: usize = 12 * 1024 * 1024;

/// Writes in the order of the oplog, each as applyOps takes it.
#[derive(Debug, Default)]
pub(super) struct Batch {
    operations: Vec<Operation>,
    bytes: usize,
    /// Whether updates make the documents that they do not find.
    upsert: bool,
}

/// One write.
#[derive(Debug)]
pub(super) struct Operation {
    /// `{op, ns, o, ..}`.
    pub bytes: Vec<u8>,
    /// Its time in the oplog.
    pub ts: Option<Timestamp>,
}

impl AsRef<[u8]> for Operation {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Batch {
    /// Whether an operation of this size can go along with those that wait.
    pub(super) fn has_room_for(&self, bytes: usize, upsert: bool) -> bool {
        self.operations.is_empty()
            || self.upsert == upsert
                && self.operations.len() < OPERATIONS_MAX
                && self.bytes + bytes <= BYTES_MAX
    }

    /// Adds an operation; there must be room.
    pub(super) fn push(&mut self, operation: Operation, upsert: bool) {
        self.bytes += operation.bytes.len();
        self.upsert = upsert;
        self.operations.push(operation);
    }

    /// All operations and whether they upsert; the batch is empty then.
    pub(super) fn take(&mut self) -> (Vec<Operation>, bool) {
        self.bytes = 0;
        (std::mem::take(&mut self.operations), self.upsert)
    }
}

/// The operations that a failed command leaves to be sent by themselves: it applied `applied` of those from
/// `start` on, and had to do with `tried` of them.
pub(super) fn doubtful(start: usize, applied: usize, tried: usize, len: usize) -> Range<usize> {
    let first = (start + applied).min(len);
    let end = (start + tried).max(first + 1).min(len);
    first..end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(len: usize) -> Operation {
        Operation { bytes: vec![0; len], ts: None }
    }

    #[test]
    fn a_batch_ends_at_its_limits() {
        let mut batch = Batch::default();
        assert!(batch.has_room_for(BYTES_MAX + 1, true));
        batch.push(operation(BYTES_MAX), true);
        assert!(batch.has_room_for(0, true));
        assert!(!batch.has_room_for(1, true));
        assert!(!batch.has_room_for(0, false));
        assert_eq!(batch.take().0.len(), 1);
        for _ in 0..OPERATIONS_MAX {
            assert!(batch.has_room_for(1, false));
            batch.push(operation(1), false);
        }
        assert!(!batch.has_room_for(1, false));
    }

    #[test]
    fn what_a_failed_command_leaves_is_never_nothing() {
        assert_eq!(doubtful(0, 2, 3, 9), 2..3);
        assert_eq!(doubtful(4, 0, 5, 9), 4..9);
        assert_eq!(doubtful(4, 1, 3, 9), 5..7);
        assert_eq!(doubtful(4, 0, 0, 9), 4..5);
        assert_eq!(doubtful(4, 7, 9, 9), 9..9);
    }
}
