//! Findings about the backup itself: what the user may read, how much there is, how long it takes, and whether oplog
//! and disk hold it.

use super::super::facts::{Chosen, Figures, Space};
use super::super::finding::{Check, Finding};
use super::super::words::{bytes, plural, span};
use super::unknown;
use mongoark_deployment as deployment;
use mongoark_deployment::ErrorKind;
use mongoark_deployment::health::{OplogWindow, Right};

/// The oplog has to hold so many dumps: they grow, and one may have to be made again.
const DUMPS_IN_WINDOW: f64 = 4.0;
/// An oplog that holds less has no room for a night's index build.
const WINDOW_SECONDS_MIN: f64 = 3600.0;
/// With less room than this part of the data no compression helps.
const SPACE_MIN: f64 = 0.2;

/// One finding for each read that was refused; one for all where none was.
pub(super) fn permissions(chosen: &Chosen) -> Vec<Finding> {
    let who = who(chosen);
    let refused: Vec<Finding> = chosen
        .rights
        .iter()
        .filter_map(|right| Some(refused(right, right.outcome.as_ref().err()?, who.as_deref())))
        .collect();
    if !refused.is_empty() {
        return refused;
    }
    let what = match who {
        Some(who) => format!("{who} may read all that a dump reads"),
        None => "the server asks nobody who he is: everybody may read everything".to_owned(),
    };
    vec![Finding::ok(Check::Permissions, what)]
}

fn refused(right: &Right, error: &deployment::Error, who: Option<&str>) -> Finding {
    let remedy = match (error.kind(), who) {
        (ErrorKind::Unauthorized, Some(who)) => format!("grant role 'backup' to {who}"),
        (ErrorKind::Unauthorized, None) => {
            "nobody is signed in: give a user with role 'backup' and its password in the connection string"
                .to_owned()
        }
        _ => "look into the server's log".to_owned(),
    };
    let why = if error.kind() == ErrorKind::Unauthorized {
        String::new()
    } else {
        format!(": {}", error.message())
    };
    Finding::problem(Check::Permissions, format!("cannot {}{why}", right.what), remedy).of(&right.what)
}

/// The users that are signed in; none where nobody is.
fn who(chosen: &Chosen) -> Option<String> {
    let names = chosen.user.as_ref().ok().map(|user| user.names.join(", "));
    names.filter(|names| !names.is_empty())
}

/// A note, never worse than ok: a user that makes backups need not restore them.
pub(super) fn restore_rights(chosen: &Chosen) -> Finding {
    let may = chosen.user.as_ref().is_ok_and(|user| user.may_restore);
    let refused = chosen.rights.iter().any(|right| right.outcome.is_err());
    let what = match who(chosen) {
        Some(who) if may => format!("{who} may restore too"),
        Some(who) => format!("{who} cannot restore; that takes role 'restore'"),
        None if refused => "nobody is signed in, and so nobody may restore".to_owned(),
        None => "everybody may restore".to_owned(),
    };
    Finding::ok(Check::RestoreRights, what)
}

pub(super) fn data(chosen: &Chosen) -> Finding {
    let check = Check::Data;
    match &chosen.data {
        Ok(data) => {
            let collections = plural(data.collections, "collection");
            let what =
                format!("{} in {collections} of {}", bytes(data.bytes), plural(data.databases, "database"));
            if data.unknown == 0 && !data.is_part {
                return Finding::ok(check, what);
            }
            let seen = if data.is_part {
                ", of the databases that this user can see; there may be more"
            } else {
                ""
            };
            let refused = match data.unknown {
                0 => String::new(),
                unknown => format!("; of {unknown} the size was refused"),
            };
            let what = format!("{what}{seen}{refused}");
            Finding::warning(check, what, "grant role 'backup'")
        }
        Err(error) => Finding::problem(check, format!("cannot be listed: {error}"), "grant role 'backup'"),
    }
}

/// Nothing where the estimate was not asked for.
pub(super) fn dump_time(chosen: &Chosen, figures: &Figures) -> Option<Finding> {
    let check = Check::DumpTime;
    let pace = match chosen.pace.as_ref()? {
        Ok(pace) => pace,
        Err(error) => {
            let remedy = "without this being mended every dump fails: see also the lines above";
            return Some(Finding::problem(check, format!("a dump fails: {error}"), remedy));
        }
    };
    if let Some(first) = pace.failures.first() {
        let others = pace.failures.len() - 1;
        let others = if others > 0 { format!(", and {others} more") } else { String::new() };
        let remedy = "a dump would end with exit code 3 and lack these: see 'mongoark dump --report'";
        return Some(Finding::problem(
            check,
            format!("not everything can be dumped: {first}{others}"),
            remedy,
        ));
    }
    let read = format!("{} were read in {}", bytes(pace.bytes), span(pace.seconds));
    Some(match figures.dump_seconds {
        Some(seconds) if pace.whole => {
            Finding::ok(check, format!("{}: {}, all there is", span(seconds), read))
        }
        Some(seconds) => Finding::ok(check, format!("about {}: {read}", span(seconds))),
        None => Finding::warning(check, format!("unknown: {read}"), "give it longer: --sample SECONDS"),
    })
}

pub(super) fn oplog_window(oplog: &deployment::Result<OplogWindow>, figures: &Figures) -> Finding {
    let check = Check::OplogWindow;
    let (Ok(_), Some(window)) = (oplog, figures.window_seconds()) else {
        return match oplog {
            Err(error) => unknown(check, "for the oplog (local.oplog.rs)", error, "backup"),
            Ok(_) => Finding::warning(check, "unknown", "look into the server's log"),
        };
    };
    let age = figures.oplog_seconds.unwrap_or_default();
    let held = match figures.oplog_seconds_full {
        Some(full) => format!("about {} when it is full ({} so far)", span(full), span(age)),
        None => span(age),
    };
    let is_full = figures.oplog_seconds_full.is_none();
    let dump = figures.dump_seconds;
    let what = match dump {
        Some(dump) => format!("{held}; a dump takes about {} here", span(dump)),
        None => format!("{held}; how long a dump takes is not known"),
    };
    let remedy = "make the oplog larger (replSetResizeOplog, on every member), or dump when less is written";
    let dump = dump.unwrap_or_default();
    // The rate of an oplog's first hour may be that of the data's loading: it proves little.
    let is_proven = is_full || age >= WINDOW_SECONDS_MIN;
    if window < dump && is_proven {
        Finding::problem(check, what, remedy)
    } else if window < DUMPS_IN_WINDOW * dump || (window < WINDOW_SECONDS_MIN && is_proven) {
        Finding::warning(check, what, remedy)
    } else {
        Finding::ok(check, what)
    }
}

pub(super) fn free_space(space: &Space, data_bytes: Option<u64>) -> Finding {
    let check = Check::FreeSpace;
    let here = format!("{} at {}", bytes(space.free_bytes), space.path.display());
    let Some(data) = data_bytes else {
        return Finding::warning(
            check,
            format!("{here}; how much is needed is not known"),
            "see the line on data",
        );
    };
    let what = format!("{here} for {} of data", bytes(data));
    let remedy = "make room, or write the archive elsewhere";
    if (space.free_bytes as f64) < data as f64 * SPACE_MIN {
        Finding::problem(check, what, remedy)
    } else if space.free_bytes < data {
        let what = format!("{what}: enough only if it compresses well");
        Finding::warning(check, what, remedy)
    } else {
        Finding::ok(check, what)
    }
}
