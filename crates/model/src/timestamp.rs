//! A place in the oplog.

use std::fmt;

/// The time of an oplog entry: no two entries of a replica set share one, and later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since 1970.
    pub seconds: u32,
    /// Counts the entries of a second, from 1.
    pub increment: u32,
}

impl Timestamp {
    /// The timestamp of these parts.
    pub fn new(seconds: u32, increment: u32) -> Self {
        Self { seconds, increment }
    }

    /// The least timestamp that is later.
    /// The least timestamp that is later.
    #[must_use]
    pub fn next(self) -> Self {
        match self.increment.checked_add(1) {
            Some(increment) => Self { increment, ..self },
            None => Self { seconds: self.seconds.saturating_add(1), increment: 0 },
        }
    }
}

impl From<(u32, u32)> for Timestamp {
    fn from((seconds, increment): (u32, u32)) -> Self {
        Self { seconds, increment }
    }
}

impl From<bson::Timestamp> for Timestamp {
    fn from(timestamp: bson::Timestamp) -> Self {
        Self { seconds: timestamp.time, increment: timestamp.increment }
    }
}

impl From<Timestamp> for bson::Timestamp {
    fn from(timestamp: Timestamp) -> Self {
        Self { time: timestamp.seconds, increment: timestamp.increment }
    }
}

impl fmt::Display for Timestamp {
    /// `seconds:increment`, as `--oplogLimit` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seconds, self.increment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_come_before_increments() {
        assert!(Timestamp::new(1, 9) < Timestamp::new(2, 1));
        assert!(Timestamp::new(2, 1) < Timestamp::new(2, 2));
        assert_eq!(Timestamp::new(2, 1).to_string(), "2:1");
        assert_eq!(Timestamp::new(2, 1).next(), Timestamp::new(2, 2));
        assert_eq!(Timestamp::new(2, u32::MAX).next(), Timestamp::new(3, 0));
    }
}
