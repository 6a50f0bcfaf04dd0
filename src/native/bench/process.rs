//! A process measured from outside: wall time, CPU, peak memory, and how much it printed.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

/// Bytes of standard output that are kept; all are counted.
const STDOUT_KEPT: usize = 1024 * 1024;
/// Bytes at the end of standard error that are kept.
const STDERR_KEPT: usize = 16 * 1024;

/// A process that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Wall time from its start to its end, seconds.
    pub seconds: f64,
    /// What it took of the machine; none where the system does not tell.
    pub usage: Option<Usage>,
    /// The beginning of its standard output.
    pub stdout: Vec<u8>,
    /// Length of all its standard output, bytes.
    pub stdout_bytes: u64,
    /// The end of its standard error.
    pub stderr: String,
}

/// What a process took of the machine, with the processes that it started and waited for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// User and system time, seconds.
    pub cpu_seconds: f64,
    /// The most memory that was resident, bytes.
    pub rss_bytes: u64,
}

/// Runs a command to its end, its output into pipes.
pub async fn run(command: Command) -> io::Result<Finished> {
    tokio::task::spawn_blocking(|| run_blocking(command)).await.map_err(io::Error::other)?
}

fn run_blocking(mut command: Command) -> io::Result<Finished> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn()?;
    let stderr = child.stderr.take().map(|stderr| thread::spawn(|| drain(stderr, STDERR_KEPT, Keep::End)));
    let stdout = child.stdout.take().map(|stdout| drain(stdout, STDOUT_KEPT, Keep::Beginning));
    let (status, usage) = wait(&mut child)?;
    let seconds = start.elapsed().as_secs_f64();
    let (stdout, stdout_bytes) = stdout.unwrap_or_default();
    // A thread that reads a pipe does not fail; without its text there is less to tell, no more.
    let (stderr, _) = stderr.and_then(|thread| thread.join().ok()).unwrap_or_default();
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    Ok(Finished { status, seconds, usage, stdout, stdout_bytes, stderr })
}

#[derive(Clone, Copy)]
enum Keep {
    Beginning,
    End,
}

/// Reads a pipe to its end; what is kept of it, and its whole length.
fn drain(mut pipe: impl Read, kept_max: usize, keep: Keep) -> (Vec<u8>, u64) {
    let (mut buffer, mut kept, mut length) = (vec![0; 256 * 1024], Vec::new(), 0);
    loop {
        let read = match pipe.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => return (kept, length),
            Ok(read) => &buffer[..read],
        };
        length += read.len() as u64;
        match keep {
            Keep::Beginning => kept.extend_from_slice(&read[..read.len().min(kept_max - kept.len())]),
            Keep::End => {
                kept.extend_from_slice(read);
                kept.drain(..kept.len().saturating_sub(kept_max));
            }
        }
    }
}

/// Waits for the child by `wait4`, the one call that tells this child's usage and no other's.
#[cfg(unix)]
fn wait(child: &mut Child) -> io::Result<(ExitStatus, Option<Usage>)> {
    use std::os::unix::process::ExitStatusExt;
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    loop {
        let mut status = 0;
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: both pointers are to locals of the types that the call fills, and nobody else waits
        // for this child.
        let waited = unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) };
        if waited == pid {
            // SAFETY: a rusage is integers alone, for which all zeroes are a value.
            let usage = unsafe { usage.assume_init() };
            return Ok((ExitStatus::from_raw(status), Some(Usage::from(usage))));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(not(unix))]
fn wait(child: &mut Child) -> io::Result<(ExitStatus, Option<Usage>)> {
    Ok((child.wait()?, None))
}

#[cfg(unix)]
impl From<libc::rusage> for Usage {
    fn from(usage: libc::rusage) -> Self {
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
        // macOS counts bytes, the others KiB.
        let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
        Self {
            cpu_seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            rss_bytes: u64::try_from(usage.ru_maxrss).unwrap_or_default() * unit,
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_measured_and_its_output_counted() {
        let mut command = Command::new("sh");
        command.args(["-c", "head -c 3000000 /dev/zero; echo bad >&2; exit 7"]);
        let finished = run(command).await.unwrap();
        assert_eq!(finished.status.code(), Some(7));
        assert_eq!((finished.stdout_bytes, finished.stdout.len()), (3_000_000, STDOUT_KEPT));
        assert_eq!(finished.stderr, "bad\n");
        assert!(finished.usage.unwrap().rss_bytes > 100_000);
    }

    #[test]
    fn the_end_of_a_long_text_is_kept() {
        let text = [b"a".repeat(300_000), b"end".to_vec()].concat();
        assert_eq!(drain(&text[..], 5, Keep::End), (b"aaend".to_vec(), 300_003));
    }
}
