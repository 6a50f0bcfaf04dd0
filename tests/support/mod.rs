//! Running the program as a user would: arguments in, exit code and output back.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod forge;
#[cfg(unix)]
pub mod shop;
#[cfg(unix)]
pub mod tools;

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a run printed, and its exit code.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Run {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails with what was printed unless the run ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stderr:\n{}", self.stderr);
        self
    }

    /// Fails unless stderr says this.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in stderr:\n{}", self.stderr);
        self
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// The program, ready for arguments, with nothing of this environment that it would look at.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mongoark"));
    command.env_remove("MONGOARK_URI").env_remove("MONGOARK_PASSPHRASE").stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub fn mongoark(arguments: &[&str]) -> Run {
    Run::of(program().args(arguments).output().expect("the program starts"))
}

/// Runs a prepared command to its end.
pub fn run(command: &mut Command) -> Run {
    Run::of(command.output().expect("the program starts"))
}

/// What a process that was started ends with.
pub fn finished(child: std::process::Child) -> Run {
    Run::of(child.wait_with_output().expect("the program ends"))
}

/// Writes a file that its owner alone may use, as a passphrase has to lie in one.
#[cfg(unix)]
pub fn write_private(path: &Path, text: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::File::options();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a private file");
}

/// A path as an argument.
pub fn arg(path: &Path) -> &str {
    path.to_str().expect("a temporary path is UTF-8")
}
