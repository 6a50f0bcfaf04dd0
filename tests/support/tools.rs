//! The program under the names of the tools that it stands in for: links in a folder of their own, as an operator
//! makes them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{Run, arg};
use bson::Document;
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const NAMES: [&str; 3] = ["mongodump", "mongorestore", "bsondump"];
/// Names a folder with the real tools, to see that a test describes them and not only us.
const REAL_TOOLS: &str = "MONGOARK_TEST_TOOLS";

/// A folder with the links, and a working directory.
pub struct Tools {
    folder: TempDir,
}

impl Tools {
    pub fn link() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("bin")).expect("a folder for the links");
        for name in NAMES {
            let target = match std::env::var_os(REAL_TOOLS) {
                Some(real) => Path::new(&real).join(name),
                None => PathBuf::from(env!("CARGO_BIN_EXE_mongoark")),
            };
            symlink(target, folder.path().join("bin").join(name)).expect("a link");
        }
        Self { folder }
    }

    pub fn mongodump(&self) -> Command {
        self.tool("mongodump")
    }

    pub fn mongorestore(&self) -> Command {
        self.tool("mongorestore")
    }

    /// A tool by its name, in the working directory.
    pub fn tool(&self, name: &str) -> Command {
        let mut command = plain(self.bin().join(name).as_os_str());
        command.current_dir(self.folder.path());
        command
    }

    /// Runs a tool to its end.
    pub fn run(&self, tool: &str, arguments: &[&str]) -> Run {
        super::run(self.tool(tool).args(arguments))
    }

    /// A program that finds the links first on its PATH.
    pub fn on_path(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.bin()).chain(std::env::split_paths(&inherited));
        let mut command = plain(program.as_ref());
        command.env("PATH", std::env::join_paths(folders).expect("folders without a colon"));
        command
    }

    /// A script for the shell that finds the links; `variables` are for what it names.
    pub fn shell(&self, script: &str, variables: &[(&str, &str)]) -> Command {
        let mut command = self.on_path("sh");
        command.args(["-c", script]).envs(variables.iter().copied());
        command
    }

    fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// A file or folder in the working directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Every file below a folder of the working directory, with `/` between names.
    pub fn files(&self, folder: &str) -> BTreeSet<String> {
        let (mut found, root) = (BTreeSet::new(), self.path(folder));
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(arg(path.strip_prefix(&root).unwrap()).to_owned());
                }
            }
        }
        found
    }

    /// The documents of a `.bson` file, decompressed where its name says `.gz`.
    pub fn documents(&self, file: &str) -> Vec<Document> {
        documents_in(&contents(&self.path(file)))
    }
}

/// A program that is given nothing to read.
fn plain(program: &std::ffi::OsStr) -> Command {
    let mut command = Command::new(Path::new(program));
    command.env_remove("MONGOARK_URI").env_remove("MONGOARK_PASSPHRASE").stdin(Stdio::null());
    command
}

/// A file's bytes, decompressed where its name says `.gz`.
pub fn contents(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if path.extension().is_some_and(|extension| extension == "gz") { gunzip(&bytes) } else { bytes }
}

/// Decompresses with a gzip that is not ours: what it reads, every other one does too.
pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = bytes.to_vec();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &input));
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success(), "gzip refuses what was written");
    out
}

/// Concatenated documents, decoded.
pub fn documents_in(bytes: &[u8]) -> Vec<Document> {
    mongoark_bson_bytes::split_documents(bytes)
        .map(|document| Document::from_reader(document.unwrap()).unwrap())
        .collect()
}
