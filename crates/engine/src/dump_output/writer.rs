//! The one thread that touches files: it takes slots in their order and appends what they bring.

use super::pack::Packing;
use super::sinks::Sinks;
use crate::pool::{Buffers, Share};
use crate::{Error, Result};
use mongoark_monitor::Monitor;
use std::path::PathBuf;
use std::thread;
use tokio::sync::oneshot;

/// What the thread does next. A file is known by the number that its opener gave it.
pub(super) enum Slot {
    /// Creates a file, and the folders above it.
    Open { file: usize, path: PathBuf },
    /// Appends these bytes.
    Plain { file: usize, bytes: Vec<u8>, share: Option<Share> },
    /// Appends what the pool makes.
    Packed { file: usize, packing: Packing },
    /// Empties a file.
    Empty { file: usize },
    /// Closes a file.
    Close { file: usize },
    /// Tells that all before it is written.
    Reached(oneshot::Sender<()>),
}

/// The entrance of the thread's queue. What it holds is bounded by the budget that its slots have shares of.
pub(super) type Queue = async_channel::Sender<Slot>;
/// The thread; it gives back the number of bytes written.
pub(super) type Writing = thread::JoinHandle<Result<u64>>;

/// Starts the thread.
pub(super) fn start(sinks: Sinks, buffers: &Buffers, monitor: &Monitor) -> (Queue, Writing) {
    let (queue, slots) = async_channel::unbounded();
    let (buffers, monitor) = (buffers.clone(), monitor.clone());
    let writing = thread::spawn(move || {
        let mut sinks = sinks;
        let written = write_all(&mut sinks, &slots, &buffers, &monitor);
        if written.is_err() {
            // What still waits holds shares of the budget that readers wait for.
            slots.close();
            while slots.try_recv().is_ok() {}
        }
        written.map(|()| sinks.written())
    });
    (queue, writing)
}

/// Takes slots until the queue is closed and empty.
fn write_all(
    sinks: &mut Sinks,
    slots: &async_channel::Receiver<Slot>,
    buffers: &Buffers,
    monitor: &Monitor,
) -> Result<()> {
    while let Ok(slot) = slots.recv_blocking() {
        let before = sinks.written();
        match slot {
            Slot::Open { file, path } => sinks.create(file, &path)?,
            Slot::Plain { file, bytes, share } => {
                sinks.append(file, &bytes)?;
                if share.is_some() {
                    buffers.give(bytes);
                }
            }
            Slot::Packed { file, packing } => {
                let packed = packing.blocking_recv().map_err(|_| Error::PipelineClosed("the compression"))?;
                let bytes = packed.bytes.map_err(|source| sinks.not_packed(file, source))?;
                sinks.append(file, &bytes)?;
            }
            Slot::Empty { file } => sinks.empty(file)?,
            Slot::Close { file } => sinks.close(file)?,
            // Who waited may be gone.
            Slot::Reached(told) => _ = told.send(()),
        }
        monitor.add_archive_bytes(sinks.written() - before);
    }
    sinks.close_all()
}
