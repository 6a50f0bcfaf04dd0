//! The members of a replica set: what each says of itself, and what the others see of it.

use super::Health;
use super::config::{MemberConfig, SetConfig, number};
use crate::command;
use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::source::{self, MEMBER_TIMEOUT};
use bson::{Bson, Document, doc};
use futures_util::future::join_all;
use std::collections::HashMap;
use std::time::Duration;

/// How long a member has for all its answers. A server that is stopped keeps its connections open and would be waited
/// for without end.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(7);

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// It takes writes.
    Primary,
    /// It replicates and can be read.
    Secondary,
    /// It votes and has no data.
    Arbiter,
    /// It starts.
    Startup,
    /// It copies its data for the first time.
    Startup2,
    /// It has fallen behind, or repairs itself, and cannot be read.
    Recovering,
    /// It takes back writes that the set does not know.
    Rollback,
    /// It is in the configuration no more.
    Removed,
    /// Neither primary nor secondary; the user may not ask what else.
    Unready,
}

impl MemberState {
    /// The server's own word for it, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::Arbiter => "arbiter",
            Self::Startup => "startup",
            Self::Startup2 => "startup2",
            Self::Recovering => "recovering",
            Self::Rollback => "rollback",
            Self::Removed => "removed",
            Self::Unready => "unready",
        }
    }
}

/// A member of the set.
#[derive(Debug)]
pub struct Member {
    /// `host:port`, as the set names it.
    pub address: String,
    /// What it says of itself.
    pub answer: Result<Answer>,
    /// The state in which the others see it, in their words; none where the user may not ask, or they do not see it.
    pub seen: Option<String>,
    /// What it is meant to be; none where the user may not ask.
    pub config: Option<MemberConfig>,
}

/// What a member says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its state.
    pub state: MemberState,
    /// Wall time of its last write, milliseconds since 1970; none of an arbiter.
    pub last_write_ms: Option<i64>,
    /// Its version, where it told.
    pub version: Option<String>,
    /// The members that it names; hidden ones are not named.
    pub names: Vec<String>,
}

impl Health {
    /// Every member that the configuration or the server names, each asked by itself, all at once.
    pub async fn members(&self, config: Option<&SetConfig>) -> Vec<Member> {
        let mut configured: HashMap<String, MemberConfig> = HashMap::new();
        let mut addresses = named(&self.hello);
        for member in config.into_iter().flat_map(|config| &config.members) {
            if !addresses.contains(&member.address) {
                addresses.push(member.address.clone());
            }
            configured.insert(member.address.clone(), member.clone());
        }
        let mut seen = self.seen().await;
        let mut members = self.look(&addresses).await;
        for member in &mut members {
            member.seen = seen.remove(&member.address);
            member.config = configured.remove(&member.address);
        }
        members
    }

    /// These members, each asked what it is and nothing more. Needs no rights.
    pub async fn look(&self, addresses: &[String]) -> Vec<Member> {
        let arbiters = strings(&self.hello, "arbiters");
        let answers = join_all(addresses.iter().map(|address| {
            let is_arbiter = arbiters.contains(address);
            async move { ask_in_time(&self.connection, address, is_arbiter).await }
        }));
        let member = |(address, answer): (&String, _)| Member {
            address: address.clone(),
            answer,
            seen: None,
            config: None,
        };
        addresses.iter().zip(answers.await).map(member).collect()
    }

    /// The states in which whoever answers sees the members that it hears from.
    async fn seen(&self) -> HashMap<String, String> {
        let Ok(status) = command::ask(&self.seed, "admin", doc! { "replSetGetStatus": 1 }).await else {
            return HashMap::new();
        };
        let members = status.get_array("members").into_iter().flatten().filter_map(Bson::as_document);
        let alive = members.filter(|member| number(member, "health") > 0.0);
        alive
            .filter_map(|member| {
                Some((member.get_str("name").ok()?.to_owned(), member.get_str("stateStr").ok()?.to_owned()))
            })
            .collect()
    }
}

async fn ask_in_time(connection: &Connection, address: &str, is_arbiter: bool) -> Result<Answer> {
    // On a task of its own: the driver's futures have to run to their end, also when nobody waits any more.
    let asked = tokio::spawn(ask(connection.clone(), address.to_owned()));
    let action = || format!("ask member {address}");
    match tokio::time::timeout(ANSWER_TIMEOUT, asked).await {
        // An arbiter has no users, so it refuses all.
        Ok(Ok(Err(error))) if is_arbiter && error.kind() == ErrorKind::Authentication => {
            Ok(Answer { state: MemberState::Arbiter, last_write_ms: None, version: None, names: Vec::new() })
        }
        Ok(Ok(answer)) => answer.map_err(|error| error.doing(action())),
        Ok(Err(lost)) => Err(Error::new(ErrorKind::Reply, action(), lost.to_string())),
        Err(_) => {
            let message = format!("no answer in {} s", ANSWER_TIMEOUT.as_secs());
            Err(Error::new(ErrorKind::Unreachable, action(), message))
        }
    }
}

async fn ask(connection: Connection, address: String) -> Result<Answer> {
    let client = connection.direct_client(&address, Some(MEMBER_TIMEOUT))?;
    let hello = source::hello(&client).await?;
    let is = |key: &str| hello.get_bool(key).unwrap_or(false);
    let state = if is("isWritablePrimary") || is("ismaster") {
        MemberState::Primary
    } else if is("secondary") {
        MemberState::Secondary
    } else if is("arbiterOnly") {
        MemberState::Arbiter
    } else {
        let status = command::ask(&client, "admin", doc! { "replSetGetStatus": 1 }).await;
        status.map_or(MemberState::Unready, |status| state_of(number(&status, "myState")))
    };
    let last_write = hello.get_document("lastWrite").and_then(|last| last.get_datetime("lastWriteDate"));
    Ok(Answer {
        state,
        last_write_ms: last_write.ok().map(|date| date.timestamp_millis()),
        version: source::version(&client).await.ok().map(|(text, _)| text),
        names: named(&hello),
    })
}

/// The states by their numbers in `replSetGetStatus`, as far as `hello` does not tell them apart.
fn state_of(number: f64) -> MemberState {
    #[expect(clippy::cast_possible_truncation, reason = "a number of one or two digits, and `as` saturates")]
    match number as i32 {
        0 => MemberState::Startup,
        3 => MemberState::Recovering,
        5 => MemberState::Startup2,
        9 => MemberState::Rollback,
        10 => MemberState::Removed,
        _ => MemberState::Unready,
    }
}

/// All members that `hello` names.
fn named(hello: &Document) -> Vec<String> {
    ["hosts", "passives", "arbiters"].iter().flat_map(|list| strings(hello, list)).collect()
}

fn strings(document: &Document, key: &str) -> Vec<String> {
    let texts = document.get_array(key).into_iter().flatten();
    texts.filter_map(|text| Some(text.as_str()?.to_owned())).collect()
}
