//! Connections to test servers: URIs, clients, waiting for a server's state.

use std::fmt::Write;
use std::time::{Duration, Instant};

use bson::{Document, doc};
use mongodb::Client;
use mongodb::options::ClientOptions;

use super::Certificates;
use super::process::Process;

/// Until a replica set has its primary and its secondaries, or a user may sign in.
const STATE_DEADLINE: Duration = Duration::from_secs(60);

/// A client for this URI that gives up after ten seconds without a suitable server.
pub async fn connect(uri: &str) -> Client {
    let mut options = ClientOptions::parse(uri).await.unwrap_or_else(|error| panic!("{uri}: {error}"));
    options.server_selection_timeout = Some(Duration::from_secs(10));
    Client::with_options(options).unwrap_or_else(|error| panic!("{uri}: {error}"))
}

/// A connection string under construction.
pub(super) struct Uri {
    pub(super) hosts: String,
    pub(super) auth: Option<(String, String)>,
    /// Options, each with its value.
    pub(super) options: Vec<(&'static str, String)>,
}

impl Uri {
    pub(super) fn new(
        hosts: &[String],
        auth: Option<&(String, String)>,
        certificates: Option<&Certificates>,
    ) -> Self {
        let options = certificates.map(Certificates::uri_options).unwrap_or_default();
        Self { hosts: hosts.join(","), auth: auth.cloned(), options }
    }

    pub(super) fn option(mut self, name: &'static str, value: &str) -> Self {
        self.options.push((name, value.to_owned()));
        self
    }

    pub(super) fn text(&self) -> String {
        let credentials = self.auth.as_ref().map_or_else(String::new, |(user, password)| {
            format!("{}:{}@", percent_encoded(user), percent_encoded(password))
        });
        let admin = self.auth.as_ref().map(|_| ("authSource", "admin".to_owned()));
        let options: Vec<String> = self
            .options
            .iter()
            .chain(&admin)
            .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
            .collect();
        format!("mongodb://{credentials}{}/?{}", self.hosts, options.join("&"))
    }
}

/// Creates the user that the tests sign in with, on every member; a server without users lets a loopback client do
/// that once.
pub(super) async fn create_root(client: &Client, (user, password): &(String, String), members: usize) {
    let members = i32::try_from(members).expect("a handful of members");
    let durable = doc! { "w": members, "j": true };
    let command = doc! { "createUser": user, "pwd": password, "roles": ["root"], "writeConcern": durable };
    client.database("admin").run_command(command).await.expect("the first user");
}

/// What the server says of itself.
pub(super) async fn hello(client: &Client) -> mongodb::error::Result<Document> {
    client.database("admin").run_command(doc! { "hello": 1 }).await
}

/// Asks `hello` until the answer is as wanted; fails with the end of the server's log.
pub(super) async fn wait_for(client: &Client, process: &Process, what: &str, wanted: fn(&Document) -> bool) {
    let deadline = Instant::now() + STATE_DEADLINE;
    loop {
        let answer = hello(client).await;
        if answer.as_ref().is_ok_and(wanted) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{} did not become {what}, it says {answer:?}:\n{}",
            process.address(),
            process.log_tail()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded() {
        let uri = Uri::new(&["h:1".into(), "h:2".into()], Some(&("a@b".into(), "p/:%".into())), None);
        let text = uri.option("replicaSet", "rs0").text();
        assert_eq!(text, "mongodb://a%40b:p%2F%3A%25@h:1,h:2/?replicaSet=rs0&authSource=admin");
    }
}
