//! `--help` and `--version`.

use super::{Flag, Takes};
use crate::personality::tool::{Tool, VERSION};
use std::fmt::Write as _;

const WIDTH: usize = 100;
const INDENT: &str = "  ";
/// Where the help of a flag begins; flags too long for that have a line of their own.
const COLUMN: usize = 40;

/// The help, ready to be printed.
pub fn help(tool: &Tool) -> String {
    let mut out = format!("Usage:\n{INDENT}{} {}\n\n{}\n", tool.name, tool.usage, tool.about);
    for group in tool.groups {
        // Writing into a String cannot fail.
        _ = writeln!(out, "\n{}:", group.name);
        for flag in group.flags {
            if let Some(text) = flag.help {
                entry(&mut out, &synopsis(flag), text);
            }
        }
    }
    out
}

/// The version, ready to be printed: the tool's own line, then ours.
pub fn version(tool: &Tool) -> String {
    format!("{} version: {VERSION}\nmongoark version: {}\n", tool.name, env!("CARGO_PKG_VERSION"))
}

/// `  -d, --db=<database-name>`
fn synopsis(flag: &Flag) -> String {
    let short = flag.short.map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
    let value = match flag.takes {
        Takes::Nothing(_) => String::new(),
        _ => format!("={}", flag.value),
    };
    format!("{INDENT}{short}--{}{value}", flag.long)
}

fn entry(out: &mut String, synopsis: &str, text: &str) {
    let mut at = synopsis.len();
    out.push_str(synopsis);
    if at + INDENT.len() > COLUMN {
        out.push('\n');
        at = 0;
    }
    for word in text.split(' ') {
        let first = at < COLUMN;
        if !first && at + 1 + word.len() > WIDTH {
            out.push('\n');
            at = 0;
        }
        if at < COLUMN {
            _ = write!(out, "{:1$}", "", COLUMN - at);
            at = COLUMN;
        } else {
            out.push(' ');
            at += 1;
        }
        out.push_str(word);
        at += word.len();
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::personality::tool::{BSONDUMP, MONGODUMP, MONGORESTORE};

    #[test]
    fn every_flag_that_is_not_hidden_is_listed() {
        for tool in [&MONGODUMP, &MONGORESTORE, &BSONDUMP] {
            let help = help(tool);
            assert!(help.lines().all(|line| line.len() <= WIDTH + 15), "{help}");
            for flag in tool.groups.iter().flat_map(|group| group.flags) {
                let listed = help.contains(&format!("--{}", flag.long));
                assert_eq!(listed, flag.help.is_some(), "{}", flag.long);
            }
        }
    }

    #[test]
    fn texts_are_wrapped_at_words() {
        let mut out = String::new();
        entry(&mut out, "  -d, --db=<database-name>", "this database");
        assert_eq!(out, format!("{:40}{}\n", "  -d, --db=<database-name>", "this database"));
        let mut out = String::new();
        entry(&mut out, &"x".repeat(39), &"word ".repeat(20));
        assert!(out.lines().count() > 2 && out.lines().all(|line| line.len() <= WIDTH), "{out}");
    }
}
