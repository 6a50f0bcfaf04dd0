//! Files that are not what they seem: devices, pipes, folders, links; a log that nobody takes; a report where the archive is.
//! None needs a server.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use mongoark_test_support::golden;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Run, arg, mongoark, program, run, write_private};
use tempfile::TempDir;

/// A dump of mongodump, and a place for what is made of it.
struct Desk {
    folder: TempDir,
    dump: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let golden = golden::for_server("6.0.5").into_iter().find(|it| it.form == "directory").unwrap();
        let dump = golden.unpack(folder.path());
        Self { folder, dump }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn convert(&self, more: &[&str], output: &Path) -> Run {
        let flags = ["convert", "--no-encryption"];
        mongoark(&[&flags[..], more, &[arg(&self.dump), arg(output)]].concat())
    }

    fn archive(&self) -> PathBuf {
        let archive = self.path("archive");
        self.convert(&[], &archive).expect(0);
        archive
    }

    fn make_fifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }
}

#[test]
fn what_is_no_regular_file_is_neither_replaced_nor_waited_for() {
    let desk = Desk::new();
    let archive = desk.archive();
    let fifo = desk.make_fifo("fifo");
    let link = desk.path("link");
    std::os::unix::fs::symlink(&archive, &link).unwrap();
    let folder = desk.path("folder");
    fs::create_dir(&folder).unwrap();
    for output in [&fifo, &link, &folder] {
        let before = output.symlink_metadata().unwrap().file_type();
        desk.convert(&["--overwrite"], output).expect(2).says("exists and is");
        let dump = ["dump", "--uri", "mongodb://127.0.0.1:1", "--no-encryption", "--overwrite"];
        mongoark(&[&dump[..], &[arg(output)]].concat()).expect(2).says("exists and is");
        assert_eq!(output.symlink_metadata().unwrap().file_type(), before);
    }
    desk.convert(&[], &desk.path("new/")).expect(2).says("names a folder");
    desk.convert(&[], &desk.path("nowhere/new")).expect(2).says("there is no folder");
    mongoark(&["verify", arg(&fifo)]).expect(1).says("no regular file").says("-");
    mongoark(&["ls", "/dev/null"]).expect(1).says("no regular file");
    mongoark(&["convert", arg(&fifo), arg(&desk.path("other"))]).expect(1).says("no regular file");
    // A link is fine to read from.
    mongoark(&["verify", arg(&link)]).expect(0);
}

#[test]
fn a_log_that_nobody_takes_ends_no_run() {
    let desk = Desk::new();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let mut convert = program();
    convert.args(["convert", "--no-encryption"]).arg(&desk.dump).arg(desk.path("archive")).stderr(full());
    assert_eq!(convert.status().unwrap().code(), Some(0));
    mongoark(&["verify", arg(&desk.path("archive"))]).expect(0);
    let mut refused = program();
    refused.args(["verify", arg(&desk.path("nowhere"))]).stderr(full());
    assert_eq!(refused.status().unwrap().code(), Some(1));
    let mut completions = program();
    completions.args(["completions", "bash"]).stdout(full());
    let ended = completions.output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn a_report_is_never_written_over_an_archive_nor_left_from_an_earlier_run() {
    let desk = Desk::new();
    let archive = desk.archive();
    let before = fs::read(&archive).unwrap();
    for report in [arg(&archive).to_owned(), format!("{}/./archive", desk.folder.path().display())] {
        mongoark(&["verify", "--report", &report, arg(&archive)]).expect(2).says("names the same file");
        let joined = format!("--report={report}");
        mongoark(&["verify", &joined, arg(&archive)]).expect(2).says("names the same file");
    }
    let output = desk.path("new");
    desk.convert(&["--report", arg(&output)], &output).expect(2).says("names the same file");
    assert!(!output.exists() && fs::read(&archive).unwrap() == before);
    let report = desk.path("report");
    mongoark(&["verify", "--report", arg(&report), arg(&archive)]).expect(0);
    assert!(fs::metadata(&report).unwrap().len() > 0);
    let key = format!("--key-file={}", arg(&report));
    mongoark(&["verify", &key, "--report", arg(&report), arg(&archive)])
        .expect(2)
        .says("names the same file");
    // A usage error writes none: that of before would be taken for its own.
    desk.convert(&["--report", arg(&report)], &archive).expect(2);
    assert_eq!(fs::read(&report).unwrap(), b"");
}

#[test]
fn a_passphrase_that_can_be_read_once_is_enough() {
    let desk = Desk::new();
    let passphrase = desk.path("passphrase");
    write_private(&passphrase, "sesame\n");
    let archive = desk.path("archive");
    let flags = ["convert", "--passphrase-file", arg(&passphrase), arg(&desk.dump), arg(&archive)];
    mongoark(&flags).expect(0);
    let fifo = desk.make_fifo("once");
    let writer = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::write(fifo, "sesame\n").unwrap()
    });
    let mut verify = program();
    run(verify.args(["verify", "--passphrase-file", arg(&fifo), arg(&archive)])).expect(0);
    writer.join().unwrap();
}

#[test]
fn what_a_dump_lacks_is_counted_and_named() {
    let lacking = |change: &dyn Fn(&Path)| {
        let desk = Desk::new();
        change(&desk.dump);
        let converted = desk.convert(&[], &desk.path("archive"));
        assert!(!desk.path("archive.partial").exists());
        converted
    };
    lacking(&|_| {}).expect(0);
    lacking(&|dump| fs::remove_file(dump.join("edge/ids.bson")).unwrap())
        .expect(3)
        .says("edge.ids")
        .says("there is no .bson file");
    let desk = Desk::new();
    fs::remove_file(desk.dump.join("edge/ids.bson")).unwrap();
    let (database, archive) = (desk.dump.join("edge"), desk.path("archive"));
    let converted = mongoark(&["convert", "--no-encryption", arg(&database), arg(&archive)]);
    converted.expect(3).says("there is no .bson file");
    lacking(&|dump| fs::write(dump.join("edge/ids.bson.md5"), "").unwrap()).expect(0);
    lacking(&|dump| fs::rename(dump.join("edge/ids.bson"), dump.join("edge/ids.bson.gz")).unwrap())
        .expect(3)
        .says("ids.bson.gz");
    lacking(&|dump| fs::write(dump.join("x.bson"), "").unwrap())
        .expect(1)
        .says("move away what does not belong there");
    lacking(&|dump| {
        let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"id\xffs.bson");
        fs::write(dump.join("edge").join(name), "").unwrap();
    })
    .expect(1)
    .says("it is not UTF-8");
    // Two names of one collection: neither is taken in silence, natively or as the tool does.
    lacking(&|dump| _ = fs::copy(dump.join("edge/ids.bson"), dump.join("edge/%69ds.bson")).unwrap())
        .expect(1)
        .says("%69ds.bson")
        .says("ids.bson")
        .says("move one of them away");
    lacking(&|dump| _ = fs::copy(dump.join("edge/ids.bson"), dump.join("edge/ids.bson.gz")).unwrap())
        .expect(3)
        .says("ids.bson.gz");
    // Nor does a conversion that fails leave anything behind.
    lacking(&|dump| fs::write(dump.join("edge/ids.bson"), "damaged").unwrap()).expect(1);
}
