//! The program at work, slowed down so that writers get between its reads, and ended as an operator or a crash would.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use mongoark_test_support::corpus::Random;

/// Longer than any run that gets on.
const PATIENCE: Duration = Duration::from_secs(180);

/// A process that does not outlive its test.
pub struct Slowed {
    child: Child,
    /// Where its stderr goes.
    log: PathBuf,
}

impl Slowed {
    pub fn start(command: &mut Command, log: PathBuf) -> Self {
        let file = File::create(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { child, log }
    }

    /// What it has printed so far.
    pub fn printed(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Lets it run for a few milliseconds and holds it for more, again and again until it ends.
    pub async fn crawl(&mut self, random: &mut Random) -> ExitStatus {
        match self.crawl_until(random, Instant::now() + PATIENCE).await {
            Some(status) => status,
            None => panic!("does not come to its end:\n{}", self.printed()),
        }
    }

    /// Lets it run for this long at the most; nothing if it runs still.
    pub async fn lives_for(&mut self, time: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    }

    async fn crawl_until(&mut self, random: &mut Random, deadline: Instant) -> Option<ExitStatus> {
        let held = Duration::from_millis(10 + random.below(50) as u64);
        while Instant::now() < deadline {
            self.signal(libc::SIGSTOP);
            tokio::time::sleep(held).await;
            self.signal(libc::SIGCONT);
            tokio::time::sleep(Duration::from_millis(12)).await;
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
        }
        None
    }

    /// Fails unless it ended well.
    #[track_caller]
    pub fn expect_success(&self, status: ExitStatus) {
        assert!(status.success(), "{status}:\n{}", self.printed());
    }

    /// Asks it to end, and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "does not end when it is asked to:\n{}", self.printed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn signal(&self, number: i32) {
        // SAFETY: kill takes plain numbers, and the child has not been waited for.
        let result = unsafe { libc::kill(self.child.id().cast_signed(), number) };
        assert_eq!(result, 0, "cannot signal the program: {}", std::io::Error::last_os_error());
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
