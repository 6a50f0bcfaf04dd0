//! Starts child processes so that they never outlive this one, even when it is killed.
//!
//! Linux kills a child by its parent-death signal when the *thread* that started it ends, and each test has a thread
//! of its own: so one thread that lives as long as the process starts them all.

use std::io;
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};

type Job = (Command, Sender<io::Result<Child>>);

static LAUNCHER: LazyLock<Sender<Job>> = LazyLock::new(|| {
    let (jobs, queue) = channel::<Job>();
    std::thread::Builder::new()
        .name("launcher".to_owned())
        .spawn(move || {
            for (mut command, answer) in queue {
                die_with_parent(&mut command);
                answer.send(command.spawn()).ok();
            }
        })
        .expect("a thread to start servers from");
    jobs
});

/// Starts `command`; the child is killed when this process ends.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let (answer, child) = channel();
    LAUNCHER.send((command, answer)).expect("the launcher runs as long as the process");
    child.recv().expect("the launcher answers every job")
}

#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    let parent = std::process::id();
    // SAFETY: between fork and exec only prctl and getppid are called, both safe after a fork.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before the signal was asked for.
            if libc::getppid().cast_unsigned() == parent { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_command: &mut Command) {}
