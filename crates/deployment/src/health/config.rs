//! The configuration of a replica set: what its members are meant to be.

use super::Health;
use crate::command;
use crate::error::{Error, Result};
use bson::{Bson, Document, doc};
use std::time::Duration;

/// The configuration of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct SetConfig {
    /// Its members.
    pub members: Vec<MemberConfig>,
    /// Whether a majority's acknowledgement means that it has journaled.
    pub majority_journal: bool,
}

/// A member as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberConfig {
    /// `host:port`.
    pub address: String,
    /// Its priority in elections.
    pub priority: f64,
    /// Whether it votes.
    pub votes: bool,
    /// Whether clients are not told of it.
    pub hidden: bool,
    /// Whether it has no data.
    pub arbiter: bool,
    /// How far it is meant to be behind.
    pub delay: Duration,
}

impl Health {
    /// The set's configuration, for which the user needs role `clusterMonitor`.
    pub async fn configuration(&self) -> Result<SetConfig> {
        let reply = command::ask(&self.seed, "admin", doc! { "replSetGetConfig": 1 }).await?;
        let config = reply.get_document("config");
        let config =
            config.map_err(|error| Error::reply("read the set's configuration", error.to_string()))?;
        let members = config.get_array("members").into_iter().flatten();
        Ok(SetConfig {
            members: members.filter_map(|member| member_config(member.as_document()?)).collect(),
            majority_journal: config.get_bool("writeConcernMajorityJournalDefault").unwrap_or(true),
        })
    }
}

fn member_config(member: &Document) -> Option<MemberConfig> {
    let is = |key: &str| member.get_bool(key).unwrap_or(false);
    // Servers before 5.0 know it by its old name.
    let delay = number(member, "secondaryDelaySecs").max(number(member, "slaveDelay"));
    Some(MemberConfig {
        address: member.get_str("host").ok()?.to_owned(),
        priority: number(member, "priority"),
        votes: number(member, "votes") > 0.0,
        hidden: is("hidden"),
        arbiter: is("arbiterOnly"),
        delay: Duration::try_from_secs_f64(delay).unwrap_or_default(),
    })
}

/// A number of any type; zero where there is none.
pub(super) fn number(document: &Document, key: &str) -> f64 {
    match document.get(key) {
        Some(Bson::Double(number)) => *number,
        Some(Bson::Int32(number)) => f64::from(*number),
        Some(Bson::Int64(number)) => *number as f64,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_member_is_read_under_both_names_of_its_delay() {
        let member = doc! { "host": "h:1", "priority": 0, "votes": 1, "hidden": true, "arbiterOnly": false };
        for (key, delay) in [("slaveDelay", Bson::Int64(3600)), ("secondaryDelaySecs", Bson::Double(3600.0))]
        {
            let mut member = member.clone();
            member.insert(key, delay);
            let read = member_config(&member).expect("a member");
            assert_eq!(read.delay, Duration::from_secs(3600));
            assert!(read.votes && read.hidden && !read.arbiter);
        }
        assert_eq!(member_config(&doc! { "priority": 1 }), None);
    }
}
