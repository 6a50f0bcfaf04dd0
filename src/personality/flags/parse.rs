//! A command line into what was typed, in the grammar of the tools.
//!
//! - `--flag value` and `--flag=value`; `-f value`, `-f=value` and `-fvalue`; letters without a value may stand together.
//! - A value in an argument of its own may not look like a flag, unless it is a negative number.
//! - `-`, `--` and whatever begins with three dashes are no flags. Flags and other arguments may be mixed.

use super::{Flag, Group, Takes, Typed};
use crate::personality::go_text::{integer, quoted, unquoted};

/// Why a command line cannot be read. The words are those of the tools.
#[derive(Debug, thiserror::Error)]
pub enum FlagError {
    /// No flag of this name.
    #[error("unknown option {}", quoted(.0))]
    Unknown(String),
    /// A flag of times long past.
    #[error(
        "--dbpath and related flags are not supported in 3.0 tools.\n\
         See http://dochub.mongodb.org/core/tools-dbpath-deprecated for more information"
    )]
    DbPath,
    /// `--flag=value` where there is no value.
    #[error("bool flag `{0}' cannot have an argument")]
    NoValue(String),
    /// The value is missing.
    #[error("expected argument for flag `{0}'")]
    ValueMissing(String),
    /// Another flag where the value should be.
    #[error("expected argument for flag `{flag}', but got option `{found}'")]
    FlagForValue {
        /// The flag's names.
        flag: String,
        /// What stands there.
        found: String,
    },
    /// The value is not what the flag takes.
    #[error("invalid argument for flag `{flag}' (expected {expected}): {reason}")]
    Value {
        /// The flag's names.
        flag: String,
        /// The kind of value.
        expected: &'static str,
        /// Why.
        reason: String,
    },
    /// `--verbose=x`.
    #[error("Invalid verbosity value given")]
    Verbosity,
}

/// Reads all arguments into `typed` and gives those that are no flags.
///
/// # Errors
/// At the first argument that cannot be read.
pub fn parse(groups: &[&Group], arguments: &[String], typed: &mut Typed) -> Result<Vec<String>, FlagError> {
    let mut parser = Parser { groups, typed, rest: arguments.iter(), others: Vec::new() };
    while let Some(argument) = parser.rest.next() {
        if !is_flag(argument) {
            parser.others.push(argument.clone());
        } else if let Some(long) = argument.strip_prefix("--") {
            parser.long(long)?;
        } else {
            parser.short(argument.get(1..).unwrap_or_default())?;
        }
    }
    Ok(parser.others)
}

/// `-x..` or `--x..`
fn is_flag(argument: &str) -> bool {
    let name = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
    name.is_some_and(|name| !name.is_empty() && !name.starts_with('-'))
}

struct Parser<'a> {
    groups: &'a [&'a Group],
    typed: &'a mut Typed,
    rest: std::slice::Iter<'a, String>,
    others: Vec<String>,
}

impl Parser<'_> {
    fn find(&self, wanted: impl Fn(&Flag) -> bool) -> Option<Flag> {
        self.groups.iter().flat_map(|group| group.flags).find(|flag| wanted(flag)).copied()
    }

    fn long(&mut self, typed: &str) -> Result<(), FlagError> {
        let (name, value) = typed.split_once('=').map_or((typed, None), |(name, value)| (name, Some(value)));
        match self.find(|flag| flag.long == name) {
            Some(flag) => self.take(flag, true, value),
            None => Err(unknown(name)),
        }
    }

    fn short(&mut self, typed: &str) -> Result<(), FlagError> {
        let (letters, mut value) = match typed.get(1..2) {
            Some("=") => (typed.get(..1).unwrap_or_default(), typed.get(2..)),
            _ => self.with_value_behind(typed),
        };
        let mut left = letters.chars();
        while let Some(letter) = left.next() {
            let flag = self.find(|flag| flag.short == Some(letter)).ok_or_else(|| unknown(letters))?;
            self.take(flag, left.as_str().is_empty(), value.take())?;
        }
        Ok(())
    }

    /// `-dname`: the first letter takes all that follows, if it takes a value at all.
    fn with_value_behind<'t>(&self, typed: &'t str) -> (&'t str, Option<&'t str>) {
        let mut chars = typed.chars();
        let first = chars.next();
        let takes_value = |flag: &Flag| flag.short == first && !matches!(flag.takes, Takes::Nothing(_));
        if chars.as_str().is_empty() || self.find(takes_value).is_none() {
            return (typed, None);
        }
        let behind = typed.len() - chars.as_str().len();
        (typed.get(..behind).unwrap_or_default(), typed.get(behind..))
    }

    /// Keeps a flag's value. `last` is whether it may take the next argument.
    fn take(&mut self, flag: Flag, last: bool, value: Option<&str>) -> Result<(), FlagError> {
        let optional = match flag.takes {
            Takes::Nothing(place) => {
                *place(self.typed) = true;
                return value.map_or(Ok(()), |_| Err(FlagError::NoValue(flag.names())));
            }
            Takes::TextOr(alone, _) => Some(alone),
            Takes::Level => Some(""),
            Takes::Text(_) | Takes::Number(_) | Takes::List(_) => None,
        };
        let value = match (value, optional) {
            (Some(value), _) => value.to_owned(),
            (None, Some(alone)) => return self.keep(flag, alone.to_owned()),
            (None, None) if last => self.next_value(flag)?,
            (None, None) => return Err(FlagError::ValueMissing(flag.names())),
        };
        let meant = unquoted(&value).ok_or_else(|| invalid(flag, "invalid syntax".to_owned()))?;
        self.keep(flag, meant)
    }

    /// The next argument as a value. A flag there is a value that was forgotten.
    fn next_value(&mut self, flag: Flag) -> Result<String, FlagError> {
        let next = self.rest.next().ok_or_else(|| FlagError::ValueMissing(flag.names()))?;
        let negative = matches!(flag.takes, Takes::Number(_))
            && matches!(next.as_bytes(), [b'-', digit, ..] if digit.is_ascii_digit());
        if is_flag(next) && !negative {
            return Err(FlagError::FlagForValue { flag: flag.names(), found: next.clone() });
        }
        Ok(next.clone())
    }

    fn keep(&mut self, flag: Flag, value: String) -> Result<(), FlagError> {
        match flag.takes {
            Takes::Nothing(_) => {}
            Takes::Text(place) | Takes::TextOr(_, place) => *place(self.typed) = value,
            Takes::List(place) => place(self.typed).push(value),
            Takes::Number(place) => {
                let parsed = integer(&value);
                let number = parsed
                    .map_err(|why| invalid(flag, format!("strconv.ParseInt: parsing {value:?}: {why}")))?;
                *place(self.typed) = Some(number);
            }
            Takes::Level => {
                let level = &mut self.typed.general.verbosity;
                *level = raised(*level, &value).ok_or(FlagError::Verbosity)?;
            }
        }
        Ok(())
    }
}

fn unknown(name: &str) -> FlagError {
    match name {
        "dbpath" | "directoryperdb" | "journal" => FlagError::DbPath,
        _ => FlagError::Unknown(name.to_owned()),
    }
}

fn invalid(flag: Flag, reason: String) -> FlagError {
    let expected = match flag.takes {
        Takes::Number(_) => "int",
        Takes::List(_) => "[]string",
        Takes::Nothing(_) | Takes::Text(_) | Takes::TextOr(..) | Takes::Level => "string",
    };
    FlagError::Value { flag: flag.names(), expected, reason }
}

/// The level after one more `--verbose`: no value adds one, `3` adds three, `vv` (of `-vvv`) adds three, `v=3` sets it.
fn raised(level: i64, value: &str) -> Option<i64> {
    if let Ok(more) = value.parse::<i64>() {
        return Some(level.saturating_add(more));
    }
    let letters = value.trim_start_matches('v');
    let count = i64::try_from(value.len() - letters.len()).ok()?;
    match letters.as_bytes() {
        [] => Some(level.saturating_add(count + 1)),
        [b'=', digit] if count > 0 && digit.is_ascii_digit() => Some(i64::from(digit - b'0')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared;
    use super::*;
    use crate::personality::tool::{MONGODUMP, MONGORESTORE};

    fn parsed(line: &str) -> Result<(Typed, Vec<String>), String> {
        let arguments: Vec<String> = line.split(' ').map(ToOwned::to_owned).collect();
        let mut typed = Typed::default();
        let others = parse(MONGODUMP.groups, &arguments, &mut typed).map_err(|error| error.to_string())?;
        Ok((typed, others))
    }

    fn error(line: &str) -> String {
        parsed(line).err().unwrap_or_default()
    }

    #[test]
    fn every_form_of_a_value_is_read() {
        for line in ["-d x", "-dx", "-d=x", "--db x", "--db=x", "--db y -d x", "--db=\"x\"", "-d \"\\x78\""] {
            assert_eq!(parsed(line).unwrap().0.namespace.db, "x", "{line}");
        }
        let (typed, others) =
            parsed("a --archive b -j -3 - -- ---c --excludeCollection=d --excludeCollection e").unwrap();
        assert_eq!(others, ["a", "b", "-", "--", "---c"]);
        assert_eq!((typed.dump.archive.as_str(), typed.dump.parallel_collections), ("-", Some(-3)));
        assert_eq!(typed.dump.exclude_collection, ["d", "e"]);
        assert_eq!(parsed("--archive=x=y").unwrap().0.dump.archive, "x=y");
        assert_eq!(parsed("--archive=").unwrap().0.dump.archive, "");
        assert_eq!(error("-vdx"), "Invalid verbosity value given");
    }

    #[test]
    fn levels_add_up() {
        for (line, level) in [
            ("-v", 1),
            ("-vvv", 3),
            ("-v -v", 2),
            ("-vv=5", 5),
            ("-v3", 3),
            ("--verbose=2 -v", 3),
            ("--verbose=-1", -1),
        ] {
            assert_eq!(parsed(line).unwrap().0.general.verbosity, level, "{line}");
        }
        assert_eq!(parsed("--verbose 2").unwrap().1, ["2"]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (line, message) in [
            ("--nope=1", "unknown option `nope`"),
            ("-xyz", "unknown option `xyz`"),
            ("--gzip=true", "bool flag `--gzip' cannot have an argument"),
            ("--db", "expected argument for flag `-d, --db'"),
            ("-d --gzip", "expected argument for flag `-d, --db', but got option `--gzip'"),
            (
                "-j four",
                "invalid argument for flag `-j, --numParallelCollections' (expected int): \
                 strconv.ParseInt: parsing \"four\": invalid syntax",
            ),
            ("--db=\"x", "invalid argument for flag `-d, --db' (expected string): invalid syntax"),
            (
                "--excludeCollection=\"",
                "invalid argument for flag `--excludeCollection' (expected []string): invalid syntax",
            ),
        ] {
            assert_eq!(error(line), message, "{line}");
        }
        assert!(error("--dbpath x").starts_with("--dbpath and related flags are not supported"));
    }

    #[test]
    fn no_flag_is_there_twice() {
        for tool in [&MONGODUMP, &MONGORESTORE] {
            let mut names = std::collections::HashSet::new();
            for flag in tool.groups.iter().flat_map(|group| group.flags) {
                assert!(names.insert(flag.long.to_owned()), "{}", flag.long);
                assert!(flag.short.is_none_or(|short| names.insert(short.to_string())), "{}", flag.long);
            }
            assert!(
                shared::WITH_SECRETS
                    .iter()
                    .all(|group| tool.groups.iter().any(|own| std::ptr::eq(*own, *group)))
            );
        }
    }
}
