//! bsondump by its name: what its flags print, from files and from a pipe, and what is said of damage. Run with
//! `MONGOARK_TEST_TOOLS=DIR` the same tests hold for the real tool in that folder, but for the place of damage, and for
//! signals that come before it listens.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bson::{Document, doc};
use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;
use support::Run;
use support::tools::Tools;

const FIRST: &str = r#"{"_id":{"$numberInt":"1"},"s":"x"}"#;
const SECOND: &str = r#"{"_id":{"$numberLong":"2"},"a":[{"$numberDouble":"1.5"},null]}"#;

fn documents() -> Vec<u8> {
    let documents = [doc! { "_id": 1, "s": "x" }, doc! { "_id": 2_i64, "a": [1.5, bson::Bson::Null] }];
    documents.iter().flat_map(|document: &Document| document.to_vec().unwrap()).collect()
}

/// The tool, with `two.bson` in its working directory.
fn tools() -> Tools {
    let tools = Tools::link();
    fs::write(tools.path("two.bson"), documents()).unwrap();
    tools
}

fn from_stdin(tools: &Tools, arguments: &[&str], input: &[u8]) -> Run {
    fs::write(tools.path("input"), input).unwrap();
    let input = fs::File::open(tools.path("input")).unwrap();
    support::run(tools.tool("bsondump").args(arguments).stdin(input))
}

#[test]
fn a_file_becomes_a_line_for_each_document() {
    let tools = tools();
    let expected = format!("{FIRST}\n{SECOND}\n");
    for arguments in [
        &["two.bson"][..],
        &["--bsonFile=two.bson"],
        &["--bsonFile", "two.bson", "--type", "json"],
        &["--objcheck", "two.bson", "-v"],
    ] {
        let run = tools.run("bsondump", arguments).expect(0).says("\t2 objects found\n");
        assert_eq!(run.text(), expected, "{arguments:?}");
    }
    let run = from_stdin(&tools, &[], &documents()).expect(0);
    assert_eq!(run.text(), expected);
    assert_eq!(tools.run("bsondump", &["two.bson", "--quiet"]).expect(0).stderr, "");
}

#[test]
fn it_may_be_indented_or_taken_apart() {
    let tools = tools();
    let pretty = tools.run("bsondump", &["--pretty", "two.bson"]).expect(0).text();
    let first = "{\n\t\"_id\": {\n\t\t\"$numberInt\": \"1\"\n\t},\n\t\"s\": \"x\"\n}\n";
    assert!(pretty.starts_with(first), "{pretty}");
    let debug = tools.run("bsondump", &["--type=debug", "two.bson"]).expect(0).text();
    assert!(debug.starts_with("--- new object ---\n\tsize : 23\n\t\t_id\n"), "{debug}");
}

#[test]
fn it_may_go_to_a_file() {
    let tools = tools();
    let run = tools.run("bsondump", &["--outFile=out.json", "two.bson"]).expect(0);
    assert_eq!(run.text(), "");
    assert_eq!(fs::read_to_string(tools.path("out.json")).unwrap(), format!("{FIRST}\n{SECOND}\n"));
    let run = tools.run("bsondump", &["--outFile", "none/out.json", "two.bson"]).expect(1);
    run.says("none/out.json: no such file or directory");
    tools.run("bsondump", &["none.bson"]).expect(1).says("open none.bson: no such file or directory");
    assert_eq!(tools.run("bsondump", &["none.bson", "--quiet"]).expect(1).stderr, "");
}

#[test]
fn damage_is_a_failure_behind_what_is_whole() {
    let tools = tools();
    let whole = documents();
    let (cut, short) = (&whole[..whole.len() - 3], [&whole[..23], &[3, 0, 0, 0, 0]].concat());
    for (input, message) in
        [(cut, "unexpected EOF"), (&short, "invalid BSONSize: 3 bytes is less than 5 bytes")]
    {
        fs::write(tools.path("damaged.bson"), input).unwrap();
        for run in [tools.run("bsondump", &["damaged.bson"]), from_stdin(&tools, &[], input)] {
            let run = run.expect(1).says("\t1 objects found\n").says(message);
            assert_eq!(run.text(), format!("{FIRST}\n"));
            if std::env::var_os("MONGOARK_TEST_TOOLS").is_none() {
                run.says("the document at byte 23 of ");
            }
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_a_failure() {
    let tools = Tools::link();
    fs::write(tools.path("many.bson"), documents().repeat(200_000)).unwrap();
    let mut command = tools.tool("bsondump");
    let mut child = command.arg("many.bson").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("broken pipe"), "{said}");
}

#[test]
fn a_signal_ends_it_with_exit_code_1() {
    for (signal, name) in [(libc::SIGINT, "interrupt"), (libc::SIGTERM, "terminated")] {
        let tools = Tools::link();
        let mut command = tools.tool("bsondump");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&documents()).unwrap();
        // It prints, so it is past its beginning, and it waits for more.
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 10]).unwrap();
        assert_eq!(unsafe { libc::kill(libc::pid_t::try_from(child.id()).unwrap(), signal) }, 0);
        let ended = child.wait_with_output().unwrap();
        drop(stdin);
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("signal '{name}' received; forcefully terminating")), "{said}");
    }
}
