//! The END record: totals, digest, where EPOCH and INDEX records lie, and the engine's summary.

use crate::Error;
use crate::bytes::{Fields, len_u32};

/// What the last record states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Documents in DATA chunks that count.
    pub documents: u64,
    /// Raw bytes in the same.
    pub bytes: u64,
    /// Oplog entries in OPLOG chunks that count.
    pub oplog_documents: u64,
    /// Raw bytes in the same.
    pub oplog_bytes: u64,
    /// Streams that were closed.
    pub streams: u32,
    /// SHA-256 over header and tag of every record before END.
    pub digest: [u8; 32],
    /// The engine's document, opaque here.
    pub summary: Vec<u8>,
    pub(crate) epochs: Vec<EpochRef>,
    pub(crate) pages: Vec<PageRef>,
}

/// Where an EPOCH record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochRef {
    pub(crate) offset: u64,
    pub(crate) seq: u64,
}

/// Where an INDEX record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageRef {
    pub(crate) offset: u64,
    pub(crate) seq: u64,
    pub(crate) body_len: u32,
    pub(crate) entries: u32,
}

impl End {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        for total in [self.documents, self.bytes, self.oplog_documents, self.oplog_bytes] {
            out.extend_from_slice(&total.to_le_bytes());
        }
        let epochs = u16::try_from(self.epochs.len()).map_err(|_| Error::LimitExceeded {
            what: "the number of epochs",
            value: self.epochs.len() as u64,
            limit: u16::MAX.into(),
        })?;
        out.extend_from_slice(&self.streams.to_le_bytes());
        out.extend_from_slice(&epochs.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&len_u32("the number of index pages", self.pages.len())?.to_le_bytes());
        out.extend_from_slice(&len_u32("the length of the summary", self.summary.len())?.to_le_bytes());
        out.extend_from_slice(&self.digest);
        for epoch in &self.epochs {
            out.extend_from_slice(&epoch.offset.to_le_bytes());
            out.extend_from_slice(&epoch.seq.to_le_bytes());
        }
        for page in &self.pages {
            out.extend_from_slice(&page.offset.to_le_bytes());
            out.extend_from_slice(&page.seq.to_le_bytes());
            out.extend_from_slice(&page.body_len.to_le_bytes());
            out.extend_from_slice(&page.entries.to_le_bytes());
        }
        out.extend_from_slice(&self.summary);
        Ok(())
    }

    /// Counts are checked against the body's length before memory is set aside.
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let (documents, bytes) = (fields.u64()?, fields.u64()?);
        let (oplog_documents, oplog_bytes) = (fields.u64()?, fields.u64()?);
        let streams = fields.u32()?;
        let epoch_count = usize::from(fields.u16()?);
        fields.zero::<2>()?;
        let page_count = usize::try_from(fields.u32()?).ok()?;
        let summary_len = usize::try_from(fields.u32()?).ok()?;
        let digest = fields.array()?;
        let mut epoch_fields = Fields(fields.take(epoch_count.checked_mul(16)?)?);
        let mut page_fields = Fields(fields.take(page_count.checked_mul(24)?)?);
        let summary = fields.take(summary_len)?.to_vec();
        fields.end()?;
        let epochs = (0..epoch_count)
            .map(|_| Some(EpochRef { offset: epoch_fields.u64()?, seq: epoch_fields.u64()? }))
            .collect::<Option<Vec<_>>>()?;
        let pages = (0..page_count).map(|_| PageRef::decode(&mut page_fields)).collect::<Option<Vec<_>>>()?;
        Some(Self { documents, bytes, oplog_documents, oplog_bytes, streams, digest, summary, epochs, pages })
    }
}

impl PageRef {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            offset: fields.u64()?,
            seq: fields.u64()?,
            body_len: fields.u32()?,
            entries: fields.u32()?,
        })
    }
}
