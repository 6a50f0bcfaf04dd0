//! What two looks at a set mean: pure, the members a moment ago and now in, events out.

use super::finding::Level;
use mongoark_deployment::health::MemberState;
use mongoark_model::TopologyKind;
use std::time::Duration;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The first look.
    Following,
    /// There was a primary, and there is none.
    PrimaryLost,
    /// There is a primary, or another one.
    Primary,
    /// A member answers no more.
    MemberDown,
    /// A member answers again.
    MemberUp,
    /// A member is in another state.
    MemberState,
    /// A member belongs to the set that did not.
    MemberAdded,
    /// A member belongs to the set no more.
    MemberRemoved,
    /// A member is further behind than it may be.
    Lag,
    /// A member that was is no more.
    CaughtUp,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// How good that is.
    pub level: Level,
    /// The member it is about.
    pub member: Option<String>,
    /// The same in words.
    pub what: String,
}

/// A member at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pulse {
    pub(super) address: String,
    /// None of a member that does not answer.
    pub(super) state: Option<MemberState>,
    pub(super) lag: Option<Duration>,
}

impl EventKind {
    /// The name by which a script knows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Following => "following",
            Self::PrimaryLost => "primary-lost",
            Self::Primary => "primary",
            Self::MemberDown => "member-down",
            Self::MemberUp => "member-up",
            Self::MemberState => "member-state",
            Self::MemberAdded => "member-added",
            Self::MemberRemoved => "member-removed",
            Self::Lag => "lag",
            Self::CaughtUp => "caught-up",
        }
    }
}

/// The first look.
pub(super) fn following(topology: &TopologyKind, pulses: &[Pulse]) -> Event {
    let members: Vec<String> =
        pulses.iter().map(|pulse| format!("{} {}", pulse.address, word(pulse.state))).collect();
    let level = if primary(pulses).is_some() { Level::Ok } else { Level::Problem };
    let what = format!("following {topology}: {}", members.join(", "));
    Event { kind: EventKind::Following, level, member: None, what }
}

/// What the second look means, after the first.
pub(super) fn changes(before: &[Pulse], now: &[Pulse], lag_max: Duration) -> Vec<Event> {
    let mut events: Vec<Event> = primary_change(before, now).into_iter().collect();
    for pulse in now {
        if let Some(old) = before.iter().find(|other| other.address == pulse.address) {
            events.extend(state_change(old, pulse));
            events.extend(lag_change(old, pulse, lag_max));
        } else {
            let what = format!("member {} was added: {}", pulse.address, word(pulse.state));
            events.push(event(EventKind::MemberAdded, Level::Ok, pulse, what));
        }
    }
    for old in before.iter().filter(|old| now.iter().all(|pulse| pulse.address != old.address)) {
        let what = format!("member {} was removed from the set", old.address);
        events.push(event(EventKind::MemberRemoved, Level::Warning, old, what));
    }
    events
}

fn primary_change(before: &[Pulse], now: &[Pulse]) -> Option<Event> {
    match (primary(before), primary(now)) {
        (Some(old), None) => {
            let what = format!("primary {} is lost: the set takes no writes", old.address);
            Some(event(EventKind::PrimaryLost, Level::Problem, old, what))
        }
        (Some(old), Some(new)) if old.address != new.address => {
            let what = format!("{} is primary, in place of {}", new.address, old.address);
            Some(event(EventKind::Primary, Level::Warning, new, what))
        }
        (None, Some(new)) => {
            Some(event(EventKind::Primary, Level::Ok, new, format!("{} is primary", new.address)))
        }
        _ => None,
    }
}

fn state_change(old: &Pulse, new: &Pulse) -> Option<Event> {
    let address = &new.address;
    match (old.state, new.state) {
        (Some(_), None) => {
            let what = format!("member {address} does not answer");
            Some(event(EventKind::MemberDown, Level::Warning, new, what))
        }
        (None, Some(state)) => {
            let what = format!("member {address} is up: {}", word(new.state));
            Some(event(EventKind::MemberUp, level(state), new, what))
        }
        // Who is primary and who was is told by itself.
        (Some(MemberState::Primary), Some(MemberState::Secondary)) | (_, Some(MemberState::Primary)) => None,
        (Some(was), Some(is)) if was != is => {
            let what = format!("member {address} is {}, and was {}", word(new.state), word(old.state));
            Some(event(EventKind::MemberState, level(is), new, what))
        }
        _ => None,
    }
}

fn lag_change(old: &Pulse, new: &Pulse, lag_max: Duration) -> Option<Event> {
    let is_behind = |pulse: &Pulse| pulse.lag.is_some_and(|lag| lag > lag_max);
    let seconds = new.lag?.as_secs();
    match (is_behind(old), is_behind(new)) {
        (false, true) => {
            let what = format!("member {} is {seconds} s behind", new.address);
            Some(event(EventKind::Lag, Level::Warning, new, what))
        }
        (true, false) => {
            let what = format!("member {} has caught up: {seconds} s behind", new.address);
            Some(event(EventKind::CaughtUp, Level::Ok, new, what))
        }
        _ => None,
    }
}

fn event(kind: EventKind, level: Level, pulse: &Pulse, what: String) -> Event {
    Event { kind, level, member: Some(pulse.address.clone()), what }
}

fn primary(pulses: &[Pulse]) -> Option<&Pulse> {
    pulses.iter().find(|pulse| pulse.state == Some(MemberState::Primary))
}

fn level(state: MemberState) -> Level {
    match state {
        MemberState::Primary | MemberState::Secondary | MemberState::Arbiter => Level::Ok,
        _ => Level::Warning,
    }
}

fn word(state: Option<MemberState>) -> &'static str {
    match state {
        None => "down",
        Some(MemberState::Primary) => "primary",
        Some(MemberState::Secondary) => "secondary",
        Some(MemberState::Arbiter) => "arbiter",
        Some(MemberState::Startup | MemberState::Startup2) => "starting",
        Some(MemberState::Recovering) => "recovering",
        Some(MemberState::Rollback) => "rolling back",
        Some(MemberState::Removed) => "removed",
        Some(MemberState::Unready) => "neither primary nor secondary",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MemberState::{Primary, Recovering, Secondary};

    fn pulse(address: &str, state: Option<MemberState>, lag_seconds: u64) -> Pulse {
        let lag = state.map(|_| Duration::from_secs(lag_seconds));
        Pulse { address: address.to_owned(), state, lag }
    }

    fn kinds(before: &[Pulse], now: &[Pulse]) -> Vec<(EventKind, String)> {
        let events = changes(before, now, Duration::from_secs(30));
        events.into_iter().map(|event| (event.kind, event.member.unwrap_or_default())).collect()
    }

    #[test]
    fn a_primary_is_lost_and_another_comes() {
        let whole = [pulse("a", Some(Primary), 0), pulse("b", Some(Secondary), 0)];
        let lost = [pulse("a", None, 0), pulse("b", Some(Secondary), 0)];
        let elected = [pulse("a", None, 0), pulse("b", Some(Primary), 0)];
        let back = [pulse("a", Some(Secondary), 90), pulse("b", Some(Primary), 0)];
        let named = |kind, member: &str| (kind, member.to_owned());
        assert_eq!(
            kinds(&whole, &lost),
            [named(EventKind::PrimaryLost, "a"), named(EventKind::MemberDown, "a")]
        );
        assert_eq!(kinds(&lost, &lost), []);
        assert_eq!(kinds(&lost, &elected), [named(EventKind::Primary, "b")]);
        assert_eq!(kinds(&elected, &back), [named(EventKind::MemberUp, "a"), named(EventKind::Lag, "a")]);
        // An election between two looks.
        assert_eq!(
            kinds(&whole, &elected),
            [named(EventKind::Primary, "b"), named(EventKind::MemberDown, "a")]
        );
    }

    #[test]
    fn lag_is_told_when_it_crosses_the_limit() {
        let at = |lag| [pulse("a", Some(Primary), 0), pulse("b", Some(Secondary), lag)];
        assert_eq!(kinds(&at(30), &at(31)), [(EventKind::Lag, "b".to_owned())]);
        assert_eq!(kinds(&at(31), &at(300)), []);
        assert_eq!(kinds(&at(31), &at(2)), [(EventKind::CaughtUp, "b".to_owned())]);
    }

    #[test]
    fn members_come_go_and_change() {
        let two = [pulse("a", Some(Primary), 0), pulse("b", Some(Secondary), 0)];
        let sick = [pulse("a", Some(Primary), 0), pulse("b", Some(Recovering), 0)];
        assert_eq!(kinds(&two, &sick), [(EventKind::MemberState, "b".to_owned())]);
        assert_eq!(kinds(&two[..1], &two), [(EventKind::MemberAdded, "b".to_owned())]);
        assert_eq!(kinds(&two, &two[..1]), [(EventKind::MemberRemoved, "b".to_owned())]);
    }
}
