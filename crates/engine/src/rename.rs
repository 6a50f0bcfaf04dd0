//! Restoring under other names: pure rules over namespaces.

use mongoark_model::Namespace;
use std::fmt;
use std::str::FromStr;

/// `FROM=TO`: a database (`a=b`), a collection (`a.c=b.d`), or all with a prefix (`a.old*=b.new*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    from: Side,
    to: Side,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Side {
    db: String,
    /// The collection, or the start of it; none: the whole database.
    collection: Option<String>,
    /// Whether a `*` ends it.
    open: bool,
}

impl FromStr for Rename {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("'{text}' is not a renaming: {why}; write DB=DB, DB.COLL=DB.COLL or DB.PRE*=DB.PRE*")
        };
        let (from, to) = text.split_once('=').ok_or_else(|| wrong("there is no '='"))?;
        let (from, to) = (
            side(from).ok_or_else(|| wrong("a name is empty"))?,
            side(to).ok_or_else(|| wrong("a name is empty"))?,
        );
        if from.collection.is_some() != to.collection.is_some() || from.open != to.open {
            return Err(wrong("both sides must be of one form"));
        }
        Ok(Self { from, to })
    }
}

fn side(text: &str) -> Option<Side> {
    let (db, collection) = match text.split_once('.') {
        Some((db, collection)) => (db, Some(collection)),
        None => (text, None),
    };
    let open = collection.is_some_and(|collection| collection.ends_with('*'));
    let collection =
        collection.map(|collection| collection.strip_suffix('*').unwrap_or(collection).to_owned());
    let valid = !db.is_empty() && (open || collection.as_deref() != Some(""));
    valid.then(|| Side { db: db.to_owned(), collection, open })
}

impl fmt::Display for Rename {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.from, self.to)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.db)?;
        self.collection.iter().try_for_each(|collection| write!(f, ".{collection}"))?;
        f.write_str(if self.open { "*" } else { "" })
    }
}

impl Rename {
    /// The new name, where this renaming matches.
    pub fn apply(&self, namespace: &Namespace) -> Option<Namespace> {
        if self.from.db != namespace.db {
            return None;
        }
        let collection = match (&self.from.collection, &self.to.collection) {
            (Some(from), Some(to)) if self.from.open => {
                format!("{to}{}", namespace.collection.strip_prefix(from.as_str())?)
            }
            (Some(from), Some(to)) => (*from == namespace.collection).then(|| to.clone())?,
            _ => namespace.collection.clone(),
        };
        Some(Namespace::new(self.to.db.clone(), collection))
    }
}

/// The name a namespace gets: the last renaming that matches counts.
pub fn renamed(namespace: &Namespace, renames: &[Rename]) -> Namespace {
    renames.iter().rev().find_map(|rename| rename.apply(namespace)).unwrap_or_else(|| namespace.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renames_databases_collections_and_prefixes() {
        let rules: Vec<Rename> =
            ["a=b", "a.c=x.d", "a.old*=a.new*", "q.*=r.*"].iter().map(|text| text.parse().unwrap()).collect();
        for (from, to) in
            [("a.k", "b.k"), ("a.c", "x.d"), ("a.old.1", "a.new.1"), ("q.z.z", "r.z.z"), ("o.o", "o.o")]
        {
            assert_eq!(renamed(&from.parse().unwrap(), &rules), to.parse().unwrap(), "{from}");
        }
        assert_eq!(
            rules.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["a=b", "a.c=x.d", "a.old*=a.new*", "q.*=r.*"]
        );
        for bad in ["a", "=b", "a=", "a.c=b", "a.c*=b.d", "a.=b.c"] {
            assert!(bad.parse::<Rename>().is_err(), "{bad}");
        }
    }
}
