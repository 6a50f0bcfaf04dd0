//! A replica set whose oplog is captured, and a server that it is replayed onto.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, reason = "each file of tests uses a part of this")]

use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use mongoark_deployment::{ConnectionString, Target, TargetOptions, indexes};
use mongoark_engine::replay::{IndexCatalog, ReplayOptions, Replayed, replay};
use mongoark_engine::{Error, Stop};
use mongoark_model::Timestamp;
use mongoark_monitor::Monitor;
use mongoark_test_support::compare::{self, Options};
use mongoark_test_support::{ReplicaSet, Server};
use mongodb::Client;

/// A replica set of one member, from which entries are captured that come after its start.
pub struct Recorder {
    set: ReplicaSet,
    pub client: Client,
    from: bson::Timestamp,
}

impl Recorder {
    pub async fn start(version: &str) -> Self {
        let set =
            ReplicaSet::builder().oplog_mb(300).wired_tiger_cache_gb(1.0).version(version).start().await;
        let client = set.client().await;
        // The first user makes the server note its schema, which no replay can do.
        run(
            &client,
            "first",
            [doc! { "createUser": "first", "pwd": "secret", "roles": [] }, doc! { "dropUser": "first" }],
        )
        .await;
        let from = last(&client).await;
        Self { set, client, from }
    }

    /// The address of the set.
    pub fn uri(&self) -> String {
        self.set.uri()
    }

    /// Forgets what was recorded.
    pub async fn forget(&mut self) {
        self.from = last(&self.client).await;
    }

    /// The newest entry's time.
    pub async fn now(&self) -> Timestamp {
        last(&self.client).await.into()
    }

    /// All entries since the start.
    pub async fn entries(&self) -> Vec<Vec<u8>> {
        let oplog = self.client.database("local").collection::<RawDocumentBuf>("oplog.rs");
        let cursor = oplog.find(doc! { "ts": { "$gt": self.from } }).await.unwrap();
        let entries: Vec<RawDocumentBuf> = cursor.try_collect().await.unwrap();
        entries.into_iter().map(RawDocumentBuf::into_bytes).collect()
    }
}

async fn last(client: &Client) -> bson::Timestamp {
    let oplog = client.database("local").collection::<Document>("oplog.rs");
    let newest = oplog.find_one(doc! {}).sort(doc! { "$natural": -1 }).await.unwrap().unwrap();
    newest.get_timestamp("ts").unwrap()
}

/// A server of its own to replay onto.
pub struct Stage {
    pub server: Server,
    pub client: Client,
    pub target: Target,
}

impl Stage {
    pub async fn start(version: &str) -> Self {
        let server = Server::builder().wired_tiger_cache_gb(1.0).version(version).start().await;
        let client = server.client().await;
        let target = target(&server.uri()).await;
        Self { server, client, target }
    }

    /// Replays with these options; the indexes come back unbuilt.
    pub async fn replay_with(
        &self,
        entries: &[Vec<u8>],
        options: &ReplayOptions,
        indexes: &mut IndexCatalog,
    ) -> Result<Replayed, Error> {
        replay_onto(&self.target, entries, options, indexes).await
    }

    /// Replays all and builds the indexes.
    pub async fn replay(&self, entries: &[Vec<u8>]) -> Result<Replayed, Error> {
        let mut catalog = IndexCatalog::new();
        let replayed = self.replay_with(entries, &ReplayOptions::default(), &mut catalog).await?;
        build(&self.target, catalog).await;
        Ok(replayed)
    }

    /// A line for everything that is otherwise here than on `source`.
    pub async fn differences(&self, source: &Client) -> Vec<String> {
        let expected = compare::capture(source).await.unwrap();
        let found = compare::capture(&self.client).await.unwrap();
        expected.differences(&found, &Options::default())
    }
}

pub async fn target(uri: &str) -> Target {
    Target::connect(&ConnectionString::new(uri), &TargetOptions::default()).await.unwrap()
}

pub async fn replay_onto(
    target: &Target,
    entries: &[Vec<u8>],
    options: &ReplayOptions,
    indexes: &mut IndexCatalog,
) -> Result<Replayed, Error> {
    let (sender, receiver) = async_channel::bounded(2);
    // Messages of several documents, as a reader of a file makes them.
    let messages: Vec<Vec<u8>> = entries.chunks(7).map(<[Vec<u8>]>::concat).collect();
    let feeding = tokio::spawn(async move {
        for message in messages {
            if sender.send(Ok(message)).await.is_err() {
                return;
            }
        }
    });
    let replayed = replay(target, receiver, options, indexes, &Monitor::silent(), &Stop::default()).await;
    feeding.await.unwrap();
    replayed
}

/// Builds what a restore would build after the replay.
pub async fn build(target: &Target, catalog: IndexCatalog) {
    for (namespace, collection) in catalog {
        let specs: Vec<RawDocumentBuf> =
            collection.specs.into_iter().filter(|spec| !indexes::is_default_id(spec)).collect();
        if !specs.is_empty() {
            target.build_indexes(&namespace, &specs, collection.collated).await.unwrap();
        }
    }
}

/// Runs commands on a database, one after the other.
pub async fn run(client: &Client, db: &str, commands: impl IntoIterator<Item = Document>) {
    for command in commands {
        let shown = command.to_string();
        let reply = client.database(db).run_command(command).await;
        let reply = reply.unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert!(!reply.contains_key("writeErrors"), "{shown}: {reply}");
    }
}
