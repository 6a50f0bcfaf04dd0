//! A pool of threads for work that only burns CPU: sealing and opening chunks. Results come out in
//! the order in which the caller keeps the receivers; memory is bounded by the caller's budget.

use crate::{Error, Result};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Threads that apply one function to jobs.
pub(crate) struct Pool<J, R> {
    jobs: async_channel::Sender<(J, oneshot::Sender<R>)>,
}

impl<J, R> Clone for Pool<J, R> {
    fn clone(&self) -> Self {
        Self { jobs: self.jobs.clone() }
    }
}

impl<J: Send + 'static, R: Send + 'static> Pool<J, R> {
    /// Starts `threads` threads; each makes its own worker, which keeps its scratch memory. They
    /// end when the last clone of the pool is gone.
    pub(crate) fn start<W: FnMut(J) -> R>(
        threads: usize,
        worker: impl Fn() -> W + Send + Clone + 'static,
    ) -> Self {
        let (jobs, queue) = async_channel::unbounded::<(J, oneshot::Sender<R>)>();
        for _ in 0..threads {
            let (queue, worker) = (queue.clone(), worker.clone());
            thread::spawn(move || {
                let mut work = worker();
                while let Ok((job, done)) = queue.recv_blocking() {
                    // A receiver that is gone means that the run has failed elsewhere.
                    let _ = done.send(work(job));
                }
            });
        }
        Self { jobs }
    }

    /// Hands over a job. The number of jobs under way is bounded by what they hold of a [`Budget`].
    pub(crate) fn submit(&self, job: J) -> Result<oneshot::Receiver<R>> {
        let (done, result) = oneshot::channel();
        self.jobs.try_send((job, done)).map_err(|_| Error::PipelineClosed("the thread pool"))?;
        Ok(result)
    }
}

/// How many bytes of documents may be on their way at once.
#[derive(Clone)]
pub(crate) struct Budget {
    permits: Arc<Semaphore>,
    kibibytes_max: u32,
}

/// A share of the budget; given back on drop.
pub(crate) struct Share(#[expect(dead_code, reason = "held for its Drop")] OwnedSemaphorePermit);

impl Budget {
    /// A budget of this many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let kibibytes_max = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).max(1);
        Self { permits: Arc::new(Semaphore::new(kibibytes_max as usize)), kibibytes_max }
    }

    /// Waits until `bytes` are free. A share larger than the whole budget takes all of it.
    pub(crate) async fn share(&self, bytes: usize) -> Result<Share> {
        let wanted = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).clamp(1, self.kibibytes_max);
        let permit = Arc::clone(&self.permits).acquire_many_owned(wanted).await;
        permit.map(Share).map_err(|_| Error::PipelineClosed("the memory budget"))
    }
}

/// Buffers that go round instead of being allocated anew for each chunk.
#[derive(Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// Buffers kept at most; the budget bounds how many are in use.
const BUFFERS_KEPT: usize = 32;
/// A buffer that grew beyond this for one large document is not kept.
const BUFFER_BYTES_KEPT: usize = 8 * 1024 * 1024;

impl Buffers {
    /// An empty buffer.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub(crate) fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < BUFFERS_KEPT && buffer.capacity() <= BUFFER_BYTES_KEPT {
            kept.push(buffer);
        }
    }
}

/// Threads worth starting for CPU work.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(2, std::num::NonZero::get)
}
