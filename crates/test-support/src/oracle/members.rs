//! What the members of a set have otherwise than each other, by dbHash.

use std::time::{Duration, Instant};

use bson::{Document, Timestamp, doc};
use mongodb::Client;

use super::session::patiently;
use crate::ReplicaSet;

/// Until the slowest member has caught up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until every member has all that was written up to this time, and compares these databases by dbHash: a line
/// for each collection of a member that differs from the first member's.
///
/// # Panics
/// When a member does not catch up.
pub async fn differences_between_members(
    set: &ReplicaSet,
    databases: &[String],
    until: Timestamp,
) -> Vec<String> {
    let mut lines = Vec::new();
    let mut first = Vec::new();
    for member in 0..set.member_count() {
        let client = set.member_client(member).await;
        catch_up(&client, until).await;
        for (index, database) in databases.iter().enumerate() {
            let hashes = hashes(&client, database).await;
            if member == 0 {
                first.push(hashes);
                continue;
            }
            let names = first[index]
                .keys()
                .chain(hashes.keys())
                .filter(|name| first[index].get(name) != hashes.get(name));
            lines.extend(names.map(|name| format!("member {member} has another {database}.{name}")));
        }
    }
    lines
}

async fn catch_up(client: &Client, until: Timestamp) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let applied = patiently(|| async {
            client.database("admin").run_command(doc! { "replSetGetStatus": 1 }).await
        })
        .await;
        let optimes =
            applied.get_document("optimes").and_then(|optimes| optimes.get_document("appliedOpTime"));
        let applied = optimes.and_then(|optime| optime.get_timestamp("ts")).expect("the time of a member");
        if applied >= until {
            return;
        }
        assert!(Instant::now() < deadline, "a member is at {applied} and does not reach {until}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn hashes(client: &Client, database: &str) -> Document {
    let ask = || async { client.database(database).run_command(doc! { "dbHash": 1 }).await };
    let reply = patiently(ask).await;
    reply.get_document("collections").expect("the hashes of collections").clone()
}
