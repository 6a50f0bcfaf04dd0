//! Following a set: a look now and then, and what has changed since the last one.

use super::change::{Event, Pulse, changes, following};
use super::facts::lags;
use crate::{Error, Result};
use mongoark_deployment::ConnectionString;
use mongoark_deployment::health::{Health, Member, MemberState, SetConfig};
use mongoark_model::TopologyKind;
use std::time::Duration;

/// A set that is looked at again and again.
#[derive(Debug)]
pub struct Follower {
    health: Health,
    config: Option<SetConfig>,
    lag_max: Duration,
    addresses: Vec<String>,
    last: Vec<Pulse>,
}

impl Follower {
    /// Looks for the first time; also what is seen.
    ///
    /// # Errors
    /// Nobody answers, or it is no replica set.
    pub async fn start(uri: &ConnectionString, lag_max: Duration) -> Result<(Self, Event)> {
        let health = Health::open(uri).await?;
        let topology = health.topology();
        let TopologyKind::ReplicaSet(_) = topology else {
            return Err(Error::Usage(format!("--watch follows replica sets; this is a {topology}")));
        };
        let config = health.configuration().await.ok();
        let members = health.members(config.as_ref()).await;
        let addresses = members.iter().map(|member| member.address.clone()).collect();
        let mut follower = Self { health, config, lag_max, addresses, last: Vec::new() };
        follower.last = follower.pulses(&members);
        let event = following(&topology, &follower.last);
        Ok((follower, event))
    }

    /// Looks again; what has changed since the last look.
    pub async fn look(&mut self) -> Vec<Event> {
        let members = self.health.look(&self.addresses).await;
        let now = self.pulses(&members);
        self.follow_configuration(&members);
        let events = changes(&self.last, &now, self.lag_max);
        self.last = now;
        events
    }

    fn pulses(&self, members: &[Member]) -> Vec<Pulse> {
        let configured = self.config.iter().flat_map(|config| &config.members);
        let delay = |address: &str| {
            let member = configured.clone().find(|member| member.address == address);
            member.map_or(Duration::ZERO, |member| member.delay)
        };
        let lags = lags(members, delay);
        let pulse = |(member, lag): (&Member, Option<Duration>)| Pulse {
            address: member.address.clone(),
            state: member.answer.as_ref().ok().map(|answer| answer.state),
            lag,
        };
        members.iter().zip(lags).map(pulse).collect()
    }

    /// The next look is at the members that the primary names, and at the hidden ones, which nobody names.
    fn follow_configuration(&mut self, members: &[Member]) {
        let answers = members.iter().filter_map(|member| member.answer.as_ref().ok());
        let Some(primary) = answers.into_iter().find(|answer| answer.state == MemberState::Primary) else {
            return;
        };
        let hidden = self.config.iter().flat_map(|config| &config.members).filter(|member| member.hidden);
        let mut addresses = primary.names.clone();
        addresses.extend(hidden.map(|member| member.address.clone()));
        if !addresses.is_empty() {
            self.addresses = addresses;
        }
    }
}
