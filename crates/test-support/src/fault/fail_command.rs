//! Fail points of the server, above all `failCommand`: a named command fails, waits, or loses its connection.

use std::time::Duration;

use bson::{Bson, Document, doc};
use mongodb::Client;

/// Which commands fail, how, and how often.
///
/// A fail point belongs to one server: enable it through a client of that member, or through a client of the set
/// for the member that is primary at that moment.
#[derive(Clone, Debug)]
#[must_use = "nothing fails until `enable` is called"]
pub struct FailCommand {
    mode: Bson,
    data: Document,
}

impl FailCommand {
    /// These commands; without anything else said they close the connection or fail with nothing, so say how.
    pub fn new<'a>(commands: impl IntoIterator<Item = &'a str>) -> Self {
        let commands: Vec<&str> = commands.into_iter().collect();
        Self { mode: "alwaysOn".into(), data: doc! { "failCommands": commands } }
    }

    /// The command fails with this error before it does anything.
    pub fn error_code(self, code: i32) -> Self {
        self.with("errorCode", code)
    }

    /// Labels of that error, such as `RetryableWriteError`.
    pub fn error_labels<'a>(self, labels: impl IntoIterator<Item = &'a str>) -> Self {
        let labels: Vec<&str> = labels.into_iter().collect();
        self.with("errorLabels", labels)
    }

    /// The command is carried out and then reports this write concern error.
    pub fn write_concern_error(self, code: i32, message: &str) -> Self {
        self.with("writeConcernError", doc! { "code": code, "errmsg": message })
    }

    /// The connection is closed instead of an answer.
    pub fn close_connection(self) -> Self {
        self.with("closeConnection", true)
    }

    /// The command waits this long first.
    pub fn block(self, time: Duration) -> Self {
        let milliseconds = i64::try_from(time.as_millis()).expect("a time in milliseconds");
        self.with("blockConnection", true).with("blockTimeMS", milliseconds)
    }

    /// Only commands of clients that call themselves so (`appName`).
    pub fn app_name(self, name: &str) -> Self {
        self.with("appName", name)
    }

    /// Only commands on this namespace, `database.collection`.
    pub fn namespace(self, namespace: &str) -> Self {
        self.with("namespace", namespace)
    }

    /// The next `times` commands, instead of all until disabled.
    pub fn times(mut self, times: i32) -> Self {
        self.mode = doc! { "times": times }.into();
        self
    }

    /// All after the next `count` commands.
    pub fn after(mut self, count: i32) -> Self {
        self.mode = doc! { "skip": count }.into();
        self
    }

    /// Makes the server that `client` reaches fail so.
    pub async fn enable(&self, client: &Client) {
        set_fail_point(client, "failCommand", self.mode.clone(), self.data.clone()).await;
    }

    /// Ends it.
    pub async fn disable(client: &Client) {
        clear_fail_point(client, "failCommand").await;
    }

    fn with(mut self, field: &str, value: impl Into<Bson>) -> Self {
        self.data.insert(field, value);
        self
    }
}

/// Sets any fail point of the server by name; the mode is `"alwaysOn"`, `{times: n}` or `{skip: n}`.
pub async fn set_fail_point(client: &Client, name: &str, mode: impl Into<Bson>, data: Document) {
    let command = doc! { "configureFailPoint": name, "mode": mode.into(), "data": data };
    let answer = client.database("admin").run_command(command).await;
    answer.unwrap_or_else(|error| panic!("cannot set the fail point {name}: {error}"));
}

/// Ends a fail point.
pub async fn clear_fail_point(client: &Client, name: &str) {
    set_fail_point(client, name, "off", doc! {}).await;
}
