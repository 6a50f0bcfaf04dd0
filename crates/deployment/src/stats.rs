//! How large a collection is by the server's own count: for progress and for choosing batch
//! sizes, never to decide what there is.

use crate::command;
use crate::error::Result;
use crate::source::Source;
use bson::{Bson, Document, doc};
use mongoark_model::Namespace;

/// A collection's size as the server estimates it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectionStats {
    /// Documents.
    pub documents: u64,
    /// Bytes of raw BSON, uncompressed.
    pub bytes: u64,
}

impl CollectionStats {
    /// Asks the server; zero where it cannot say.
    pub async fn read(source: &Source, namespace: &Namespace) -> Result<Self> {
        let command = doc! { "collStats": namespace.collection.as_str() };
        let reply = command::read(&source.client, &namespace.db, command).await?;
        Ok(Self { documents: whole(&reply, "count"), bytes: whole(&reply, "size") })
    }

    /// How many documents make about `bytes` bytes; at least 1.
    pub fn documents_in(&self, bytes: u64) -> u32 {
        let average = self.bytes.checked_div(self.documents).map_or(1024, |average| average.max(1));
        u32::try_from((bytes / average).clamp(1, 1_000_000)).unwrap_or(1)
    }
}

pub(crate) fn whole(reply: &Document, key: &str) -> u64 {
    match reply.get(key) {
        Some(Bson::Int32(n)) => u64::try_from(*n).unwrap_or_default(),
        Some(Bson::Int64(n)) => u64::try_from(*n).unwrap_or_default(),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate, and `as` saturates"
        )]
        Some(Bson::Double(n)) => *n as u64,
        _ => 0,
    }
}
