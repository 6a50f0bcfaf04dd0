//! The tools by name: their flags and what they say of themselves.

use super::flags::{Group, shared};
use super::{bsondump, mongodump, mongorestore};

/// The version of the tools whose behaviour this is.
pub const VERSION: &str = "100.18.0";

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    Mongodump,
    Mongorestore,
    Bsondump,
}

/// A tool.
pub struct Tool {
    /// Which it is.
    pub is: Name,
    /// Its name.
    pub name: &'static str,
    /// What may stand on its command line.
    pub usage: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Its flags.
    pub groups: &'static [&'static Group],
}

/// `mongodump`.
pub static MONGODUMP: Tool = Tool {
    is: Name::Mongodump,
    name: "mongodump",
    usage: "<options> <connection-string>",
    about: "Dump a running server into .bson files or an archive: all of it, with -d one database, with -d and -c\n\
            one collection. A connection string begins with mongodb:// or mongodb+srv://.",
    groups: &[
        &shared::GENERAL,
        &shared::VERBOSITY,
        &shared::CONNECTION,
        &shared::TLS,
        &shared::AUTH,
        &shared::KERBEROS,
        &shared::NAMESPACE,
        &shared::URI,
        &mongodump::flags::QUERY,
        &mongodump::flags::OUTPUT,
    ],
};

/// `mongorestore`.
pub static MONGORESTORE: Tool = Tool {
    is: Name::Mongorestore,
    name: "mongorestore",
    usage: "<options> <connection-string> <directory or file to restore>",
    about: "Restore what mongodump wrote to a running server: a whole dump, with -d the folder of one database, with\n\
            -d and -c one .bson file. A connection string begins with mongodb:// or mongodb+srv://.",
    groups: &[
        &shared::GENERAL,
        &shared::VERBOSITY,
        &shared::CONNECTION,
        &shared::TLS,
        &shared::AUTH,
        &shared::KERBEROS,
        &shared::NAMESPACE,
        &shared::URI,
        &mongorestore::flags::NAMESPACES,
        &mongorestore::flags::INPUT,
        &mongorestore::flags::OUTPUT,
    ],
};

/// `bsondump`.
pub static BSONDUMP: Tool = Tool {
    is: Name::Bsondump,
    name: "bsondump",
    usage: "<options> <file>",
    about: "Print the documents of a .bson file.",
    groups: &[&shared::GENERAL, &shared::VERBOSITY, &bsondump::flags::OUTPUT],
};

impl Tool {
    /// The tool of this name, if there is one; a file's name may end in `.exe`.
    pub fn named(name: &str) -> Option<&'static Self> {
        let name = name.strip_suffix(".exe").unwrap_or(name);
        [&MONGODUMP, &MONGORESTORE, &BSONDUMP].into_iter().find(|tool| tool.name == name)
    }

    /// The last line of what is said about a command line that cannot be followed.
    pub fn hint(&self) -> String {
        format!("try '{} --help' for more information", self.name)
    }
}
