//! The crates depend on each other as the table in `docs/architecture.md` says, and in no other way.
//!
//! The table stands under "Who may depend on whom" with the columns crate, workspace crates, reserved external
//! crates; `-` means none. An external crate in any row may be imported by the crates whose row names it and by no
//! other. Dev-dependencies are free, and so are the crates that only tests and developers use.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

const HEADING: &str = "## Who may depend on whom";
/// They see everything, and nothing that ships depends on them.
const EXEMPT: [&str; 3] = ["io-faults", "test-support", "xtask"];

type Names = BTreeSet<String>;

/// What one crate may import.
#[derive(Debug, Default, PartialEq, Eq)]
struct Row {
    workspace: Names,
    reserved: Names,
}

/// What one crate does import, but for its tests.
#[derive(Debug, Default)]
struct Imports {
    workspace: Names,
    external: Names,
}

type Table = BTreeMap<String, Row>;
type Workspace = BTreeMap<String, Imports>;

#[test]
fn the_crates_keep_to_the_table() {
    let table = parse(&document()).unwrap();
    let found = violations(&table, &workspace());
    assert!(found.is_empty(), "docs/architecture.md, {HEADING:?}:\n{}", found.join("\n"));
}

#[test]
fn a_forbidden_edge_is_found() {
    let table = parse(EXAMPLE).unwrap();
    let crates = example([("low", &[], &[]), ("high", &["low"], &["driver"])]);
    assert!(violations(&table, &crates).is_empty());

    let upwards = example([("low", &["high"], &[]), ("high", &[], &[])]);
    assert_eq!(violations(&table, &upwards), ["low may not depend on high"]);
    let external = example([("low", &[], &["driver", "free"]), ("high", &[], &["free"])]);
    assert_eq!(violations(&table, &external), ["low may not import driver, which is reserved for high"]);
    let shipped = example([("low", &[], &[]), ("high", &["test-support"], &[])]);
    assert_eq!(violations(&table, &shipped), ["high may not depend on test-support"]);
}

#[test]
fn the_table_lists_every_crate_and_no_other() {
    let table = parse(EXAMPLE).unwrap();
    let unlisted =
        example([("low", &[], &[]), ("high", &[], &[]), ("new", &[], &[]), ("xtask", &["high"], &[])]);
    assert_eq!(violations(&table, &unlisted), ["new is not in the table"]);
    assert_eq!(
        violations(&table, &example([("low", &[], &[])])),
        ["high is in the table, and there is no such crate"]
    );
}

#[test]
fn a_table_that_cannot_be_read_is_an_error() {
    assert!(parse("# Architecture\n").is_err());
    assert!(parse(&format!("{HEADING}\n\nNo table.\n\n## Next\n| a | - | - |\n")).is_err());
    assert!(parse(&format!("{HEADING}\n| crate | b | c |\n|---|---|---|\n| a | - |\n")).is_err());
}

const EXAMPLE: &str = "\
# Architecture
| unrelated | a | table |
## Who may depend on whom
| crate | workspace crates | reserved external crates |
|---|---|---|
| `low` | - | - |
| high | `low` | driver, other |
## Next
| unrelated | a | table |
";

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/architecture.md");
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("docs/architecture.md: {error}"))
}

/// Reads the table under [`HEADING`].
fn parse(text: &str) -> Result<Table, String> {
    let section = text.lines().skip_while(|line| line.trim() != HEADING).skip(1);
    let lines = section.take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with('|'));
    // The first two lines are the header and its rule.
    let table: Table = lines.skip(2).map(row).collect::<Result<_, _>>()?;
    if table.is_empty() { Err(format!("no table under {HEADING:?}")) } else { Ok(table) }
}

fn row(line: &str) -> Result<(String, Row), String> {
    let cells: Vec<Names> = line.trim().trim_matches('|').split('|').map(names).collect();
    match &cells[..] {
        [name, workspace, reserved] if name.len() == 1 => {
            let row = Row { workspace: workspace.clone(), reserved: reserved.clone() };
            Ok((name.iter().cloned().collect(), row))
        }
        _ => Err(format!("not a row of crate, workspace crates, reserved external crates: {line}")),
    }
}

fn names(cell: &str) -> Names {
    let names = cell.split(',').map(|name| name.trim().trim_matches('`'));
    names.filter(|name| !name.is_empty() && *name != "-").map(str::to_owned).collect()
}

/// The crates of this workspace under their names in the table, without the prefix.
fn workspace() -> Workspace {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo metadata");
    let crates =
        metadata.packages.iter().map(|package| (short(&package.name), imports(&package.dependencies)));
    crates.collect()
}

fn imports(dependencies: &[cargo_metadata::Dependency]) -> Imports {
    let mut imports = Imports::default();
    for dependency in dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development)
    {
        let names = if dependency.path.is_some() { &mut imports.workspace } else { &mut imports.external };
        names.insert(short(&dependency.name));
    }
    imports
}

fn short(name: &str) -> String {
    name.strip_prefix("mongoark-").unwrap_or(name).to_owned()
}

/// Every way in which the workspace departs from the table.
fn violations(table: &Table, workspace: &Workspace) -> Vec<String> {
    let mut found = Vec::new();
    for (name, imports) in workspace.iter().filter(|(name, _)| !EXEMPT.contains(&name.as_str())) {
        match table.get(name) {
            Some(row) => found.extend(departures(table, name, row, imports)),
            None => found.push(format!("{name} is not in the table")),
        }
    }
    let unknown = table.keys().filter(|name| !workspace.contains_key(*name));
    found.extend(unknown.map(|name| format!("{name} is in the table, and there is no such crate")));
    found
}

fn departures(table: &Table, name: &str, row: &Row, imports: &Imports) -> Vec<String> {
    let edges = imports.workspace.difference(&row.workspace);
    let edges = edges.map(|other| format!("{name} may not depend on {other}"));
    let reserved = imports.external.difference(&row.reserved).filter_map(|external| {
        let owners = table.iter().filter(|(_, row)| row.reserved.contains(external));
        let owners: Vec<&str> = owners.map(|(owner, _)| owner.as_str()).collect();
        let reserved_for = (!owners.is_empty()).then(|| owners.join(", "))?;
        Some(format!("{name} may not import {external}, which is reserved for {reserved_for}"))
    });
    edges.chain(reserved).collect()
}

fn example<const N: usize>(crates: [(&str, &[&str], &[&str]); N]) -> Workspace {
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
    let imports = |(name, workspace, external): (&str, &[&str], &[&str])| {
        (name.to_owned(), Imports { workspace: names(workspace), external: names(external) })
    };
    crates.into_iter().map(imports).collect()
}
