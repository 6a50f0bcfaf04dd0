//! One standalone server and one replica set for all tests of a process, started when first asked for.
//!
//! Tests use them side by side, so each works in databases of its own ([`fresh_database_name`]). A client belongs
//! to the runtime of one test: these functions hand out connection strings, see [`connect`](super::connect).

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::OnceCell;

use super::{ReplicaSet, Server};

/// Connection string of the shared standalone server.
pub async fn standalone() -> String {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER.get_or_init(Server::standalone).await.uri()
}

/// Connection string of the shared replica set of one member.
pub async fn replica_set() -> String {
    static SET: OnceCell<ReplicaSet> = OnceCell::const_new();
    SET.get_or_init(ReplicaSet::single).await.uri()
}

/// A database name that nothing in this process has used.
pub fn fresh_database_name(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{prefix}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    assert!(name.len() < 64, "a database name holds 63 bytes, {name} is too long");
    name
}
