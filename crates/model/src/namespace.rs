//! A namespace: a database and a collection in it, the unit that a dump selects and names.

use std::fmt;
use std::str::FromStr;

/// `<database>.<collection>`. The collection's name may itself hold dots, slashes, line breaks
/// and any other UTF-8; the database's name holds no dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace {
    /// The database.
    pub db: String,
    /// The collection, view or time series.
    pub collection: String,
}

impl Namespace {
    /// A namespace of these two names, taken as they are.
    pub fn new(db: impl Into<String>, collection: impl Into<String>) -> Self {
        Self { db: db.into(), collection: collection.into() }
    }

    /// Whether the server keeps this collection for itself (`system.*`).
    pub fn is_system(&self) -> bool {
        self.collection.starts_with("system.")
    }
}

impl fmt::Display for Namespace {
    /// `db.collection`, with control characters escaped so that a name cannot break a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.db.chars().chain(['.']).chain(self.collection.chars()) {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

/// A text that is no `<database>.<collection>`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a namespace: write DATABASE.COLLECTION")]
pub struct InvalidNamespace(pub String);

impl FromStr for Namespace {
    type Err = InvalidNamespace;

    fn from_str(text: &str) -> Result<Self, InvalidNamespace> {
        match text.split_once('.') {
            Some((db, collection)) if !db.is_empty() && !collection.is_empty() => {
                Ok(Self::new(db, collection))
            }
            _ => Err(InvalidNamespace(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_at_the_first_dot() {
        let ns: Namespace = "db.a.b".parse().unwrap();
        assert_eq!(ns, Namespace::new("db", "a.b"));
        for bad in ["", "db", ".c", "db."] {
            assert_eq!(bad.parse::<Namespace>(), Err(InvalidNamespace(bad.to_owned())));
        }
    }

    #[test]
    fn shows_control_characters_escaped() {
        assert_eq!(Namespace::new("d", "line\nbreak é").to_string(), "d.line\\nbreak é");
    }
}
