//! Compression on several cores: each part of a file becomes a gzip member of its own.

use crate::pool::{Buffers, Pool, Share};
use mongoark_dump_format::gzip::Compressor;
use tokio::sync::oneshot;

/// A part to be compressed, with its share of the memory budget.
pub(super) struct PackJob {
    pub(super) bytes: Vec<u8>,
    pub(super) share: Option<Share>,
}

/// A compressed part.
pub(super) struct Packed {
    pub(super) bytes: mongoark_dump_format::Result<Vec<u8>>,
    /// Held until the part is written.
    pub(super) _share: Option<Share>,
}

/// The pool that compresses.
pub(super) type Packer = Pool<PackJob, Packed>;
/// A part under way.
pub(super) type Packing = oneshot::Receiver<Packed>;

pub(super) fn start(threads: usize, buffers: &Buffers) -> Packer {
    let buffers = buffers.clone();
    Pool::start(threads, move || {
        let (mut compressor, mut scratch, buffers) = (Compressor::new(), Vec::new(), buffers.clone());
        move |job: PackJob| {
            scratch.clear();
            // What waits to be written takes no more than its length.
            let packed = compressor.member(&job.bytes, &mut scratch).map(|()| scratch.as_slice().to_vec());
            if job.share.is_some() {
                buffers.give(job.bytes);
            }
            Packed { bytes: packed, _share: job.share }
        }
    })
}
