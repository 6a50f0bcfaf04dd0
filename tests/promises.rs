//! The tables in `docs/testing.md` name, for each promise of the README and each way to lose a document, tests that are there.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

const HEADINGS: [&str; 2] =
    ["## What the README promises, and what holds it", "## What could be lost without a word"];

/// The tests that the table below a heading names, `file::test`.
fn named(document: &str, heading: &str) -> Vec<(String, String)> {
    let section = document.split_once(heading).unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let words = rows.flat_map(|row| row.split('`')).filter_map(|word| word.split_once("::"));
    words.map(|(file, test)| (file.to_owned(), test.to_owned())).collect()
}

/// The source of a test file: one file, or the folder of a test of several.
fn source(file: &str) -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    if let Ok(text) = std::fs::read_to_string(tests.join(format!("{file}.rs"))) {
        return text;
    }
    let entries = std::fs::read_dir(tests.join(file)).unwrap_or_else(|error| panic!("tests/{file}: {error}"));
    entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn every_test_that_the_table_names_is_there() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/testing.md");
    let document = std::fs::read_to_string(document).unwrap();
    for heading in HEADINGS {
        let tests = named(&document, heading);
        assert!(tests.len() > 10, "{heading}: {tests:?}");
        let missing: Vec<_> =
            tests.iter().filter(|(file, test)| !source(file).contains(&format!("fn {test}()"))).collect();
        assert!(missing.is_empty(), "{heading}: {missing:?}");
    }
}
