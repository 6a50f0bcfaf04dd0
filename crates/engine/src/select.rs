//! Which namespaces a run takes: pure rules over names.

use mongoark_model::{CollectionKind, Namespace};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The collections of `config` that belong to a cluster's state and travel with it.
pub(crate) const CONFIG_TAKEN: [&str; 7] =
    ["chunks", "collections", "databases", "settings", "shards", "tags", "version"];

/// The database of a cluster's state.
const CONFIG: &str = "config";

/// A namespace pattern: `DB`, `DB.COLLECTION`, either with `*` for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    db: String,
    collection: Option<String>,
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (db, collection) = match text.split_once('.') {
            Some((db, collection)) => (db, Some(collection.to_owned())),
            None => (text, None),
        };
        if db.is_empty() || collection.as_deref() == Some("") {
            return Err(format!(
                "'{text}' is not a namespace pattern: write DB, DB.COLLECTION or DB.PREFIX*"
            ));
        }
        Ok(Self { db: db.to_owned(), collection })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.collection {
            Some(collection) => write!(f, "{}.{collection}", self.db),
            None => f.write_str(&self.db),
        }
    }
}

impl Pattern {
    /// A pattern for exactly this database, and collection where given: `*` stands for itself.
    pub fn exact(db: &str, collection: Option<&str>) -> Self {
        Self { db: escape(db), collection: collection.map(escape) }
    }

    /// Whether the namespace matches.
    pub fn matches(&self, namespace: &Namespace) -> bool {
        glob(&self.db, &namespace.db)
            && self.collection.as_deref().is_none_or(|pattern| glob(pattern, &namespace.collection))
    }

    /// The one database that it can match in; nothing where its name holds a star.
    fn database(&self) -> Option<String> {
        tokens(&self.db).into_iter().collect()
    }

    /// Whether any namespace of this database can match.
    fn may_match_in(&self, db: &str) -> bool {
        glob(&self.db, db)
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('*', "\\*")
}

/// The characters of a pattern; nothing for a star that matches any run of them.
fn tokens(pattern: &str) -> Vec<Option<char>> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => tokens.push(None),
            '\\' if matches!(chars.peek(), Some('*' | '\\')) => tokens.push(chars.next()),
            c => tokens.push(Some(c)),
        }
    }
    tokens
}

/// `*` matches any run of characters, `\*` a star, `\\` a backslash, anything else itself.
fn glob(pattern: &str, text: &str) -> bool {
    let tokens = tokens(pattern);
    let text: Vec<char> = text.chars().collect();
    // Linear in practice: only the last star is ever tried again.
    let (mut at, mut place, mut star) = (0, 0, None);
    while place < text.len() {
        match tokens.get(at) {
            Some(None) => {
                star = Some((at, place));
                at += 1;
            }
            Some(Some(c)) if *c == text[place] => {
                at += 1;
                place += 1;
            }
            _ => {
                let Some((star_at, star_place)) = star else { return false };
                star = Some((star_at, star_place + 1));
                at = star_at + 1;
                place = star_place + 1;
            }
        }
    }
    tokens[at..].iter().all(Option::is_none)
}

/// What the user selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only what one of these matches; empty: everything.
    pub include: Vec<Pattern>,
    /// Nothing that one of these matches.
    pub exclude: Vec<Pattern>,
}

impl Selection {
    /// Whether the namespace is selected.
    pub fn takes(&self, namespace: &Namespace) -> bool {
        let included = self.include.is_empty() || self.include.iter().any(|p| p.matches(namespace));
        included && !self.exclude.iter().any(|p| p.matches(namespace))
    }

    /// Whether the user selected part of what there is.
    pub fn is_partial(&self) -> bool {
        !self.include.is_empty() || !self.exclude.is_empty()
    }

    /// Whether the user asks for `config` by its name: a pattern that happens to match it does not count.
    pub(crate) fn asks_for_config(&self) -> bool {
        self.include.iter().any(|pattern| pattern.db == CONFIG)
    }

    /// The databases, where each one is named in full; nothing where only a list of all of them tells.
    pub fn databases(&self) -> Option<BTreeSet<String>> {
        let named: Option<BTreeSet<String>> = self.include.iter().map(Pattern::database).collect();
        named.filter(|named| !named.is_empty())
    }

    /// Whether anything in this database can be selected.
    pub fn may_take_in(&self, db: &str) -> bool {
        self.include.is_empty() || self.include.iter().any(|p| p.may_match_in(db))
    }
}

/// Whether a database is ever dumped.
pub fn is_dumped_database(db: &str) -> bool {
    db != "local" && !db.starts_with("__mdb_internal_")
}

/// Whether a namespace is ever dumped, whatever the user selects.
///
/// Time-series buckets travel as their time series, `system.views` as views; `system.profile` and
/// the other `system.*` are the server's own. `admin.system.keys` is a secret of the deployment.
pub fn is_dumped(namespace: &Namespace, kind: CollectionKind) -> bool {
    match namespace.db.as_str() {
        // What a restore under way writes down about itself.
        "mongoark" if namespace.collection.starts_with("restore.") => false,
        "config" => CONFIG_TAKEN.contains(&namespace.collection.as_str()),
        "admin" if kind.is_accounts() => true,
        _ => !namespace.is_system() || namespace.collection == "system.js",
    }
}

/// Whether a namespace of an archive is ever restored, or one of that name ever written to: what a dump would not take, a restore
/// does not write, whatever an archive holds. `config` is a cluster's own state, which is restored only to who asks for it.
pub(crate) fn is_restored(namespace: &Namespace, kind: CollectionKind, asks_for_config: bool) -> bool {
    let is_account = namespace.db == "admin"
        && matches!(
            (namespace.collection.as_str(), kind),
            ("system.users", CollectionKind::Users) | ("system.roles", CollectionKind::Roles)
        );
    if kind.is_accounts() || is_account {
        return is_account;
    }
    is_dumped_database(&namespace.db)
        && is_dumped(namespace, kind)
        && (namespace.db != CONFIG || asks_for_config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ns(text: &str) -> Namespace {
        text.parse().unwrap()
    }

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn patterns_match_whole_names() {
        for (text, name, expected) in [
            ("db", "db.c", true),
            ("db", "db2.c", false),
            ("db.c", "db.c", true),
            ("db.c", "db.c.d", false),
            ("db.c*", "db.c.d", true),
            ("*.log*", "x.my.logs", false),
            ("*.*log*", "x.my.logs", true),
            ("d*b.a*b*c", "dxxb.aXbYbZc", true),
            ("d*b.a*b*c", "dxxb.aXbYbZ", false),
            (r"db.a\*b", "db.a*b", true),
            (r"db.a\*b", "db.axb", false),
        ] {
            assert_eq!(pattern(text).matches(&ns(name)), expected, "{text} on {name}");
        }
        assert!(Pattern::exact("db", Some("st*r")).matches(&ns("db.st*r")));
        assert!(!Pattern::exact("db", Some("st*r")).matches(&ns("db.stxr")));
        assert!("".parse::<Pattern>().is_err() && "db.".parse::<Pattern>().is_err());
    }

    #[test]
    fn selection_takes_what_is_included_and_not_excluded() {
        let selection =
            Selection { include: vec![pattern("a"), pattern("b.x*")], exclude: vec![pattern("a.secret")] };
        assert!(selection.takes(&ns("a.open")) && selection.takes(&ns("b.x1")));
        assert!(
            !selection.takes(&ns("a.secret")) && !selection.takes(&ns("b.y")) && !selection.takes(&ns("c.x"))
        );
        assert!(selection.may_take_in("b") && !selection.may_take_in("c"));
        assert!(Selection::default().takes(&ns("any.thing")));
        let names = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect());
        assert_eq!(selection.databases(), names(&["a", "b"]));
        let starred = |text| Selection { include: vec![pattern("a"), pattern(text)], exclude: Vec::new() };
        assert_eq!(starred(r"b\*.*").databases(), names(&["a", "b*"]));
        assert_eq!((starred("b*").databases(), Selection::default().databases()), (None, None));
    }

    #[test]
    fn an_archive_brings_nothing_that_a_dump_would_not_take() {
        let collection = CollectionKind::Collection;
        for name in [
            "local.oplog.rs",
            "local.mine",
            "config.system.sessions",
            "admin.system.version",
            "a.system.profile",
        ] {
            assert!(!is_restored(&ns(name), collection, true), "{name}");
        }
        assert!(!is_restored(&ns("config.chunks"), collection, false));
        assert!(is_restored(&ns("config.chunks"), collection, true));
        assert!(
            is_restored(&ns("a.system.js"), collection, false) && is_restored(&ns("a.b"), collection, false)
        );
        assert!(is_restored(&ns("admin.system.users"), CollectionKind::Users, false));
        assert!(!is_restored(&ns("admin.system.users"), collection, false));
        assert!(!is_restored(&ns("a.b"), CollectionKind::Users, false), "accounts are where accounts are");
        let asks = |pattern: &str| {
            Selection { include: vec![pattern.parse().unwrap()], exclude: Vec::new() }.asks_for_config()
        };
        assert!(asks("config") && asks("config.chunks") && !asks("*") && !asks("conf*"));
    }

    #[test]
    fn the_servers_own_collections_stay() {
        let collection = CollectionKind::Collection;
        for name in [
            "a.system.profile",
            "a.system.views",
            "a.system.buckets.t",
            "admin.system.keys",
            "admin.system.version",
            "config.transactions",
            "config.system.sessions",
            "mongoark.restore.0123",
        ] {
            assert!(!is_dumped(&ns(name), collection), "{name}");
        }
        for name in ["a.system.js", "a.systemx", "a.b$c", "config.chunks", "admin.mine"] {
            assert!(is_dumped(&ns(name), collection), "{name}");
        }
        assert!(is_dumped(&ns("admin.system.users"), CollectionKind::Users));
        assert!(
            !is_dumped_database("local")
                && !is_dumped_database("__mdb_internal_x")
                && is_dumped_database("admin")
        );
    }
}
