//! Until when a run may write: another run that takes over waits for that time, and a run that was cut off or stood still does not
//! write behind it.

use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Between two looks at a lease that has run out.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The right to write for a while, renewed each time the run is known to be the one that writes. Clones share it.
#[derive(Clone)]
pub struct Lease {
    since: Instant,
    length: Duration,
    /// Milliseconds after `since`.
    until: Arc<AtomicU64>,
    is_lost: Arc<AtomicBool>,
    /// Whether nobody wants to wait any more.
    stops: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Lease {
    /// One that will hold for this long each time it is renewed; not before the first. Who waits for it gives up once it `stops`.
    pub fn new(length: Duration, stops: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            since: Instant::now(),
            length,
            until: Arc::new(AtomicU64::new(0)),
            is_lost: Arc::new(AtomicBool::new(false)),
            stops: Arc::new(stops),
        }
    }

    /// Holds on from the moment at which it was asked whether this run is still the one that writes.
    pub fn renew(&self, asked: Instant) {
        let until = asked.duration_since(self.since).saturating_add(self.length);
        let until = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.until.fetch_max(until, Ordering::SeqCst);
    }

    /// Another run writes from now on.
    pub fn lose(&self) {
        self.is_lost.store(true, Ordering::SeqCst);
    }

    /// Waits while it is not known whether this run may still write; an error once it may not.
    pub(crate) async fn hold(&self) -> Result<()> {
        loop {
            if self.is_lost.load(Ordering::SeqCst) {
                return Err(Error::new(
                    ErrorKind::Fenced,
                    "write to the target",
                    "another run has taken over",
                ));
            }
            let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            if now < self.until.load(Ordering::SeqCst) {
                return Ok(());
            }
            if (self.stops)() {
                return Err(Error::new(ErrorKind::Fenced, "write to the target", "interrupted"));
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lease_that_has_run_out_holds_writes_up_until_it_is_renewed_or_lost() {
        let lease = Lease::new(Duration::from_millis(30), || false);
        lease.renew(Instant::now());
        lease.hold().await.unwrap();
        sleep(Duration::from_millis(40)).await;
        let other = lease.clone();
        let renewed = tokio::spawn(async move {
            sleep(Duration::from_millis(50)).await;
            other.renew(Instant::now());
        });
        let since = Instant::now();
        lease.hold().await.unwrap();
        assert!(since.elapsed() >= Duration::from_millis(40), "nothing was written meanwhile");
        renewed.await.unwrap();
        lease.lose();
        assert_eq!(lease.hold().await.unwrap_err().kind(), ErrorKind::Fenced);
        assert!(Lease::new(Duration::MAX, || true).hold().await.is_err(), "it never held");
    }
}
