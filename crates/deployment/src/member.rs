//! Which member of a replica set a dump reads: a pure choice over what is known of the members.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a member is at the time of the choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberRole {
    /// It takes writes.
    Primary,
    /// It replicates and can be read.
    Secondary,
}

/// A member that answered, with what could be learnt of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// `host:port`.
    pub address: String,
    /// Its role.
    pub role: MemberRole,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Wall time of its last write, milliseconds since 1970.
    pub last_write_ms: i64,
    /// Its priority in elections, where the user may read the set's configuration.
    pub priority: Option<f64>,
}

/// The mode of a read preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMode {
    /// The primary alone.
    Primary,
    /// The primary, or a secondary where there is none.
    PrimaryPreferred,
    /// A secondary alone.
    Secondary,
    /// A secondary, or the primary where there is none.
    SecondaryPreferred,
    /// Any member.
    Nearest,
}

/// A read preference as the server selection specification has it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadPreference {
    /// The mode.
    pub mode: ReadMode,
    /// Tag sets in order of preference; the first that any member matches counts. Empty: any member.
    pub tag_sets: Vec<BTreeMap<String, String>>,
    /// How far behind a secondary may be.
    pub max_staleness: Option<Duration>,
}

impl ReadPreference {
    /// This mode, with no tags and no staleness limit.
    pub fn new(mode: ReadMode) -> Self {
        Self { mode, tag_sets: Vec::new(), max_staleness: None }
    }
}

/// A member that was chosen among candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its place among them.
    pub place: usize,
    /// Why this one.
    pub reason: String,
    /// How far it is behind the newest write that any of them has, seconds.
    pub lag_seconds: u64,
}

/// Chooses the member to read among those the read preference admits: secondaries first, of these the one of lowest
/// priority, of these the one least behind. A secondary that is more than `lag_max` behind comes last, behind the primary
/// where the preference admits that, and then the least behind counts, whatever its priority.
///
/// # Errors
/// What kept every member out.
pub fn choose(
    candidates: &[Candidate],
    preference: &ReadPreference,
    lag_max: Option<Duration>,
) -> Result<Chosen, String> {
    use MemberRole::{Primary, Secondary};
    let fresh = || best(candidates, Secondary, preference, |place| is_fresh(candidates, place, lag_max));
    let late = || {
        let is_late = |place| !is_fresh(candidates, place, lag_max);
        let late = admitted(candidates, Secondary, preference, is_late);
        late.into_iter().min_by_key(|&place| (lag_ms(candidates, place), &candidates[place].address))
    };
    let primary = || {
        // Tags and staleness do not apply to mode primary, and the primary is never stale.
        let untagged = ReadPreference::new(ReadMode::Primary);
        let preference = if preference.mode == ReadMode::Nearest { preference } else { &untagged };
        best(candidates, Primary, preference, |_| true)
    };
    let chosen = match preference.mode {
        ReadMode::Primary => primary(),
        ReadMode::PrimaryPreferred => primary().or_else(fresh).or_else(late),
        ReadMode::Secondary => fresh().or_else(late),
        ReadMode::SecondaryPreferred | ReadMode::Nearest => fresh().or_else(primary).or_else(late),
    };
    let place = chosen.ok_or_else(|| refusal(candidates, preference))?;
    let lag_seconds = lag_ms(candidates, place) / 1000;
    Ok(Chosen { place, reason: reason(candidates, place, lag_max), lag_seconds })
}

/// The members of a role that the preference admits, and that `is_in` takes.
fn admitted(
    candidates: &[Candidate],
    role: MemberRole,
    preference: &ReadPreference,
    is_in: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let fresh: Vec<usize> = (0..candidates.len())
        .filter(|&i| candidates[i].role == role && is_fresh(candidates, i, preference.max_staleness))
        .filter(|&i| is_in(i))
        .collect();
    admitted_by_tags(candidates, &fresh, &preference.tag_sets)
}

fn best(
    candidates: &[Candidate],
    role: MemberRole,
    preference: &ReadPreference,
    is_in: impl Fn(usize) -> bool,
) -> Option<usize> {
    admitted(candidates, role, preference, is_in).into_iter().min_by(|&a, &b| {
        let (a, b) = (&candidates[a], &candidates[b]);
        let priority = |c: &Candidate| c.priority.unwrap_or(f64::INFINITY);
        priority(a)
            .total_cmp(&priority(b))
            .then(b.last_write_ms.cmp(&a.last_write_ms))
            .then(a.address.cmp(&b.address))
    })
}

fn admitted_by_tags(
    candidates: &[Candidate],
    from: &[usize],
    tag_sets: &[BTreeMap<String, String>],
) -> Vec<usize> {
    if tag_sets.is_empty() {
        return from.to_vec();
    }
    tag_sets
        .iter()
        .map(|tags| {
            let matches = |&&i: &&usize| tags.iter().all(|(k, v)| candidates[i].tags.get(k) == Some(v));
            from.iter().filter(matches).copied().collect::<Vec<_>>()
        })
        .find(|matching| !matching.is_empty())
        .unwrap_or_default()
}

fn is_fresh(candidates: &[Candidate], place: usize, limit: Option<Duration>) -> bool {
    let Some(limit) = limit else { return true };
    Duration::from_millis(lag_ms(candidates, place)) <= limit
}

/// How far a member is behind the newest write that any member has, milliseconds.
pub(crate) fn lag_ms(candidates: &[Candidate], place: usize) -> u64 {
    let newest = candidates.iter().map(|c| c.last_write_ms).max().unwrap_or_default();
    u64::try_from(newest.saturating_sub(candidates[place].last_write_ms)).unwrap_or_default()
}

fn reason(candidates: &[Candidate], place: usize, lag_max: Option<Duration>) -> String {
    let chosen = &candidates[place];
    let seconds = lag_ms(candidates, place) / 1000;
    let is_late = |place: usize| {
        candidates[place].role == MemberRole::Secondary && !is_fresh(candidates, place, lag_max)
    };
    let bound = lag_max.unwrap_or_default().as_secs();
    match (chosen.role, chosen.priority) {
        (MemberRole::Primary, _) if candidates.len() == 1 => "the only member that can be read".to_owned(),
        (MemberRole::Primary, _) if (0..candidates.len()).any(is_late) => {
            format!(
                "the primary: the secondaries that the read preference admits are more than {bound} s behind"
            )
        }
        (MemberRole::Primary, _) => "the primary: the read preference admits no secondary".to_owned(),
        (MemberRole::Secondary, _) if is_late(place) => format!(
            "no member that the read preference admits is less than {bound} s behind (--max-lag), and this one is the \
             least behind of them"
        ),
        (MemberRole::Secondary, Some(priority)) => {
            format!("secondary of lowest priority ({priority}), {seconds} s behind")
        }
        (MemberRole::Secondary, None) => format!(
            "secondary least behind ({seconds} s); priorities unknown: the user may not read the set's configuration"
        ),
    }
}

fn refusal(candidates: &[Candidate], preference: &ReadPreference) -> String {
    let known: Vec<String> = candidates
        .iter()
        .enumerate()
        .map(|(i, c)| {
            let role = if c.role == MemberRole::Primary { "primary" } else { "secondary" };
            format!("{} ({role}, {} s behind, tags {:?})", c.address, lag_ms(candidates, i) / 1000, c.tags)
        })
        .collect();
    let members = if known.is_empty() { "none that can be read".to_owned() } else { known.join("; ") };
    format!("no member satisfies the read preference {preference:?}; members: {members}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(address: &str, role: MemberRole, priority: Option<f64>, last_write_ms: i64) -> Candidate {
        Candidate { address: address.into(), role, tags: BTreeMap::new(), last_write_ms, priority }
    }

    fn tagged(mut candidate: Candidate, tags: &[(&str, &str)]) -> Candidate {
        candidate.tags = tag_set(tags);
        candidate
    }

    fn tag_set(tags: &[(&str, &str)]) -> BTreeMap<String, String> {
        tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn set() -> Vec<Candidate> {
        vec![
            member("p:1", MemberRole::Primary, Some(2.0), 100_000),
            member("s:1", MemberRole::Secondary, Some(1.0), 100_000),
            member("s:2", MemberRole::Secondary, Some(0.5), 40_000),
        ]
    }

    fn chosen(candidates: &[Candidate], preference: &ReadPreference) -> Option<String> {
        within(candidates, preference, None)
    }

    fn within(candidates: &[Candidate], preference: &ReadPreference, lag_max: Option<u64>) -> Option<String> {
        let chosen = choose(candidates, preference, lag_max.map(Duration::from_secs)).ok()?;
        Some(candidates[chosen.place].address.clone())
    }

    #[test]
    fn modes_spare_the_primary_where_they_may() {
        for (mode, whole, alone) in [
            (ReadMode::Primary, "p:1", Some("p:1")),
            (ReadMode::PrimaryPreferred, "p:1", Some("p:1")),
            (ReadMode::Secondary, "s:2", None),
            (ReadMode::SecondaryPreferred, "s:2", Some("p:1")),
            (ReadMode::Nearest, "s:2", Some("p:1")),
        ] {
            let preference = ReadPreference::new(mode);
            assert_eq!(chosen(&set(), &preference).as_deref(), Some(whole), "{mode:?}");
            assert_eq!(chosen(&set()[..1], &preference).as_deref(), alone, "{mode:?}");
        }
        let orphaned = &set()[1..];
        assert_eq!(chosen(orphaned, &ReadPreference::new(ReadMode::Primary)), None);
        assert_eq!(
            chosen(orphaned, &ReadPreference::new(ReadMode::PrimaryPreferred)).as_deref(),
            Some("s:2")
        );
    }

    #[test]
    fn the_least_lagged_where_priorities_are_equal_or_unknown() {
        let mut members = set();
        for member in &mut members {
            member.priority = None;
        }
        let preference = ReadPreference::new(ReadMode::SecondaryPreferred);
        assert_eq!(chosen(&members, &preference).as_deref(), Some("s:1"));
        assert!(choose(&members, &preference, None).unwrap().reason.contains("priorities unknown"));
    }

    #[test]
    fn staleness_keeps_a_lagging_secondary_out() {
        let mut preference = ReadPreference::new(ReadMode::Secondary);
        preference.max_staleness = Some(Duration::from_secs(59));
        assert_eq!(chosen(&set(), &preference).as_deref(), Some("s:1"));
        preference.max_staleness = Some(Duration::from_secs(60));
        assert_eq!(chosen(&set(), &preference).as_deref(), Some("s:2"));
    }

    #[test]
    fn a_secondary_beyond_the_lag_comes_last_whatever_its_priority() {
        let later = member("s:3", MemberRole::Secondary, Some(0.0), 0);
        // s:2 is 60 s behind, s:3 100 s.
        let members = [set(), vec![later]].concat();
        let without = |address: &str| -> Vec<Candidate> {
            members.iter().filter(|member| member.address != address).cloned().collect()
        };
        for (mode, all, without_fresh) in [
            (ReadMode::Primary, "p:1", "p:1"),
            (ReadMode::PrimaryPreferred, "p:1", "p:1"),
            (ReadMode::SecondaryPreferred, "s:1", "p:1"),
            (ReadMode::Nearest, "s:1", "p:1"),
            (ReadMode::Secondary, "s:1", "s:2"),
        ] {
            let preference = ReadPreference::new(mode);
            assert_eq!(within(&members, &preference, Some(59)).as_deref(), Some(all), "{mode:?}");
            assert_eq!(
                within(&without("s:1"), &preference, Some(59)).as_deref(),
                Some(without_fresh),
                "{mode:?}"
            );
        }
        let secondary = ReadPreference::new(ReadMode::Secondary);
        assert_eq!(
            within(&members, &secondary, Some(60)).as_deref(),
            Some("s:2"),
            "within counts by priority"
        );
        assert_eq!(within(&members, &secondary, None).as_deref(), Some("s:3"));
        let chosen = choose(&without("s:1"), &secondary, Some(Duration::from_secs(59))).unwrap();
        assert_eq!(chosen.lag_seconds, 60);
        assert!(chosen.reason.contains("--max-lag"), "{}", chosen.reason);
        let preferred = ReadPreference::new(ReadMode::SecondaryPreferred);
        let chosen = choose(&without("s:1"), &preferred, Some(Duration::from_secs(59))).unwrap();
        assert!(chosen.reason.contains("more than 59 s behind"), "{}", chosen.reason);
    }

    #[test]
    fn the_first_tag_set_that_matches_counts() {
        let mut members = set();
        members[1] = tagged(members[1].clone(), &[("dc", "east"), ("use", "backup")]);
        members[2] = tagged(members[2].clone(), &[("dc", "west")]);
        let mut preference = ReadPreference::new(ReadMode::Secondary);
        preference.tag_sets = vec![tag_set(&[("dc", "north")]), tag_set(&[("use", "backup")]), tag_set(&[])];
        assert_eq!(chosen(&members, &preference).as_deref(), Some("s:1"));
        preference.tag_sets = vec![tag_set(&[("dc", "north")])];
        let refusal = choose(&members, &preference, None).unwrap_err();
        assert!(refusal.contains("s:1") && refusal.contains("east"), "{refusal}");
    }
}
