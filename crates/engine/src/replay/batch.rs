//! Writes that wait to be sent with one command.

use mongoark_model::Timestamp;

/// Operations in one applyOps; the reply has a word for each.
const OPERATIONS_MAX: usize = 2_000;
/// Bytes of operations in one applyOps, but for a single one that is larger. A command may hold 16 MiB.
const BYTES_MAX: usize = 12 * 1024 * 1024;

/// Writes in the order of the oplog, each as applyOps takes it.
#[derive(Debug, Default)]
pub(super) struct Batch {
    operations: Vec<Operation>,
    bytes: usize,
    /// Whether the data that was restored may be younger than these: an update may not find its document.
    is_overlap: bool,
}

/// One write.
#[derive(Debug)]
pub(super) struct Operation {
    /// `{op, ns, o, ..}`.
    pub bytes: Vec<u8>,
    /// Its time in the oplog.
    pub ts: Option<Timestamp>,
    /// Its place, where it must not be done twice: it inserts into a capped collection.
    pub once: Option<u64>,
}

impl AsRef<[u8]> for Operation {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Batch {
    /// Whether an operation of this size can go along with those that wait.
    pub(super) fn has_room_for(&self, bytes: usize, is_overlap: bool) -> bool {
        self.operations.is_empty()
            || self.is_overlap == is_overlap
                && self.operations.len() < OPERATIONS_MAX
                && self.bytes + bytes <= BYTES_MAX
    }

    /// Adds an operation; there must be room.
    pub(super) fn push(&mut self, operation: Operation, is_overlap: bool) {
        self.bytes += operation.bytes.len();
        self.is_overlap = is_overlap;
        self.operations.push(operation);
    }

    /// All operations and whether they are of the overlap; the batch is empty then.
    pub(super) fn take(&mut self) -> (Vec<Operation>, bool) {
        self.bytes = 0;
        (std::mem::take(&mut self.operations), self.is_overlap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(len: usize) -> Operation {
        Operation { bytes: vec![0; len], ts: None, once: None }
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
}
