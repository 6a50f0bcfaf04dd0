//! A database that a run makes for itself: brought to disk, and away again.

use crate::command;
use crate::error::Result;
use crate::target::{Target, raw};
use mongoark_bson_bytes::Builder;

impl Target {
    /// Makes the server write to its data files what it holds in memory, so that it does not do so
    /// while something else is measured. Needs the privilege `fsync`.
    pub async fn flush(&self) -> Result<()> {
        let mut command = Builder::new();
        command.i32("fsync", 1);
        command::write(
            &self.client,
            "admin",
            raw(&mut command)?,
            "flush the server's data",
            crate::Error::may_pass,
        )
        .await
        .map(drop)
    }

    /// Drops a database with all it holds; one that does not exist is no error.
    pub async fn drop_database(&self, db: &str) -> Result<()> {
        let mut command = Builder::new();
        command.i32("dropDatabase", 1);
        self.run(db, command, &format!("drop database {db}")).await.map(drop)
    }
}
