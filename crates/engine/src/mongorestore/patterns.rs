//! Patterns over namespaces, as `--nsInclude`, `--nsExclude`, `--nsFrom` and `--nsTo` take them: `*` stands for any
//! text, dots included; a renaming may name its parts instead, as in `$db$.$collection$`.

use crate::quote::quoted;

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// Any text, as short as it can be; its name, where it has one.
    Any(String),
}

/// Namespaces that one of several patterns matches.
#[derive(Clone, Debug, Default)]
pub(super) struct Matcher(Vec<Vec<Piece>>);

impl Matcher {
    /// Takes patterns with `*`; a backslash before it makes it an ordinary character.
    pub(super) fn new<P: AsRef<str>>(patterns: &[P]) -> Result<Self, String> {
        let pieces = patterns.iter().map(|pattern| {
            let pattern = pattern.as_ref();
            if pattern.contains('$') {
                return Err("'$' is not allowed in include/exclude patterns".to_owned());
            }
            Ok(with_asterisks(pattern))
        });
        pieces.collect::<Result<_, _>>().map(Self)
    }

    /// Adds one exact beginning of a name, or the whole of it, in a given database or in any (`*.`).
    pub(super) fn add(&mut self, pieces: &[Exact<'_>]) {
        let piece = |piece: &Exact<'_>| match piece {
            Exact::Text(text) => Piece::Text((*text).to_owned()),
            Exact::Any => Piece::Any(String::new()),
        };
        self.0.push(joined(pieces.iter().map(piece).collect()));
    }

    /// Whether any pattern matches the whole of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|pieces| matched(pieces, name).is_some())
    }
}

/// A piece of a pattern that is not written as text, so that no character in it has a meaning.
#[derive(Clone, Copy, Debug)]
pub(super) enum Exact<'a> {
    Text(&'a str),
    Any,
}

/// Renamings; where several match, the last one counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Renamer(Vec<(Vec<Piece>, Vec<Piece>)>);

impl Renamer {
    /// Takes pairs of patterns.
    pub(super) fn new(pairs: &[(String, String)]) -> Result<Self, String> {
        pairs.iter().map(|(from, to)| renaming(from, to)).collect::<Result<_, _>>().map(Self)
    }

    /// The new name; none where no renaming matches.
    pub(super) fn renamed(&self, name: &str) -> Option<String> {
        self.0.iter().rev().find_map(|(from, to)| Some(filled(to, &matched(from, name)?)))
    }
}

fn renaming(from: &str, to: &str) -> Result<(Vec<Piece>, Vec<Piece>), String> {
    let (pieces, target) = if from.contains('$') {
        for (side, text) in [("from", from), ("to", to)] {
            if text.matches('$').count() % 2 != 0 {
                return Err(format!("Odd number of dollar signs in {side}: {}", quoted(text)));
            }
        }
        (with_variables(from), with_variables(to))
    } else {
        let (pieces, target) = (with_asterisks(from), with_asterisks(to));
        if names(&pieces).count() != names(&target).count() {
            let (from, to) = (quoted(from), quoted(to));
            return Err(format!("Different number of asterisks in from: {from} and to: {to}"));
        }
        (numbered(pieces), numbered(target))
    };
    check_variables(&pieces, &target)
        .map_err(|why| format!("Invalid replacement from {} to {}: {why}", quoted(from), quoted(to)))?;
    Ok((pieces, target))
}

fn check_variables(from: &[Piece], to: &[Piece]) -> Result<(), String> {
    let known: Vec<&str> = names(from).collect();
    for (at, name) in known.iter().enumerate() {
        if known.iter().take(at).any(|earlier| earlier == name) {
            return Err(format!("Variable name {} used more than once", quoted(name)));
        }
    }
    match names(to).find(|name| !known.contains(name)) {
        Some(name) => Err(format!("Unknown variable {}", quoted(name))),
        None => Ok(()),
    }
}

fn names(pieces: &[Piece]) -> impl Iterator<Item = &str> {
    pieces.iter().filter_map(|piece| match piece {
        Piece::Any(name) => Some(name.as_str()),
        Piece::Text(_) => None,
    })
}

/// Gives each asterisk its number as a name.
fn numbered(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut number = 0;
    let name = |piece| match piece {
        Piece::Any(_) => {
            number += 1;
            Piece::Any(number.to_string())
        }
        text @ Piece::Text(_) => text,
    };
    pieces.into_iter().map(name).collect()
}

/// `*` is any text; a backslash takes the meaning of what follows.
fn with_asterisks(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut characters = pattern.chars().peekable();
    while let Some(c) = characters.next() {
        pieces.push(match c {
            '*' => Piece::Any(String::new()),
            '\\' => match characters.next_if(|next| matches!(next, '\\' | '*')) {
                Some(escaped) => Piece::Text(escaped.to_string()),
                None => continue,
            },
            other => Piece::Text(other.to_string()),
        });
    }
    joined(pieces)
}

/// `$name$` is any text; everything else stands for itself.
fn with_variables(pattern: &str) -> Vec<Piece> {
    let piece = |(at, part): (usize, &str)| {
        if at % 2 == 1 { Piece::Any(part.to_owned()) } else { Piece::Text(part.to_owned()) }
    };
    joined(pattern.split('$').enumerate().map(piece).collect())
}

/// The same with neighbouring texts in one piece, and without empty ones.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (out.last_mut(), piece) {
            (_, Piece::Text(text)) if text.is_empty() => {}
            (Some(Piece::Text(last)), Piece::Text(text)) => last.push_str(&text),
            (_, piece) => out.push(piece),
        }
    }
    out
}

/// What the variables stand for where the pattern matches the whole name: each the shortest text from left to right.
/// Needs no going back: what an earlier text takes too early, the variable behind it makes good.
fn matched<'a>(pieces: &'a [Piece], name: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let (mut rest, mut found, mut waiting) = (name, Vec::new(), None);
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Any(variable) => {
                if let Some(waiting) = waiting.replace(variable.as_str()) {
                    found.push((waiting, ""));
                }
            }
            Piece::Text(text) => {
                let place = match waiting {
                    None => rest.starts_with(text.as_str()).then_some(0)?,
                    Some(_) if at + 1 == pieces.len() => rest.strip_suffix(text.as_str())?.len(),
                    Some(_) => rest.find(text.as_str())?,
                };
                let (before, behind) = rest.split_at_checked(place)?;
                found.extend(waiting.take().map(|variable| (variable, before)));
                rest = behind.strip_prefix(text.as_str())?;
            }
        }
    }
    match waiting {
        Some(variable) => found.push((variable, rest)),
        None if rest.is_empty() => {}
        None => return None,
    }
    Some(found)
}

fn filled(pieces: &[Piece], variables: &[(&str, &str)]) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Any(name) => {
            let value = variables.iter().find(|(variable, _)| variable == name);
            value.map(|(_, value)| (*value).to_owned()).unwrap_or_default()
        }
    };
    pieces.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asterisks_match_any_text() {
        for (pattern, name, expected) in [
            ("*", "a.b.c", true),
            ("db.*", "db.a.b", true),
            ("db.*", "db", false),
            ("db.c", "db.cc", false),
            ("*.c", "db.x.c", true),
            ("d*b.*x*", "d.b.axb", true),
            ("a*a", "a", false),
            (r"db.a\*", "db.a*", true),
            (r"db.a\*", "db.ab", false),
            (r"db.a\\b", r"db.a\b", true),
            ("db.a[1]", "db.a[1]", true),
        ] {
            assert_eq!(Matcher::new(&[pattern]).unwrap().has(name), expected, "{pattern} on {name}");
        }
        assert!(Matcher::new(&["a.$b"]).is_err());
        let mut matcher = Matcher::default();
        matcher.add(&[Exact::Any, Exact::Text(".a*$")]);
        assert!(matcher.has("db.a*$") && !matcher.has("db.ab$"));
    }

    fn renamed(pairs: &[(&str, &str)], name: &str) -> Option<String> {
        let pairs: Vec<_> = pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        Renamer::new(&pairs).unwrap().renamed(name)
    }

    #[test]
    fn names_are_rewritten_part_by_part() {
        for (from, to, name, expected) in [
            ("a.*", "b.*", "a.x.y", Some("b.x.y")),
            ("a.*", "b.*", "c.x", None),
            ("*.*", "all.*_*", "a.b.c", Some("all.a_b.c")),
            ("$db$.$c$", "x.$c$_of_$db$", "d.a.b", Some("x.a.b_of_d")),
            ("$a$b$c$", "$c$$a$", "1b2b3", Some("2b31")),
            ("a.c", "b.d", "a.c", Some("b.d")),
            ("a.$x$.", "b.$x$", "a.1.2.", Some("b.1.2")),
        ] {
            assert_eq!(renamed(&[(from, to)], name).as_deref(), expected, "{from} to {to} on {name}");
        }
        let later_wins = [("a.*", "b.*"), ("a.x", "c.x")];
        assert_eq!(renamed(&later_wins, "a.x").as_deref(), Some("c.x"));
        assert_eq!(renamed(&later_wins, "a.y").as_deref(), Some("b.y"));
    }

    #[test]
    fn renamings_that_make_no_sense_are_refused() {
        for (from, to, why) in [
            ("a.*", "b.c", "Different number of asterisks in from: `a.*` and to: `b.c`"),
            ("a.$b", "c", "Odd number of dollar signs in from: `a.$b`"),
            ("$a$", "$b", "Odd number of dollar signs in to: `$b`"),
            (
                "$a$.$a$",
                "x",
                "Invalid replacement from `$a$.$a$` to `x`: Variable name `a` used more than once",
            ),
            ("$a$.x", "$b$", "Invalid replacement from `$a$.x` to `$b$`: Unknown variable `b`"),
        ] {
            let pairs = [(from.to_owned(), to.to_owned())];
            assert_eq!(Renamer::new(&pairs).unwrap_err(), why);
        }
    }
}
