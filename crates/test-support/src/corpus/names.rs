//! Collection names that a file system, a URL or an archive could trip over.

use bson::doc;
use mongoark_bson_bytes::Builder;

use super::loader::{Loader, Result};

const SHORT: &[&str] = &[
    "with space",
    " leading",
    "trailing ",
    "a/b",
    "a%b",
    "a%2Fb",
    "a%252Fb",
    "line\nbreak",
    "tab\tname",
    "dots.in.name",
    "dot..dot",
    "trailing.dot.",
    "é",
    "e\u{301}",
    "日本語",
    "😀",
    "1234",
    "9lives",
    "-dash",
    "--archive",
    "~tilde",
    "quote\"s'",
    "back\\slash",
    "star*?",
    "a:b|c<d>",
    "a&b=c;d",
    "a+b",
    "[x]",
    "{y}",
    "#hash",
    "@at",
    "x.bson",
    "x.metadata.json",
    "x.metadata",
    "y.bson.gz",
    "oplog",
    "oplog.bson",
    "prelude",
    "prelude.json",
    "CASE",
    "case",
    "con",
    "system_",
    "systemx",
    "null",
    "%",
    "%%",
    "%24",
    "_",
    concat!(
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    ),
    "js",
    "\u{202e}rtl",
    "\x01\x1f\x7f",
];

/// Names that mean something by how they end keep that end.
const MEANINGFUL_ENDS: [&str; 5] = [".bson", ".json", ".gz", ".metadata", "."];

pub(super) async fn load(loader: &mut Loader, db: &str) -> Result<()> {
    let variant = loader.options.variant.clone();
    for (name, id) in SHORT.iter().zip(0..) {
        let plain = variant.is_empty() || MEANINGFUL_ENDS.iter().any(|end| name.ends_with(end));
        let name = if plain { (*name).to_owned() } else { format!("{name}-{variant}") };
        if id % 5 == 0 {
            loader.index(db, &name, doc! { "name": 1 }, doc! {}).await?;
        }
        loader.insert(db, &name, [document(id, &name)]).await?;
    }
    for (name, id) in long_names(255 - db.len() - 1).into_iter().zip(0..) {
        let name = with_variant(&name, &variant);
        loader.index(db, &name, doc! { "name": 1 }, doc! { "name": "by_name" }).await?;
        loader.insert(db, &name, [document(id, &name)]).await?;
    }
    Ok(())
}

fn document(id: i32, name: &str) -> Vec<u8> {
    Builder::new().i32("_id", id).str("name", name).finish()
}

/// The variant takes the place of at least as many bytes after the fiftieth character.
fn with_variant(name: &str, variant: &str) -> String {
    let mut rest = name.chars().skip(50);
    let mut replaced = 0;
    while replaced < variant.len() {
        let Some(c) = rest.next() else { break };
        replaced += c.len_utf8();
    }
    name.chars().take(50).chain(variant.chars()).chain(rest).collect()
}

/// Names around the limits of the peer's directory form, which cuts an escaped name of more than 238 bytes at 208,
/// even inside a `%XX`; and up to `room`, the longest that the server takes.
fn long_names(room: usize) -> Vec<String> {
    let snow = |count: usize| "雪".repeat(count);
    vec![
        "L".repeat(200),
        "m".repeat(237),
        "n".repeat(238),
        "o".repeat(239),
        "p".repeat(room),
        format!("x{}{}", snow(24), "y".repeat(8)),
        snow(66),
        format!("x{}", snow(67)),
        snow(79),
        "é".repeat(room / 2),
        format!("{}-one", "q".repeat(208)),
        format!("{}-two", "q".repeat(208)),
        format!("y{}", "/".repeat(78)),
        format!("y{}", "/".repeat(79)),
        "/".repeat(80),
        "/".repeat(85),
        format!("{}////////////", "r".repeat(205)),
        format!("{}é{}", "s".repeat(206), "t".repeat(20)),
        format!("{}é{}", "s".repeat(206), "t".repeat(30)),
        format!("{}{}", "u".repeat(100), "%".repeat(40)),
        "+ ".repeat(50),
        format!("w{}{}", snow(40), "x".repeat(room - 80 - 41)),
    ]
}
