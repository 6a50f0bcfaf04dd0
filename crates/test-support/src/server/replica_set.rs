//! A running replica set: its start, its members' states, their ends.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bson::{Document, doc};
use mongodb::Client;

use super::builder::{Builder, Options, write_keyfile};
use super::client::{Uri, connect, create_root, hello, wait_for};
use super::members::Members;
use super::process::Process;
use super::{Binary, Certificates, scratch};

const NAME: &str = "rs0";

/// A running replica set; dropping it ends its servers and removes their data.
///
/// The member of the highest priority (the first of several) is the primary when the set has started.
#[derive(Debug)]
pub struct ReplicaSet {
    processes: Vec<Process>,
    members: Members,
    options: Options,
    /// For each member the certificates, when started with TLS.
    certificates: Option<Certificates>,
    folder: PathBuf,
}

impl ReplicaSet {
    /// A set of one member unless told otherwise.
    pub fn builder() -> Builder<Members> {
        Builder::new(Members::default())
    }

    /// A set of one member with the settings that most tests want.
    pub async fn single() -> Self {
        Self::builder().start().await
    }

    /// A connection string that names the set and every member that is not hidden.
    pub fn uri(&self) -> String {
        self.set_uri(self.options.auth.as_ref())
    }

    /// The same without credentials.
    pub fn anonymous_uri(&self) -> String {
        self.set_uri(None)
    }

    /// A connection string for this member alone (`directConnection`), the way to reach a hidden one.
    pub fn member_uri(&self, member: usize) -> String {
        self.direct_uri(member, self.options.auth.as_ref())
    }

    /// A client of this runtime for the set.
    pub async fn client(&self) -> Client {
        connect(&self.uri()).await
    }

    /// A client of this runtime for one member.
    pub async fn member_client(&self, member: usize) -> Client {
        connect(&self.member_uri(member)).await
    }

    /// Where a member listens, `127.0.0.1:port`, its name in the set's configuration.
    pub fn address(&self, member: usize) -> String {
        self.processes[member].address()
    }

    /// How many members the set has.
    pub fn member_count(&self) -> usize {
        self.processes.len()
    }

    /// The certificates, when the set was started with TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// A member's log, gone with the set unless the test fails.
    pub fn log_path(&self, member: usize) -> PathBuf {
        self.processes[member].log_path()
    }

    /// The member that is primary now, waiting for an election if there is none.
    pub async fn primary(&self) -> usize {
        self.primary_other_than(None).await
    }

    /// Ends a member at once, as a crash would.
    pub fn kill(&mut self, member: usize) {
        self.processes[member].kill();
    }

    /// Stops a member where it is: connections stay open, nothing answers.
    pub fn pause(&self, member: usize) {
        self.processes[member].pause();
    }

    /// Lets a paused member go on.
    pub fn resume(&self, member: usize) {
        self.processes[member].resume();
    }

    /// Ends a member in order if it runs, starts it again on the same data and port, and waits until it is primary
    /// or secondary.
    pub async fn restart(&mut self, member: usize) {
        if self.processes[member].is_running() {
            self.processes[member].stop().await;
        }
        self.processes[member].start_again().await;
        self.wait_until_serving(member).await;
    }

    /// Makes the primary step down for a short time and returns the next primary: another member, or the same one
    /// again in a set that has no other candidate.
    pub async fn step_down(&self) -> usize {
        let primary = self.primary().await;
        let command = doc! { "replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 3, "force": true };
        let answer = self.member_client(primary).await.database("admin").run_command(command).await;
        answer.expect("the primary steps down");
        let others = self.candidates().filter(|member| *member != primary).count();
        self.primary_other_than((others > 0).then_some(primary)).await
    }

    /// Waits until every running member is primary or secondary, and one is primary.
    pub async fn wait_until_ready(&self) {
        self.primary().await;
        for member in 0..self.processes.len() {
            if self.processes[member].is_running() {
                self.wait_until_serving(member).await;
            }
        }
    }

    async fn wait_until_serving(&self, member: usize) {
        let client = connect(&self.direct_uri(member, None)).await;
        wait_for(&client, &self.processes[member], "primary or secondary", is_serving).await;
    }

    async fn primary_other_than(&self, not: Option<usize>) -> usize {
        let mut clients = Vec::new();
        for member in self.candidates().filter(|member| Some(*member) != not) {
            clients.push((member, connect(&self.direct_uri(member, None)).await));
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            for (member, client) in &clients {
                let asked = tokio::time::timeout(Duration::from_millis(500), hello(client)).await;
                if asked.is_ok_and(|answer| answer.is_ok_and(|answer| is_primary(&answer))) {
                    return *member;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no member became primary; the first one's log ends with:\n{}", self.processes[0].log_tail())
    }

    /// Running members that can be elected.
    fn candidates(&self) -> impl Iterator<Item = usize> {
        (0..self.processes.len())
            .filter(|member| self.members.priority(*member) > 0.0 && self.processes[*member].is_running())
    }

    fn set_uri(&self, auth: Option<&(String, String)>) -> String {
        let visible = (0..self.processes.len()).filter(|member| !self.members.hidden.contains(member));
        let hosts: Vec<String> = visible.map(|member| self.address(member)).collect();
        Uri::new(&hosts, auth, self.certificates.as_ref()).option("replicaSet", NAME).text()
    }

    fn direct_uri(&self, member: usize, auth: Option<&(String, String)>) -> String {
        let uri = Uri::new(&[self.address(member)], auth, self.certificates.as_ref());
        uri.option("directConnection", "true").text()
    }

    async fn initiate(&self) {
        let first = self.members.first_primary();
        let client = connect(&self.direct_uri(first, None)).await;
        let command = doc! { "replSetInitiate": self.configuration() };
        client.database("admin").run_command(command).await.expect("the replica set begins");
        self.elect(first, &client).await;
        if let Some(auth) = &self.options.auth {
            create_root(&client, auth, self.processes.len()).await;
        }
        self.wait_until_ready().await;
        self.checkpoint().await;
    }

    /// Servers before 6.0 that crash before their first checkpoint may forget that they belong to a set.
    async fn checkpoint(&self) {
        if Binary::find(&self.options.version).is_at_least(6, 0) {
            return;
        }
        for member in 0..self.processes.len() {
            let client = self.member_client(member).await;
            client.database("admin").run_command(doc! { "fsync": 1 }).await.expect("a checkpoint");
        }
    }

    /// Asks the member to stand for election instead of waiting for its timeout. The others vote once they have the
    /// configuration; under access control, without users yet, the request is refused and the timeout decides.
    async fn elect(&self, member: usize, client: &Client) {
        let is_only_member = self.processes.len() == 1;
        let deadline = Instant::now() + Duration::from_secs(5);
        while !is_only_member && self.options.auth.is_none() && Instant::now() < deadline {
            if client.database("admin").run_command(doc! { "replSetStepUp": 1 }).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        wait_for(client, &self.processes[member], "primary", is_primary).await;
    }

    fn configuration(&self) -> Document {
        let members: Vec<Document> = (0..self.processes.len())
            .map(|member| self.members.describe(member, &self.address(member)))
            .collect();
        let settings = doc! { "electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 100 };
        doc! { "_id": NAME, "version": 1, "members": members, "settings": settings }
    }
}

impl Drop for ReplicaSet {
    fn drop(&mut self) {
        self.processes.clear();
        scratch::release(&self.folder);
    }
}

impl Builder<Members> {
    /// Starts the members; returns when one is primary and all others are secondaries.
    ///
    /// # Panics
    /// When there is no such server or a member does not get there, with the end of its log.
    pub async fn start(self) -> ReplicaSet {
        let Self { options, kind: members } = self;
        let binary = Binary::find(&options.version);
        let folder = scratch::folder("replica-set");
        let certificates = options.certificates(&folder);
        let mut arguments = options.arguments(&binary, certificates.as_ref());
        arguments
            .extend(["--replSet", NAME, "--oplogSize", &members.oplog_mb.to_string()].map(str::to_owned));
        if options.auth.is_some() {
            let keyfile = folder.join("keyfile");
            write_keyfile(&keyfile);
            arguments.extend(["--keyFile".to_owned(), keyfile.display().to_string()]);
        }
        let starts = (0..members.count).map(|member| {
            let home = folder.join(format!("member-{member}"));
            fs::create_dir_all(&home).expect("a folder for a member");
            Process::start(&binary, home, arguments.clone())
        });
        let processes = futures_util::future::join_all(starts).await;
        let set = ReplicaSet { processes, members, options, certificates, folder };
        set.initiate().await;
        set
    }
}

fn is_primary(hello: &Document) -> bool {
    hello.get_bool("isWritablePrimary").unwrap_or(false)
}

fn is_serving(hello: &Document) -> bool {
    is_primary(hello) || hello.get_bool("secondary").unwrap_or(false)
}
