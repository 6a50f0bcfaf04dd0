//! Entries that make an oplog worthless for a restore: what they stand for cannot be done again.

use crate::class::command_name;
use crate::entry::{Entry, Op};
use crate::error::Result;
use mongoark_bson_bytes as bytes;
use std::fmt;

/// The collections in which a server keeps the state of a resharding.
const RESHARDING: [&str; 3] =
    ["reshardingOperations", "localReshardingOperations.donor", "localReshardingOperations.recipient"];

/// Why an entry may be neither dumped nor replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A write to `admin.system.version`: the feature compatibility version or the schema of the users changed.
    VersionChanged,
    /// A collection came with its files from another server.
    CollectionImported,
    /// A collection's shard key changed.
    Resharding,
    /// A time series changed between its forms of 8.x and 9.0.
    TimeSeriesConverted,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VersionChanged => "admin.system.version is modified",
            Self::CollectionImported => "a collection is imported",
            Self::Resharding => "a collection is resharded",
            Self::TimeSeriesConverted => "a time series changes its format between servers 8.x and 9.0",
        })
    }
}

impl Entry<'_> {
    /// Why this entry, or an operation inside it, may be neither dumped nor replayed.
    pub fn refusal(&self) -> Result<Option<Refusal>> {
        let (flat, _) = self.flatten()?;
        for entry in &flat {
            if let Some(refusal) = entry.own_refusal()? {
                return Ok(Some(refusal));
            }
        }
        Ok(None)
    }

    pub(crate) fn own_refusal(&self) -> Result<Option<Refusal>> {
        if self.namespace == "admin.system.version" && self.op != Op::Nothing {
            return Ok(Some(Refusal::VersionChanged));
        }
        if self.op != Op::Command {
            return Ok(None);
        }
        Ok(match command_name(self.object)? {
            "importCollection" => Some(Refusal::CollectionImported),
            "upgradeDowngradeViewlessTimeseries" => Some(Refusal::TimeSeriesConverted),
            "create" if self.db() == "config" => {
                let name = bytes::get(self.object, "create")?.and_then(|name| name.as_str());
                name.is_some_and(|name| RESHARDING.contains(&name)).then_some(Refusal::Resharding)
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    #[test]
    fn refusals_are_found_at_every_level() {
        let cases = [
            (rawdoc! { "op": "u", "ns": "admin.system.version", "o": {} }, Some(Refusal::VersionChanged)),
            (
                rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "importCollection": "d.c" } },
                Some(Refusal::CollectionImported),
            ),
            (
                rawdoc! { "op": "c", "ns": "config.$cmd", "o": { "create": "reshardingOperations" } },
                Some(Refusal::Resharding),
            ),
            (rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "create": "reshardingOperations" } }, None),
            (
                rawdoc! { "op": "c", "ns": "d.$cmd", "o": { "upgradeDowngradeViewlessTimeseries": "c" } },
                Some(Refusal::TimeSeriesConverted),
            ),
            (rawdoc! { "op": "n", "ns": "admin.system.version" }, None),
        ];
        for (entry, expected) in cases {
            assert_eq!(Entry::parse(entry.as_bytes()).unwrap().refusal().unwrap(), expected, "{entry:?}");
            let around = rawdoc! { "op": "c", "ns": "admin.$cmd", "o": { "applyOps": [entry] } };
            assert_eq!(Entry::parse(around.as_bytes()).unwrap().refusal().unwrap(), expected);
        }
    }
}
