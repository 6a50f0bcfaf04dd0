//! Exit codes of the native commands, decided in one place.

use mongoark_engine::Error;
use mongoark_monitor::Monitor;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: everything was carried over.
    Whole,
    /// 1: the run failed.
    Failed,
    /// 2: the command line or a selection is wrong; nothing was done.
    Usage,
    /// 3: the run finished, and its report names what was not carried over.
    Incomplete,
    /// 130: interrupted.
    Interrupted,
}

impl Exit {
    /// The exit code of a run that ended with this error.
    pub fn of_error(error: &Error) -> Self {
        match error {
            Error::Interrupted => Self::Interrupted,
            Error::Usage(_) => Self::Usage,
            _ => Self::Failed,
        }
    }

    /// The exit code of a run that came to its end.
    pub fn of_run(monitor: &Monitor) -> Self {
        if monitor.has_failures() { Self::Incomplete } else { Self::Whole }
    }

    /// The number the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Whole => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
