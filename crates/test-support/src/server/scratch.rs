//! The scratch directory of this process: one folder a server, gone when the process ends well.
//!
//! A lock on the file `lock` says that the owner is alive. What a killed process left behind is removed by the next
//! one that starts a server; logs that were kept for a failed test stay for a day.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

const PREFIX: &str = "mongoark-test-";
/// Holds a server's data, and is removed even when its logs are kept.
pub(crate) const DATA: &str = "data";
/// Marks a scratch directory with logs of a failed test in it.
const KEPT: &str = "kept";

/// A process that has just made its directory may not have locked it yet.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);
const LOGS_KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

static PANICKED: AtomicBool = AtomicBool::new(false);
static LIVE_SERVERS: Mutex<Option<HashSet<u32>>> = Mutex::new(None);

struct Root {
    path: PathBuf,
    _lock: File,
}

static ROOT: LazyLock<Root> = LazyLock::new(|| {
    sweep(&std::env::temp_dir());
    let path = tempfile::Builder::new().prefix(PREFIX).tempdir().expect("a scratch directory").keep();
    let lock = File::create(path.join("lock")).expect("a lock in the scratch directory");
    lock.try_lock().expect("nobody else knows this lock");
    remember_panics();
    // SAFETY: `at_exit` is a plain function that does not unwind.
    #[cfg(unix)]
    unsafe {
        libc::atexit(at_exit);
    }
    Root { path, _lock: lock }
});

/// A new folder for a server, named after it.
pub(crate) fn folder(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let path = ROOT.path.join(format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    fs::create_dir_all(&path).unwrap_or_else(|error| panic!("cannot create {}: {error}", path.display()));
    path
}

/// Removes what servers left in this folder; while the thread panics only their data, and says where the logs are.
pub(crate) fn release(folder: &Path) {
    if std::thread::panicking() {
        keep_logs(folder);
    } else {
        fs::remove_dir_all(folder).ok();
    }
}

/// Servers that still run when the process ends are killed, statics are never dropped.
pub(crate) fn server_runs(process_id: u32) {
    live_servers(|live| live.insert(process_id));
}

/// The server has ended and was waited for.
pub(crate) fn server_ended(process_id: u32) {
    live_servers(|live| live.remove(&process_id));
}

fn live_servers(change: impl FnOnce(&mut HashSet<u32>) -> bool) {
    change(LIVE_SERVERS.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default());
}

fn remember_panics() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICKED.store(true, Ordering::Relaxed);
        previous(info);
    }));
}

/// Removes the data of every server that lives in this folder or one below it, and prints where its logs are.
fn keep_logs(folder: &Path) {
    for home in std::iter::once(folder.to_owned()).chain(folders(folder)) {
        if fs::remove_dir_all(home.join(DATA)).is_ok() {
            File::create(ROOT.path.join(KEPT)).ok();
            eprintln!("the server's logs are kept in {}", home.display());
        }
    }
}

/// Kills what still runs, then removes everything but the logs of failed tests.
#[cfg(unix)]
extern "C" fn at_exit() {
    live_servers(|live| {
        for process_id in live.drain() {
            // SAFETY: kill and waitpid take plain numbers; these children have not been waited for.
            unsafe {
                libc::kill(process_id.cast_signed(), libc::SIGKILL);
                libc::waitpid(process_id.cast_signed(), std::ptr::null_mut(), 0);
            }
        }
        true
    });
    if PANICKED.load(Ordering::Relaxed) {
        folders(&ROOT.path).for_each(|folder| keep_logs(&folder));
    }
    if !ROOT.path.join(KEPT).exists() {
        fs::remove_dir_all(&ROOT.path).ok();
    }
}

/// Removes what processes left behind that are no longer alive.
fn sweep(temporary: &Path) {
    for path in folders(temporary).filter(|path| is_ours(path)) {
        let kept_for = if path.join(KEPT).exists() { LOGS_KEPT_FOR } else { ABANDONED_AFTER };
        if is_older_than(&path, kept_for) && owner_is_gone(&path) {
            fs::remove_dir_all(&path).ok();
        }
    }
}

fn folders(parent: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

fn is_ours(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
}

fn is_older_than(path: &Path, age: Duration) -> bool {
    let modified =
        fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or_else(|_| SystemTime::now());
    modified.elapsed().is_ok_and(|elapsed| elapsed > age)
}

fn owner_is_gone(path: &Path) -> bool {
    File::open(path.join("lock")).is_ok_and(|lock| lock.try_lock().is_ok())
}
