//! Runs other programs: prints the command, checks how it ended.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// A cargo command at the root of the workspace, of the cargo that runs us.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// The directory that cargo builds into.
pub(crate) fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |set| root().join(set))
}

/// Prints a command, runs it to its end and returns how long that took.
pub(crate) fn execute(command: &mut Command) -> Result<Duration> {
    println!("$ {}", text(command));
    let begin = Instant::now();
    let status = command.status().map_err(|error| format!("cannot run {}: {error}", text(command)))?;
    if status.success() { Ok(begin.elapsed()) } else { Err(format!("{} ended with {status}", text(command))) }
}

/// Runs a command quietly; what it printed is part of the error if it fails.
pub(crate) fn execute_quietly(command: &mut Command) -> Result<Output> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {}: {error}", text(command)))?;
    if output.status.success() {
        return Ok(output);
    }
    let (printed, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{} ended with {}\n{printed}{complaint}", text(command), output.status))
}

/// Whether this program is on PATH.
pub(crate) fn is_on_path(program: &str) -> bool {
    let list = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&list).any(|folder| folder.join(program).is_file())
}

/// The command as one would type it: its variables, its name without the folder, its arguments.
pub(crate) fn text(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let variables = variables.map(|(name, value)| format!("{}={}", name.display(), value.display()));
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args()).map(|word| word.display().to_string());
    variables.chain(words).collect::<Vec<_>>().join(" ")
}
