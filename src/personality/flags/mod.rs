//! The flags of the tools: what each is called, what it takes, and where it is kept.
//!
//! [`parse`] fills a [`Typed`] from a command line by a tool's table of [`Group`]s, [`shared`] holds the groups that
//! tools have in common, and [`help`] prints a table. What the flags mean together is decided afterwards, in
//! [`super::settle`] and by each tool.

pub mod help;
mod parse;
pub mod shared;
mod typed;

pub use parse::{FlagError, parse};
pub use typed::{BsonArgs, RestoreArgs, TlsArgs, Typed};

/// Where a flag's value is kept.
type Place<T> = fn(&mut Typed) -> &mut T;

/// What a flag takes.
#[derive(Clone, Copy)]
pub enum Takes {
    /// No value: it is on or off.
    Nothing(Place<bool>),
    /// A text; an empty one counts as absent.
    Text(Place<String>),
    /// A text behind `=` alone; without one, this text.
    TextOr(&'static str, Place<String>),
    /// A whole number.
    Number(Place<Option<i64>>),
    /// A text; each time it is given adds one.
    List(Place<Vec<String>>),
    /// Nothing, several `v`, or a number: the number of lines of `--verbose`.
    Level,
}

/// A flag.
#[derive(Clone, Copy)]
pub struct Flag {
    /// The name behind `--`.
    pub long: &'static str,
    /// The letter behind `-`.
    pub short: Option<char>,
    /// What it takes.
    pub takes: Takes,
    /// What the help calls its value.
    pub value: &'static str,
    /// What the help says; `None` for a flag that the help does not list.
    pub help: Option<&'static str>,
}

/// Flags under one heading of the help.
pub struct Group {
    /// The heading.
    pub name: &'static str,
    /// Its flags in order.
    pub flags: &'static [Flag],
}

impl Flag {
    /// A flag that the help lists.
    pub const fn new(long: &'static str, takes: Takes, value: &'static str, help: &'static str) -> Self {
        Self { long, short: None, takes, value, help: Some(help) }
    }

    /// A flag that the help does not list.
    pub const fn hidden(long: &'static str, takes: Takes) -> Self {
        Self { long, short: None, takes, value: "", help: None }
    }

    /// The same with a letter.
    pub const fn or(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    /// Both names, as messages show them: `-d, --db`.
    pub fn names(&self) -> String {
        match self.short {
            Some(short) => format!("-{short}, --{}", self.long),
            None => format!("--{}", self.long),
        }
    }
}
