//! Every level of every check, on facts made for it.

use super::super::facts::{Chosen, Data, Facts, Space};
use super::super::finding::{Check, Finding, Level, worst};
use super::super::pace::Pace;
use super::{Limits, judge, unreachable};
use crate::Error as EngineError;
use bson::Timestamp;
use mongoark_deployment::health::{
    Answer, Compatibility, Member, MemberConfig, MemberState, OplogWindow, Prepared, Right, SetConfig,
    Storage, User,
};
use mongoark_deployment::{Error, ErrorKind};
use mongoark_model::{DeploymentInfo, MemberChoice, TopologyKind};
use std::time::Duration;

const LIMITS: Limits = Limits { lag: Duration::from_secs(30) };
/// Wall time of the newest write, milliseconds.
const NOW_MS: i64 = 1_800_000_000_000;

fn refused() -> Error {
    Error::new(ErrorKind::Unauthorized, "ask", "not authorized")
}

fn silent() -> Error {
    Error::new(ErrorKind::Unreachable, "ask", "connection refused")
}

fn member(address: &str, state: MemberState, lag_seconds: i64) -> Member {
    let answer = Answer {
        state,
        last_write_ms: (state != MemberState::Arbiter).then(|| NOW_MS - lag_seconds * 1000),
        version: Some("6.0.5".to_owned()),
        names: Vec::new(),
    };
    Member { address: address.to_owned(), answer: Ok(answer), seen: None, config: Some(config(address)) }
}

fn down(address: &str) -> Member {
    Member { answer: Err(silent()), ..member(address, MemberState::Secondary, 0) }
}

fn config(address: &str) -> MemberConfig {
    MemberConfig {
        address: address.to_owned(),
        priority: 1.0,
        votes: true,
        hidden: false,
        arbiter: false,
        delay: Duration::ZERO,
    }
}

/// A set of three of which nothing is to be said but good.
fn sound() -> Facts {
    let members = vec![
        member("a", MemberState::Primary, 0),
        member("b", MemberState::Secondary, 0),
        member("c", MemberState::Secondary, 0),
    ];
    let configs = members.iter().map(|member| config(&member.address)).collect();
    Facts {
        topology: TopologyKind::ReplicaSet("rs0".to_owned()),
        config: Some(Ok(SetConfig { members: configs, majority_journal: true })),
        members,
        chosen: Ok(chosen()),
        space: Some(Space { path: "/backup".into(), free_bytes: 20_000_000_000 }),
    }
}

fn chosen() -> Chosen {
    Chosen {
        info: DeploymentInfo {
            topology: TopologyKind::ReplicaSet("rs0".to_owned()),
            server_version: "6.0.5".to_owned(),
            version: [6, 0, 5],
            fcv: Some("6.0".to_owned()),
            set_id: None,
            member: MemberChoice::new("b", "secondary"),
        },
        storage: Some(Ok(Storage { engine: "wiredTiger".to_owned(), journaled: true })),
        compatibility: Some(Ok(Compatibility { version: "6.0".to_owned(), target: None })),
        prepared: Some(Ok(Prepared::default())),
        oplog: Some(Ok(window(48 * 3600, None))),
        user: Ok(User { names: vec!["keeper@admin".to_owned()], may_restore: false }),
        rights: vec![Right { what: "list all databases".to_owned(), outcome: Ok(()) }],
        data: Ok(Data { databases: 2, collections: 9, bytes: 10_000_000_000, ..Data::default() }),
        // A hundred seconds for all.
        pace: Some(Ok(Pace { bytes: 200_000_000, seconds: 2.0, ..Pace::default() })),
    }
}

fn window(seconds: u32, size: Option<(u64, u64)>) -> OplogWindow {
    let time = |time| Timestamp { time, increment: 1 };
    OplogWindow { oldest: time(1_800_000_000 - seconds), newest: time(1_800_000_000), size }
}

/// The findings of one check, after a change to what is sound.
fn after(check: Check, change: impl FnOnce(&mut Facts)) -> Vec<Finding> {
    let mut facts = sound();
    change(&mut facts);
    judge(&facts, LIMITS).into_iter().filter(|finding| finding.check == check).collect()
}

fn with(check: Check, change: impl FnOnce(&mut Chosen)) -> Vec<Finding> {
    after(check, |facts| change(facts.chosen.as_mut().expect("a member")))
}

#[track_caller]
fn expect(findings: &[Finding], level: Level, what: &str) {
    assert_eq!(worst(findings), level, "{findings:?}");
    assert!(
        findings.iter().any(|finding| finding.level == level && finding.what.contains(what)),
        "{findings:?}"
    );
    for finding in findings {
        assert_eq!(finding.remedy.is_some(), finding.level > Level::Ok, "{finding:?}");
    }
}

#[test]
fn what_is_sound_is_ok_in_every_line() {
    let findings = judge(&sound(), LIMITS);
    expect(&findings, Level::Ok, "");
    assert_eq!(findings.len(), 18, "{findings:#?}");
}

#[test]
fn a_deployment_that_does_not_answer_is_told_with_what_to_do() {
    for (kind, remedy) in [
        (ErrorKind::Unreachable, "start the server"),
        (ErrorKind::Authentication, "correct user"),
        (ErrorKind::Usage, "correct the connection string"),
    ] {
        let finding = unreachable(&Error::new(kind, "connect", "it is so"));
        assert_eq!(finding.level, Level::Problem);
        assert!(finding.remedy.is_some_and(|text| text.starts_with(remedy)));
    }
}

#[test]
fn what_has_no_oplog_is_of_no_moment() {
    for topology in [TopologyKind::Standalone, TopologyKind::Sharded] {
        let findings = after(Check::Deployment, |facts| facts.topology = topology);
        expect(&findings, Level::Warning, "no single moment");
    }
}

#[test]
fn a_member_is_judged_by_its_state_and_its_lag() {
    for (state, lag_seconds, level) in [
        (MemberState::Secondary, 30, Level::Ok),
        (MemberState::Secondary, 31, Level::Warning),
        (MemberState::Secondary, 601, Level::Problem),
        (MemberState::Arbiter, 0, Level::Ok),
        (MemberState::Startup2, 0, Level::Warning),
        (MemberState::Recovering, 0, Level::Warning),
        (MemberState::Unready, 0, Level::Warning),
        (MemberState::Removed, 0, Level::Warning),
        (MemberState::Rollback, 0, Level::Problem),
    ] {
        let findings = after(Check::Member, |facts| facts.members[2] = member("c", state, lag_seconds));
        assert_eq!(worst(&findings), level, "{state:?} {lag_seconds}: {findings:?}");
    }
    expect(&after(Check::Member, |facts| facts.members[2] = down("c")), Level::Warning, "does not answer");
    let seen = Member { seen: Some("SECONDARY".to_owned()), ..down("c") };
    expect(&after(Check::Member, |facts| facts.members[2] = seen), Level::Warning, "sees it as SECONDARY");
}

#[test]
fn a_delay_that_is_meant_is_no_lag() {
    let delayed = |facts: &mut Facts| {
        facts.members[2] = member("c", MemberState::Secondary, 3610);
        let Some(Ok(config)) = &mut facts.config else { return };
        config.members[2].delay = Duration::from_secs(3600);
    };
    expect(&after(Check::Member, delayed), Level::Ok, "10 s behind");
}

#[test]
fn a_majority_has_to_be_up() {
    let arbiter = || member("c", MemberState::Arbiter, 0);
    expect(&after(Check::Majority, |_| ()), Level::Ok, "3 of 3 votes");
    expect(&after(Check::Majority, |facts| facts.members[2] = down("c")), Level::Warning, "one more failure");
    let alone = |facts: &mut Facts| (1..3).for_each(|place| facts.members[place] = down("x"));
    expect(&after(Check::Majority, alone), Level::Problem, "no majority");
    expect(&after(Check::Majority, |facts| facts.members[0] = down("a")), Level::Problem, "no primary");
    let with_arbiter = |facts: &mut Facts| {
        facts.members[1] = down("b");
        facts.members[2] = arbiter();
    };
    expect(&after(Check::Majority, with_arbiter), Level::Problem, "only 1 of the 2 members with data");
    // What only the others can reach is up, and what does not vote does not matter.
    let seen = Member { seen: Some("SECONDARY".to_owned()), ..down("c") };
    expect(&after(Check::Majority, |facts| facts.members[2] = seen), Level::Ok, "3 of 3");
    let silent = Member { config: Some(MemberConfig { votes: false, ..config("c") }), ..down("c") };
    expect(&after(Check::Majority, |facts| facts.members[2] = silent), Level::Ok, "2 of 2");
}

#[test]
fn members_of_several_versions_are_in_the_middle_of_something() {
    let mixed = |facts: &mut Facts| {
        let Ok(answer) = &mut facts.members[2].answer else { return };
        answer.version = Some("5.0.4".to_owned());
    };
    expect(&after(Check::Versions, mixed), Level::Warning, "5.0.4, 6.0.5");
}

#[test]
fn the_member_that_would_be_read_has_to_exist_and_keep_up() {
    let lagging = |facts: &mut Facts| facts.members[1] = member("b", MemberState::Secondary, 99);
    expect(&after(Check::ReadFrom, lagging), Level::Warning, "b: secondary");
    expect(&after(Check::ReadFrom, |facts| facts.chosen = Err(silent())), Level::Problem, "refused");
}

#[test]
fn a_majority_has_to_journal() {
    let lax = Ok(SetConfig { members: Vec::new(), majority_journal: false });
    expect(&after(Check::MajorityJournal, |facts| facts.config = Some(lax)), Level::Warning, "is false");
    let unknown = after(Check::MajorityJournal, |facts| facts.config = Some(Err(refused())));
    expect(&unknown, Level::Warning, "priorities and hidden members");
    assert_eq!(unknown[0].remedy.as_deref(), Some("grant role 'clusterMonitor'"));
}

#[test]
fn storage_keeps_what_was_written() {
    let storage = |engine: &str, journaled| Some(Ok(Storage { engine: engine.to_owned(), journaled }));
    let engine = |name: &str| with(Check::StorageEngine, |chosen| chosen.storage = storage(name, true));
    expect(&engine("wiredTiger"), Level::Ok, "wiredTiger");
    expect(&engine("inMemory"), Level::Warning, "gone");
    expect(&engine("mmapv1"), Level::Problem, "mmapv1");
    let unjournaled = with(Check::Journaling, |chosen| chosen.storage = storage("wiredTiger", false));
    expect(&unjournaled, Level::Warning, "off");
    expect(
        &with(Check::StorageEngine, |chosen| chosen.storage = Some(Err(refused()))),
        Level::Warning,
        "unknown",
    );
}

#[test]
fn the_fcv_is_the_servers_and_stays_so() {
    let fcv = |version: &str, target: Option<&str>| {
        let fcv = Compatibility { version: version.to_owned(), target: target.map(ToOwned::to_owned) };
        with(Check::Fcv, |chosen| chosen.compatibility = Some(Ok(fcv)))
    };
    expect(&fcv("5.0", None), Level::Warning, "the server is 6.0");
    expect(&fcv("5.0", Some("6.0")), Level::Problem, "from 5.0 to 6.0");
}

#[test]
fn a_prepared_transaction_is_told_with_its_age() {
    let prepared = |seconds: u32| {
        let oldest = Some(Timestamp { time: 1_800_000_000 - seconds, increment: 1 });
        with(Check::Transactions, |chosen| chosen.prepared = Some(Ok(Prepared { count: 2, oldest })))
    };
    expect(
        &prepared(240),
        Level::Warning,
        "2 transactions prepared and neither committed nor aborted, the oldest for 4 min",
    );
    expect(&prepared(30 * 3600), Level::Warning, "will soon fall out of the oplog");
}

#[test]
fn each_read_that_is_refused_is_a_problem_with_the_role_to_grant() {
    let right = |what: &str| Right { what: what.to_owned(), outcome: Err(refused()) };
    let two =
        |chosen: &mut Chosen| chosen.rights = vec![right("read local.oplog.rs"), right("list all databases")];
    let findings = with(Check::Permissions, two);
    expect(&findings, Level::Problem, "cannot read local.oplog.rs");
    assert_eq!(findings.len(), 2);
    assert_eq!(findings[0].remedy.as_deref(), Some("grant role 'backup' to keeper@admin"));
    let nobody = |chosen: &mut Chosen| {
        two(chosen);
        chosen.user = Ok(User::default());
    };
    let findings = with(Check::Permissions, nobody);
    assert!(findings[0].remedy.as_ref().is_some_and(|remedy| remedy.starts_with("nobody is signed in")));
    let nobody = with(Check::Permissions, |chosen| chosen.user = Ok(User::default()));
    expect(&nobody, Level::Ok, "everybody");
}

#[test]
fn a_dump_that_fails_or_lacks_something_is_a_problem() {
    let failed =
        with(Check::DumpTime, |chosen| chosen.pace = Some(Err(EngineError::PipelineClosed("a reader"))));
    expect(&failed, Level::Problem, "a dump fails");
    let pace =
        Pace { failures: vec!["d.c: refused".to_owned(), "d.e: refused".to_owned()], ..Pace::default() };
    let partial = with(Check::DumpTime, |chosen| chosen.pace = Some(Ok(pace)));
    expect(&partial, Level::Problem, "d.c: refused, and 1 more");
    expect(
        &with(Check::DumpTime, |chosen| chosen.pace = Some(Ok(Pace::default()))),
        Level::Warning,
        "unknown",
    );
    expect(&with(Check::DumpTime, |_| ()), Level::Ok, "about 2 min: 200 MB were read in 2.0 s");
    assert!(with(Check::DumpTime, |chosen| chosen.pace = None).is_empty());
    let part = Data { unknown: 3, ..Data::default() };
    expect(&with(Check::Data, |chosen| chosen.data = Ok(part)), Level::Warning, "of 3 the size was refused");
    let part = Data { is_part: true, ..Data::default() };
    expect(&with(Check::Data, |chosen| chosen.data = Ok(part)), Level::Warning, "that this user can see");
}

#[test]
fn the_oplog_has_to_hold_four_dumps_and_an_hour() {
    let oplog =
        |seconds, size| with(Check::OplogWindow, |chosen| chosen.oplog = Some(Ok(window(seconds, size))));
    expect(&oplog(3600, None), Level::Ok, "60 min; a dump takes about 2 min here");
    expect(&oplog(3599, None), Level::Warning, "60 min");
    expect(&oplog(399, None), Level::Warning, "7 min");
    expect(&oplog(99, None), Level::Problem, "2 min");
    // One that was never full is judged by its rate, which proves little in its first hour.
    expect(&oplog(60, Some((1, 100))), Level::Ok, "about 1.7 h when it is full (60 s so far)");
    expect(&oplog(60, Some((10, 100))), Level::Ok, "when it is full");
    expect(&oplog(10, Some((5, 100))), Level::Warning, "when it is full");
    expect(&oplog(1, Some((5, 100))), Level::Warning, "when it is full");
    expect(
        &with(Check::OplogWindow, |chosen| chosen.oplog = Some(Err(refused()))),
        Level::Warning,
        "unknown",
    );
}

#[test]
fn the_archive_needs_room() {
    let room = |free_bytes| {
        let space = Some(Space { path: "/backup".into(), free_bytes });
        after(Check::FreeSpace, |facts| facts.space = space)
    };
    expect(&room(10_000_000_000), Level::Ok, "10.0 GB at /backup for 10.0 GB");
    expect(&room(9_999_999_999), Level::Warning, "compresses well");
    expect(&room(1_999_999_999), Level::Problem, "2.0 GB");
    assert!(after(Check::FreeSpace, |facts| facts.space = None).is_empty());
}
