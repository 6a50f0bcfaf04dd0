//! The side that is read: finds out the deployment's shape, chooses a member, and pins a client
//! to it for the whole run.

use crate::command;
use crate::connection::Connection;
use crate::connection_options::ConnectionOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::member::{Candidate, MemberRole, ReadMode, ReadPreference, choose, lag_ms};
use crate::oplog;
use crate::patience::Patience;
use crate::uri::ConnectionString;
use bson::{Document, doc};
use futures_util::future::join_all;
use mongoark_model::{DeploymentInfo, MemberChoice, TopologyKind};
use mongodb::Client;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How long a member may take to say how it is before it is passed over.
pub(crate) const MEMBER_TIMEOUT: Duration = Duration::from_secs(5);

/// How to choose what is read.
#[derive(Clone, Debug)]
pub struct SourceOptions {
    /// In place of the connection string's read preference.
    pub read_preference: Option<ReadPreference>,
    /// Overrides the mode of whichever read preference there is; its tags and staleness stay.
    pub read_mode: Option<ReadMode>,
    /// The mode where nothing says one.
    pub otherwise: ReadMode,
    /// The member to read, by its address, if it can be read; whatever the preference.
    pub member: Option<String>,
    /// A secondary that is further behind comes last, whatever its priority; nothing: lag decides only between equals.
    pub lag_max: Option<Duration>,
}

/// How far a member may be behind unless told otherwise. A secondary that keeps up is less than ten seconds behind, one that
/// is delayed on purpose an hour or so; a minute lets a busy one lag for a while.
pub const LAG_MAX: Duration = Duration::from_secs(60);

impl Default for SourceOptions {
    /// secondaryPreferred, unless the connection string says something else.
    fn default() -> Self {
        Self {
            read_preference: None,
            read_mode: None,
            otherwise: ReadMode::SecondaryPreferred,
            member: None,
            lag_max: Some(LAG_MAX),
        }
    }
}

/// One life of a member: from its start, or its last rollback, to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incarnation {
    /// What its process calls itself.
    pub process: Option<[u8; 12]>,
    /// Grows with every rollback; nothing where the user may not read the oplog.
    pub rollback_id: Option<i32>,
}

/// A deployment to read from, pinned to one member.
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) client: Client,
    info: DeploymentInfo,
    way: Arc<Way>,
    /// What could not be learnt, for the report.
    pub unknowns: Vec<String>,
}

/// How another member of the same deployment is reached.
#[derive(Debug)]
struct Way {
    connection: Connection,
    preference: ReadPreference,
    lag_max: Option<Duration>,
    /// The members that have data, by address, with their priorities where these are known; none where one server is spoken to
    /// alone.
    members: Vec<(String, Option<f64>)>,
}

impl Source {
    /// Connects, learns the topology and pins a member.
    pub async fn connect(uri: &ConnectionString, options: &SourceOptions) -> Result<Self> {
        Self::through(&Connection::new(&ConnectionOptions::native(uri)).await?, options).await
    }

    /// Learns the topology and pins a member.
    pub async fn through(connection: &Connection, options: &SourceOptions) -> Result<Self> {
        Self::open(connection, options).await
    }

    async fn open(connection: &Connection, options: &SourceOptions) -> Result<Self> {
        let seed = connection.client()?;
        let hello = first_hello(&seed).await.map_err(|error| error.doing(connection.action()))?;
        let topology = topology(&hello);
        let mut unknowns = Vec::new();
        let is_set = matches!(topology, TopologyKind::ReplicaSet(_)) && !connection.is_direct();
        let members = if is_set { members(&seed, &hello, &mut unknowns).await } else { Vec::new() };
        let preference = preference(connection, options);
        let way =
            Arc::new(Way { connection: connection.clone(), preference, lag_max: options.lag_max, members });
        let (client, member) = if is_set {
            way.pin(&topology, options.member.as_deref(), &mut unknowns).await?
        } else {
            let address = hello.get_str("me").map_or_else(|_| connection.first_host(), ToOwned::to_owned);
            (seed, MemberChoice::new(address, "the server of the connection string"))
        };
        let info = describe(&client, topology, member, &mut unknowns).await?;
        Ok(Self { client, info, way, unknowns })
    }

    /// The members of the set that can be read now, in the order in which the read preference has them; of what is
    /// no set, or reached directly, the server itself. Those that do not answer are named with the reason.
    pub async fn candidates(&self) -> (Vec<MemberChoice>, Vec<String>) {
        if self.way.members.is_empty() {
            return (vec![self.info.member.clone()], Vec::new());
        }
        let (mut candidates, unknowns) = self.way.ask_all(&self.info.topology).await;
        let mut unknowns: Vec<String> =
            unknowns.into_iter().map(|(address, why)| format!("{address}: {why}")).collect();
        let mut choices = Vec::new();
        let newest = candidates.clone();
        while let Ok(chosen) = choose(&candidates, &self.way.preference, self.way.lag_max) {
            let address = candidates.remove(chosen.place).address;
            let lag_seconds = lag_seconds(&newest, &address);
            choices.push(MemberChoice { address, reason: chosen.reason, lag_seconds });
        }
        let refused =
            candidates.iter().map(|it| format!("{}: the read preference does not admit it", it.address));
        unknowns.extend(refused);
        (choices, unknowns)
    }

    /// The same deployment, read from this member of it.
    pub async fn at(&self, member: MemberChoice) -> Result<Self> {
        let connection = &self.way.connection;
        let client = if self.way.members.is_empty() {
            connection.client()?
        } else {
            connection.direct_client(&member.address, None)?
        };
        let mut unknowns = Vec::new();
        let info = describe(&client, self.info.topology.clone(), member, &mut unknowns).await?;
        Ok(Self { client, info, way: Arc::clone(&self.way), unknowns })
    }

    /// What tells whether the member's record ids, and so the places of scans, are those that they were: a member of a set
    /// that was restarted or rolled back applies its last writes anew, and documents get other ids. Nothing for others,
    /// which keep theirs.
    pub async fn incarnation(&self) -> Result<Option<Incarnation>> {
        if !matches!(self.info.topology, TopologyKind::ReplicaSet(_)) {
            return Ok(None);
        }
        let hello = first_hello(&self.client).await?;
        let process =
            hello.get_document("topologyVersion").and_then(|version| version.get_object_id("processId"));
        let rollback_id = match oplog::position(self).await {
            Ok(position) => Some(position.rollback_id),
            Err(error) if error.may_pass() => return Err(error),
            // Not every user may read it, and not every service lets it be read: a dump without the oplog needs neither.
            Err(_) => None,
        };
        Ok(Some(Incarnation { process: process.ok().map(|process| process.bytes()), rollback_id }))
    }

    /// What is known of the deployment.
    pub fn info(&self) -> &DeploymentInfo {
        &self.info
    }
}

/// The first answer of a deployment. A connection that breaks is made again; a server that is not there is not waited for.
pub(crate) async fn first_hello(client: &Client) -> Result<Document> {
    let mut patience = Patience::default();
    loop {
        match hello(client).await {
            Err(error) if error.is_passing() => patience.wait(error).await?,
            answer => return answer,
        }
    }
}

pub(crate) async fn hello(client: &Client) -> Result<Document> {
    match command::ask(client, "admin", doc! { "hello": 1 }).await {
        // Servers before 4.4.2 know it by its old name.
        Err(error) if error.is_code(59) => command::ask(client, "admin", doc! { "isMaster": 1 }).await,
        other => other,
    }
}

pub(crate) fn topology(hello: &Document) -> TopologyKind {
    if let Ok(name) = hello.get_str("setName") {
        TopologyKind::ReplicaSet(name.to_owned())
    } else if hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid") {
        TopologyKind::Sharded
    } else {
        TopologyKind::Standalone
    }
}

fn preference(connection: &Connection, options: &SourceOptions) -> ReadPreference {
    let stated = options.read_preference.clone().or_else(|| connection.read_preference());
    let mut preference = stated.unwrap_or_else(|| ReadPreference::new(options.otherwise));
    preference.mode = options.read_mode.unwrap_or(preference.mode);
    preference
}

impl Way {
    /// Asks every member how it is, chooses one, and connects to it alone. `first` is taken if it can be read.
    async fn pin(
        &self,
        topology: &TopologyKind,
        first: Option<&str>,
        unknowns: &mut Vec<String>,
    ) -> Result<(Client, MemberChoice)> {
        let (candidates, passed_over) = self.ask_all(topology).await;
        let told =
            passed_over.iter().map(|(address, why)| format!("member {address} was passed over: {why}"));
        unknowns.extend(told);
        let is_there = first.is_some_and(|first| candidates.iter().any(|it| it.address == first));
        let (address, reason) = if let Some(first) = first.filter(|_| is_there) {
            (first.to_owned(), "it was read before".to_owned())
        } else {
            let chosen = choose(&candidates, &self.preference, self.lag_max)
                .map_err(|refusal| Error::new(ErrorKind::Unreachable, "choose a member to read", refusal))?;
            (candidates[chosen.place].address.clone(), chosen.reason)
        };
        let lag_seconds = lag_seconds(&candidates, &address);
        let member = MemberChoice { address, reason, lag_seconds };
        Ok((self.connection.direct_client(&member.address, None)?, member))
    }

    /// The members that can be read now; those that do not answer or are in no state for it, with what is wrong.
    async fn ask_all(&self, topology: &TopologyKind) -> (Vec<Candidate>, Vec<(String, String)>) {
        let answers = self.members.iter().map(|(address, _)| ask(address, &self.connection));
        let (mut candidates, mut unknowns) = (Vec::new(), Vec::new());
        for ((address, priority), answer) in self.members.iter().zip(join_all(answers).await) {
            let candidate = answer.map(|answer| candidate(address, &answer, *priority, topology));
            match candidate {
                Ok(Some(candidate)) => candidates.push(candidate),
                Ok(None) => {
                    unknowns.push((address.clone(), "it is neither primary nor secondary now".to_owned()));
                }
                Err(error) => unknowns.push((address.clone(), error.to_string())),
            }
        }
        (candidates, unknowns)
    }
}

/// How far a member is behind the newest write that any of them has, seconds.
fn lag_seconds(candidates: &[Candidate], address: &str) -> Option<u64> {
    let place = candidates.iter().position(|candidate| candidate.address == address)?;
    Some(lag_ms(candidates, place) / 1000)
}

/// The members of a set, as one of them names them, with their priorities where these can be learnt.
async fn members(seed: &Client, hello: &Document, unknowns: &mut Vec<String>) -> Vec<(String, Option<f64>)> {
    let priorities = priorities(seed, unknowns).await;
    let known = |address: String| (address.clone(), priorities.get(&address).copied());
    addresses(hello).into_iter().map(known).collect()
}

/// The members that `hello` names: voting, passive, never arbiters; hidden ones are not named.
fn addresses(hello: &Document) -> Vec<String> {
    ["hosts", "passives"]
        .iter()
        .filter_map(|list| hello.get_array(list).ok())
        .flatten()
        .filter_map(|host| host.as_str().map(ToOwned::to_owned))
        .collect()
}

async fn ask(address: &str, connection: &Connection) -> Result<Document> {
    hello(&connection.direct_client(address, Some(MEMBER_TIMEOUT))?).await
}

fn candidate(
    address: &str,
    hello: &Document,
    priority: Option<f64>,
    topology: &TopologyKind,
) -> Option<Candidate> {
    let is = |key: &str| hello.get_bool(key).unwrap_or(false);
    if self::topology(hello) != *topology {
        return None;
    }
    let role = if is("isWritablePrimary") || is("ismaster") {
        MemberRole::Primary
    } else if is("secondary") {
        MemberRole::Secondary
    } else {
        return None;
    };
    let tags = hello.get_document("tags").ok();
    let tags: BTreeMap<String, String> = tags
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    let last_write_ms = hello
        .get_document("lastWrite")
        .and_then(|last| last.get_datetime("lastWriteDate"))
        .map_or(0, |date| date.timestamp_millis());
    Some(Candidate { address: address.to_owned(), role, tags, last_write_ms, priority })
}

async fn priorities(seed: &Client, unknowns: &mut Vec<String>) -> HashMap<String, f64> {
    let config = match command::read(seed, "admin", doc! { "replSetGetConfig": 1 }).await {
        Ok(config) => config,
        Err(error) => {
            unknowns.push(format!("priorities and hidden members are unknown: {error}"));
            return HashMap::new();
        }
    };
    let members = config.get_document("config").and_then(|config| config.get_array("members"));
    let member = |member: &bson::Bson| {
        let member = member.as_document()?;
        let priority = match member.get("priority")? {
            bson::Bson::Double(priority) => *priority,
            bson::Bson::Int32(priority) => f64::from(*priority),
            bson::Bson::Int64(priority) => *priority as f64,
            _ => return None,
        };
        Some((member.get_str("host").ok()?.to_owned(), priority))
    };
    members.into_iter().flatten().filter_map(member).collect()
}

async fn describe(
    client: &Client,
    topology: TopologyKind,
    member: MemberChoice,
    unknowns: &mut Vec<String>,
) -> Result<DeploymentInfo> {
    let (server_version, version) = version(client).await?;
    let fcv = match fcv(client).await {
        Ok(fcv) => fcv,
        Err(error) => {
            unknowns.push(format!("the feature compatibility version is unknown: {error}"));
            None
        }
    };
    let set_id = match topology {
        TopologyKind::ReplicaSet(_) => set_id(client).await?,
        _ => None,
    };
    if set_id.is_none() && matches!(topology, TopologyKind::ReplicaSet(_)) {
        unknowns.push("the id of the replica set is unknown".to_owned());
    }
    Ok(DeploymentInfo { topology, server_version, version, fcv, set_id, member })
}

/// The id of the set. A member tells it beside any answer to whoever asks, without a right; where it does not, the
/// configuration has it, which takes role `clusterMonitor`.
async fn set_id(client: &Client) -> Result<Option<[u8; 12]>> {
    let told = command::read(client, "admin", doc! { "ping": 1, "$replData": 1 }).await;
    if let Some(id) = answered(told)?.and_then(|reply| object_id(&reply, &["$replData"], "replicaSetId")) {
        return Ok(Some(id));
    }
    let config = command::read(client, "admin", doc! { "replSetGetConfig": 1 }).await;
    Ok(answered(config)?.and_then(|reply| object_id(&reply, &["config", "settings"], "replicaSetId")))
}

/// What a server answered; nothing where it refused.
fn answered(asked: Result<Document>) -> Result<Option<Document>> {
    match asked {
        Err(error) if error.may_pass() => Err(error),
        answer => Ok(answer.ok()),
    }
}

fn object_id(document: &Document, path: &[&str], key: &str) -> Option<[u8; 12]> {
    let found = path.iter().try_fold(document, |document, key| document.get_document(key)).ok()?;
    found.get_object_id(key).ok().map(|id| id.bytes())
}

/// The server's version as text and as numbers.
pub(crate) async fn version(client: &Client) -> Result<(String, [i32; 3])> {
    let build = command::read(client, "admin", doc! { "buildInfo": 1 }).await?;
    let text = build.get_str("version").unwrap_or("unknown").to_owned();
    let mut numbers = [0; 3];
    for (place, part) in build.get_array("versionArray").into_iter().flatten().take(3).enumerate() {
        numbers[place] = part.as_i32().unwrap_or_default();
    }
    Ok((text, numbers))
}

async fn fcv(client: &Client) -> Result<Option<String>> {
    let command = doc! { "getParameter": 1, "featureCompatibilityVersion": 1 };
    let reply = command::read(client, "admin", command).await?;
    let fcv = reply.get_document("featureCompatibilityVersion").and_then(|fcv| fcv.get_str("version"));
    Ok(fcv.ok().map(ToOwned::to_owned))
}
