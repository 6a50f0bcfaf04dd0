//! How long to try again while a connection is broken, a server restarts or a replica set elects a primary.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long work is tried again, milliseconds: a user's patience is one for all that a program does.
static LIMIT_MS: AtomicU64 = AtomicU64::new(60_000);
/// How often anything was tried again.
static RETRIES: AtomicU64 = AtomicU64::new(0);
/// The first wait; each next one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The attempts of one piece of work.
#[derive(Debug, Default)]
pub struct Patience {
    attempts: u32,
    since: Option<Instant>,
}

impl Patience {
    /// From now on work is tried again for so long after its first failure; a minute unless something else is said. An
    /// election with default settings takes 10 to 12 seconds.
    pub fn set_limit(limit: Duration) {
        LIMIT_MS.store(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How often anything was tried again, by all that this program does.
    pub fn retries() -> u64 {
        RETRIES.load(Ordering::Relaxed)
    }

    /// Waits before the next attempt; the failure itself once the time is over, or where somebody has waited for as long
    /// already.
    pub async fn wait(&mut self, failure: Error) -> Result<()> {
        if failure.is_final() {
            return Err(failure);
        }
        if self.pause().await { Ok(()) } else { Err(failure.finally()) }
    }

    /// Waits before the next attempt; false once the time is over.
    pub async fn pause(&mut self) -> bool {
        let limit = Duration::from_millis(LIMIT_MS.load(Ordering::Relaxed));
        let left = limit.saturating_sub(self.since.get_or_insert_with(Instant::now).elapsed());
        if left.is_zero() {
            return false;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.attempts.min(16)).min(WAIT_MAX).min(left);
        self.attempts += 1;
        RETRIES.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(wait).await;
        true
    }

    /// Whether there was more than one attempt.
    pub(crate) fn was_needed(&self) -> bool {
        self.attempts > 0
    }
}
