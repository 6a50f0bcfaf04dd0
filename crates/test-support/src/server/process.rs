//! One `mongod` process: started on a free port, watched until it takes connections, signalled, ended.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use super::{Binary, launcher, scratch};

/// Longer than any start on a busy machine; a server that needs more has failed.
const START_DEADLINE: Duration = Duration::from_secs(90);
const STOP_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);
/// mongod's exit code when it cannot bind its port.
const EXIT_ADDRESS_IN_USE: i32 = 48;
/// The log entry "Waiting for connections".
const READY: &str = "\"id\":23016,";
/// Ports below the range that systems hand out for outgoing connections, so that a restarted server finds its own
/// port free.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

#[derive(Debug)]
pub(crate) struct Process {
    binary: Binary,
    arguments: Vec<String>,
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Process {
    /// Starts a server in a folder of its own with these arguments besides those for place, port and log; returns
    /// when it takes connections.
    pub(crate) async fn start(binary: &Binary, folder: PathBuf, arguments: Vec<String>) -> Self {
        create(&folder.join(scratch::DATA));
        let mut process = Self { binary: binary.clone(), arguments, folder, port: 0, child: None };
        for _ in 0..20 {
            process.port = free_port();
            if process.launch().await {
                return process;
            }
        }
        panic!("no free port for a server in 20 attempts")
    }

    /// Starts the ended server again, on the same data and port.
    pub(crate) async fn start_again(&mut self) {
        let deadline = Instant::now() + START_DEADLINE;
        while !self.launch().await {
            assert!(Instant::now() < deadline, "port {} did not become free again", self.port);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder.join("mongod.log")
    }

    pub(crate) fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Ends the server at once, as a crash would (SIGKILL).
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
            scratch::server_ended(child.id());
        }
    }

    /// Ends the server in order (SIGTERM), by force after half a minute.
    pub(crate) async fn stop(&mut self) {
        let deadline = Instant::now() + STOP_DEADLINE;
        self.terminate();
        while self.exit_status().is_none() && Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
        }
        self.kill();
    }

    /// Stops the server where it is: connections stay open, nothing answers once this returns.
    #[cfg(unix)]
    pub(crate) fn pause(&self) {
        self.signal(libc::SIGSTOP);
        // The signal takes its time to reach every thread: until then the server may answer once more.
        let deadline = Instant::now() + STOP_DEADLINE;
        while !is_paused(self.id()) {
            assert!(Instant::now() < deadline, "the server did not pause");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets a paused server go on.
    #[cfg(unix)]
    pub(crate) fn resume(&self) {
        self.signal(libc::SIGCONT);
    }

    /// Asks the server to end.
    #[cfg(unix)]
    fn terminate(&mut self) {
        self.signal(libc::SIGTERM);
    }

    #[cfg(unix)]
    fn signal(&self, number: i32) {
        // SAFETY: kill takes plain numbers, and the child has not been waited for.
        let result = unsafe { libc::kill(self.id(), number) };
        assert_eq!(result, 0, "cannot signal the server: {}", std::io::Error::last_os_error());
    }

    #[cfg(unix)]
    fn id(&self) -> libc::pid_t {
        self.child.as_ref().expect("a running server").id().cast_signed()
    }

    /// A server cannot be paused where there are no signals.
    #[cfg(not(unix))]
    pub(crate) fn pause(&self) {
        panic!("a server cannot be paused on this system")
    }

    /// A server cannot be paused where there are no signals.
    #[cfg(not(unix))]
    pub(crate) fn resume(&self) {
        panic!("a server cannot be paused on this system")
    }

    /// Ending it by force is the closest to asking where there are no signals.
    #[cfg(not(unix))]
    fn terminate(&mut self) {
        self.kill();
    }

    /// The end of the server's log and of what it printed, for a failure's message.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let printed = fs::read_to_string(self.folder.join("output")).unwrap_or_default();
        let from = log.lines().count().saturating_sub(30);
        let tail: Vec<&str> = log.lines().skip(from).collect();
        format!("{printed}\n{}", tail.join("\n"))
    }

    /// Whether the server came up; `false` when its port is taken.
    async fn launch(&mut self) -> bool {
        let log_starts_at = fs::metadata(self.log_path()).map_or(0, |metadata| metadata.len());
        let child = launcher::spawn(self.command())
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", self.binary.path.display()));
        scratch::server_runs(child.id());
        self.child = Some(child);
        let deadline = Instant::now() + START_DEADLINE;
        while !holds(&self.log_path(), log_starts_at, READY) {
            if let Some(status) = self.exit_status() {
                self.kill();
                if status.code() == Some(EXIT_ADDRESS_IN_USE) {
                    return false;
                }
                panic!("the server ended with {status} while starting:\n{}", self.log_tail());
            }
            assert!(Instant::now() < deadline, "the server did not start in time:\n{}", self.log_tail());
            tokio::time::sleep(POLL).await;
        }
        true
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary.path);
        command.args(["--bind_ip", "127.0.0.1", "--nounixsocket", "--logappend"]);
        command.arg("--port").arg(self.port.to_string());
        command.arg("--dbpath").arg(self.folder.join(scratch::DATA));
        command.arg("--logpath").arg(self.log_path());
        command.args(&self.arguments);
        if let Some(folder) = &self.binary.library_path {
            command.env("LD_LIBRARY_PATH", folder);
        }
        let output = File::create(self.folder.join("output")).expect("a file for what the server prints");
        let copy = output.try_clone().expect("a second handle for what the server prints");
        command.stdin(Stdio::null()).stdout(output).stderr(copy);
        command
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().expect("the state of a child process")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        scratch::release(&self.folder);
    }
}

/// Whether every thread of this child has stopped.
#[cfg(unix)]
fn is_paused(id: libc::pid_t) -> bool {
    // SAFETY: an all-zero siginfo_t is valid, and waitid fills it; asking for stops alone never reaps the child.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let options = libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT;
        let result = libc::waitid(libc::P_PID, id.cast_unsigned(), &raw mut info, options);
        result == 0 && info.si_signo == libc::SIGCHLD
    }
}

/// A port that nobody listens on; the server finds out whether that is still so.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes start looking at different places.
    let count = u32::from(PORTS.end - PORTS.start);
    let start = std::process::id().wrapping_mul(7919) % count;
    let open = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let candidates = (0..count).map(|_| {
        let offset = (start + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % count;
        PORTS.start + u16::try_from(offset).expect("the range of ports fits")
    });
    candidates.into_iter().find(open).expect("a free port on loopback")
}

fn holds(path: &Path, from: u64, text: &str) -> bool {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut content)
    });
    read.is_ok() && content.windows(text.len()).any(|window| window == text.as_bytes())
}

fn create(folder: &Path) {
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("cannot create {}: {error}", folder.display()));
}
