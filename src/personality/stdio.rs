//! Standard input and output without the buffers that the library puts before them.

use crate::terminal::stdout::{check_stdin, check_stdout};
use std::fs::File;
use std::io;

/// Standard input; an error where the program was started without one.
pub fn input() -> io::Result<File> {
    check_stdin()?;
    Ok(File::from(owned(&io::stdin())?))
}

/// Standard output; an error where the program was started without one.
pub fn output() -> io::Result<File> {
    check_stdout()?;
    Ok(File::from(owned(&io::stdout())?))
}

#[cfg(unix)]
fn owned(stream: &impl std::os::fd::AsFd) -> io::Result<std::os::fd::OwnedFd> {
    stream.as_fd().try_clone_to_owned()
}

#[cfg(windows)]
fn owned(stream: &impl std::os::windows::io::AsHandle) -> io::Result<std::os::windows::io::OwnedHandle> {
    stream.as_handle().try_clone_to_owned()
}
