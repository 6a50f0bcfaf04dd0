//! How long to try again while a connection is broken or a replica set elects a primary.

use crate::error::{Error, Result};
use std::time::Duration;

/// Attempts after the first. With the waits below they last about 40 seconds, beside the time that
/// looking for a server takes: an election with default settings takes 10 to 12.
const ATTEMPTS: u32 = 9;
/// The first wait; each next one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Counts the attempts of one piece of work.
#[derive(Debug, Default)]
pub struct Patience {
    attempts: u32,
}

impl Patience {
    /// Waits before the next attempt; the failure itself once there were enough.
    pub async fn wait(&mut self, failure: Error) -> Result<()> {
        if self.attempts == ATTEMPTS {
            return Err(failure);
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.attempts).min(WAIT_MAX);
        self.attempts += 1;
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Whether there was more than one attempt.
    pub(crate) fn was_needed(&self) -> bool {
        self.attempts > 0
    }
}
