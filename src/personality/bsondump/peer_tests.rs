//! Against what the real bsondump printed, kept in `fixtures/bsondump`.

use super::run::{Kind, Options, run};
use crate::personality::log::captured::Captured;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A run from a file into a file.
struct Run {
    folder: TempDir,
    options: Options,
}

/// What came of it.
struct Ran {
    code: u8,
    text: Vec<u8>,
    log: Vec<String>,
}

impl Run {
    fn new(input: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("in.bson"), input).unwrap();
        let options = Options {
            input: Some(folder.path().join("in.bson")),
            output: Some(folder.path().join("out")),
            ..Options::default()
        };
        Self { folder, options }
    }

    fn pretty(mut self) -> Self {
        self.options.pretty = true;
        self
    }

    fn debug(mut self) -> Self {
        self.options.kind = Kind::Debug;
        self
    }

    fn objcheck(mut self) -> Self {
        self.options.objcheck = true;
        self
    }

    fn ran(self) -> Ran {
        let captured = Captured::default();
        let code = run(&self.options, &captured.log(0, false));
        let text = fs::read(self.folder.path().join("out")).unwrap_or_default();
        Ran { code, text, log: captured.messages() }
    }

    fn text(self) -> Vec<u8> {
        let ran = self.ran();
        assert_eq!(ran.code, 0, "{:?}", ran.log);
        ran.text
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    pairs.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn odd_documents_are_printed_alike() {
    let lines = fs::read_to_string(fixture("bsondump/documents.jsonl")).unwrap();
    for line in lines.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let document = unhex(case["bson"].as_str().unwrap());
        let name = &case["name"];
        let json = String::from_utf8(Run::new(&document).text()).unwrap();
        assert_eq!(json, case["json"].as_str().unwrap(), "{name}");
        if let Some(expected) = case["pretty"].as_str() {
            assert_eq!(String::from_utf8(Run::new(&document).pretty().text()).unwrap(), expected, "{name}");
        }
        if let Some(expected) = case["debug"].as_str() {
            // Keys are printed as they are; the fixture shows each of their bytes as a character.
            let text: String = Run::new(&document).debug().text().into_iter().map(char::from).collect();
            assert_eq!(text, expected, "{name}");
        }
    }
    assert!(lines.lines().count() > 200);
}

/// The files of the three dumps, unpacked.
fn unpacked() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for server in ["4.4.2", "5.0.4", "6.0.5"] {
        let into = folder.path().join(server);
        fs::create_dir(&into).unwrap();
        let archive = fixture("dumps").join(server).join("directory/dump.tar.gz");
        let status = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(into).status().unwrap();
        assert!(status.success());
    }
    folder
}

/// `file` without the documents of these numbers, counted from 1.
fn without(file: &[u8], left_out: &HashSet<usize>) -> Vec<u8> {
    let documents = mongoark_bson_bytes::split_documents(file).map(Result::unwrap).enumerate();
    let kept = documents.filter(|(index, _)| !left_out.contains(&(index + 1)));
    kept.flat_map(|(_, document)| document.iter().copied()).collect()
}

fn digest(text: &[u8]) -> String {
    let digest = Sha256::digest(text);
    let (first, _) = digest.split_first_chunk().unwrap();
    format!("{:032x}", u128::from_be_bytes(*first))
}

#[test]
fn the_files_of_the_dumps_are_printed_alike() {
    let folder = unpacked();
    let list = fs::read_to_string(fixture("bsondump/golden.txt")).unwrap();
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    for line in lines.clone() {
        let [server, left_out, json, pretty, debug, name] =
            line.splitn(6, ' ').collect::<Vec<_>>().try_into().unwrap();
        let file = fs::read(folder.path().join(server).join(name)).unwrap();
        let left_out = left_out.split(',').filter_map(|number| number.parse().ok()).collect();
        let printable = without(&file, &left_out);
        assert_eq!(digest(&Run::new(&printable).text()), json, "{server} {name}");
        assert_eq!(digest(&Run::new(&printable).pretty().text()), pretty, "{server} {name}");
        assert_eq!(digest(&Run::new(&file).debug().text()), debug, "{server} {name}");
        let whole = Run::new(&file).ran();
        let documents = mongoark_bson_bytes::split_documents(&file).count();
        assert_eq!((whole.code, whole.log), (0, vec![format!("{documents} objects found")]));
    }
    assert!(lines.count() > 300);
}

/// `{"a": "x"}` three times, the second with a type that BSON does not know.
fn broken_in_the_middle() -> Vec<u8> {
    let good = b"\x0e\0\0\0\x02a\0\x02\0\0\0x\0\0";
    let mut bad = *good;
    bad[4] = 0x77;
    [&good[..], &bad, good].concat()
}

const UNKNOWN_TYPE: &str =
    "error converting BSON to extended JSON: invalid BSON at byte 4: unknown element type 0x77";

#[test]
fn a_broken_document_is_named_and_left_out() {
    let ran = Run::new(&broken_in_the_middle()).ran();
    assert_eq!((ran.code, &*ran.text), (0, &b"{\"a\":\"x\"}\n{\"a\":\"x\"}\n"[..]));
    assert_eq!(ran.log, [format!("unable to dump document 2: {UNKNOWN_TYPE}"), "3 objects found".to_owned()]);
}

#[test]
fn objcheck_stops_at_a_broken_document() {
    let ran = Run::new(&broken_in_the_middle()).objcheck().ran();
    assert_eq!((ran.code, &*ran.text), (1, &b"{\"a\":\"x\"}\n"[..]));
    let expected = [
        format!("unable to dump document 2: {UNKNOWN_TYPE}"),
        "1 objects found".to_owned(),
        UNKNOWN_TYPE.to_owned(),
    ];
    assert_eq!(ran.log, expected);
    let ran = Run::new(&broken_in_the_middle()).objcheck().debug().ran();
    assert_eq!(ran.code, 1);
    assert_eq!(ran.text, b"--- new object ---\n\tsize : 14\n\t\ta\n\t\t\ttype:    2 size: 9\n");
    assert_eq!(ran.log[0], "1 objects found");
    assert!(ran.log[1].starts_with("failed to validate bson during objcheck: "), "{}", ran.log[1]);
}

#[test]
fn debug_prints_what_can_be_told_of_a_broken_document() {
    let ran = Run::new(&broken_in_the_middle()).debug().ran();
    let good = "--- new object ---\n\tsize : 14\n\t\ta\n\t\t\ttype:    2 size: 9\n";
    let expected = format!("{good}--- new object ---\n\tsize : 14\n{good}");
    assert_eq!((ran.code, String::from_utf8(ran.text).unwrap()), (0, expected));
    let broken = "encountered error debugging BSON data: too few bytes to read next component";
    assert_eq!(ran.log, [broken, "3 objects found"]);
}

#[test]
fn a_cut_file_is_printed_up_to_the_cut() {
    let documents = broken_in_the_middle();
    let run_ = Run::new(&documents[..17]);
    let place = format!(" (the document at byte 14 of {})", run_.folder.path().join("in.bson").display());
    let ran = run_.ran();
    assert_eq!((ran.code, &*ran.text), (1, &b"{\"a\":\"x\"}\n"[..]));
    assert_eq!(ran.log, ["1 objects found".to_owned(), format!("unexpected EOF{place}")]);
}

#[test]
fn values_that_only_objcheck_refuses() {
    let boolean = b"\x09\0\0\0\x08a\0\x02\0";
    let old_binary = b"\x12\0\0\0\x05a\0\x05\0\0\0\x02\x09\0\0\0x\0";
    for (document, text) in [
        (&boolean[..], &b"{\"a\":true}\n"[..]),
        (old_binary, b"{\"a\":{\"$binary\":{\"base64\":\"CQAAAHg=\",\"subType\":\"02\"}}}\n"),
    ] {
        assert_eq!(Run::new(document).text(), text);
        assert_eq!(Run::new(document).objcheck().ran().code, 1);
        assert_eq!(Run::new(document).objcheck().debug().ran().code, 1);
    }
}

#[test]
fn files_that_cannot_be_opened_are_named() {
    let mut run_ = Run::new(b"");
    let missing = run_.folder.path().join("missing");
    run_.options.input = Some(missing.clone());
    let ran = run_.ran();
    let expected = format!(
        "getting BSON reader failed: couldn't open BSON file: open {}: no such file or directory",
        missing.display()
    );
    assert_eq!((ran.code, ran.log), (1, vec![expected]));
    let mut run_ = Run::new(b"");
    run_.options.output = Some(missing.join("out"));
    let ran = run_.ran();
    let expected =
        format!("getting Writer failed: open {}: no such file or directory", missing.join("out").display());
    assert_eq!((ran.code, ran.log), (1, vec![expected]));
}

#[test]
fn more_than_the_channels_hold_comes_in_order() {
    let document =
        |n: i32| mongoark_bson_bytes::Builder::new().i32("n", n).str("s", "y".repeat(100)).finish();
    let count = 50_000;
    let input: Vec<u8> = (0..count).flat_map(document).collect();
    let text = String::from_utf8(Run::new(&input).text()).unwrap();
    let mut lines = text.lines();
    for n in 0..count {
        assert!(lines.next().unwrap().starts_with(&format!("{{\"n\":{{\"$numberInt\":\"{n}\"}}")));
    }
    assert_eq!(lines.next(), None);
}
