//! Interrupt and termination as the tools take them: the first asks for an end, the second is one. The exit code is 1
//! in any case.

use super::log::{ALWAYS, DEBUG_LOW, Log};
use std::{io, process};

/// Calls `ask` at the first signal, and ends the process at the second; at the first without `ask`. Needs a runtime.
///
/// # Errors
/// When the system gives no way to wait for signals.
pub fn watch(log: Log, ask: Option<impl FnOnce() + Send + 'static>) -> io::Result<()> {
    let mut signals = Signals::new()?;
    log.line(DEBUG_LOW, "will listen for SIGTERM and SIGINT");
    tokio::spawn(async move {
        if let Some(ask) = ask {
            let name = signals.next().await;
            log.line(ALWAYS, &format!("signal '{name}' received; attempting to shut down"));
            ask();
        }
        let name = signals.next().await;
        log.line(ALWAYS, &format!("signal '{name}' received; forcefully terminating"));
        process::exit(1);
    });
    Ok(())
}

/// Both signals; none is missed from here on.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for either, and gives its name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupt",
            _ = self.terminate.recv() => "terminated",
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) -> &'static str {
        self.0.recv().await;
        "interrupt"
    }
}
