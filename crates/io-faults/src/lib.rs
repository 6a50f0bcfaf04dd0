//! A disk that fails, for tests. Loaded into a program with `LD_PRELOAD`, it stands between the program and the C library's
//! `write`, `fsync`, `fdatasync`, `rename` and `renameat2`, counts those on files below one folder, and lets one of them go wrong.
//!
//! | variable | meaning |
//! |---|---|
//! | `MONGOARK_FAULT_UNDER` | the folder whose files count, and which counts itself |
//! | `MONGOARK_FAULT` | `write`, `sync` or `rename` (of either kind), a colon, and which one: `write:3` is the third write |
//! | `MONGOARK_FAULT_HOW` | `fail`: it returns `EIO`, once; `stop`: the program is killed before it; `power`: the same, and what was written to the file since it was last synced is gone |
//! | `MONGOARK_FAULT_HIT` | a file that is made when it happens |
#![cfg(target_os = "linux")]

use libc::{c_char, c_int, c_uint, c_void, off_t, size_t, ssize_t};
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What is to go wrong.
struct Fault {
    under: PathBuf,
    operation: String,
    nth: u64,
    how: String,
    hit: CString,
    count: AtomicU64,
    /// How much of each file a crash leaves.
    synced: Mutex<HashMap<PathBuf, off_t>>,
}

fn fault() -> Option<&'static Fault> {
    static FAULT: OnceLock<Option<Fault>> = OnceLock::new();
    FAULT.get_or_init(read).as_ref()
}

fn read() -> Option<Fault> {
    let variable = |name| std::env::var(name).ok();
    let chosen = variable("MONGOARK_FAULT")?;
    let (operation, nth) = chosen.split_once(':')?;
    Some(Fault {
        under: variable("MONGOARK_FAULT_UNDER")?.into(),
        operation: operation.to_owned(),
        nth: nth.parse().ok()?,
        how: variable("MONGOARK_FAULT_HOW")?,
        hit: CString::new(variable("MONGOARK_FAULT_HIT")?).ok()?,
        count: AtomicU64::new(0),
        synced: Mutex::default(),
    })
}

impl Fault {
    /// The file, if it counts.
    fn file(&self, fd: c_int) -> Option<PathBuf> {
        let path = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
        path.starts_with(&self.under).then_some(path)
    }

    /// Whether this operation fails; one at which the program stops never comes back.
    fn meets(&self, operation: &str, file: &Path) -> bool {
        if self.operation != operation || self.count.fetch_add(1, Ordering::SeqCst) + 1 != self.nth {
            return false;
        }
        // SAFETY: plain calls with strings that end in a zero.
        unsafe {
            libc::close(libc::creat(self.hit.as_ptr(), 0o600));
            if self.how == "fail" {
                *libc::__errno_location() = libc::EIO;
                return true;
            }
            if self.how == "power" {
                self.lose_what_is_not_synced(file);
            }
            libc::kill(libc::getpid(), libc::SIGKILL);
        }
        true
    }

    fn lose_what_is_not_synced(&self, file: &Path) {
        let synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let left = synced.get(file).copied().unwrap_or_default();
        if let Ok(path) = CString::new(file.as_os_str().as_bytes()) {
            // SAFETY: a string that ends in a zero.
            unsafe { libc::truncate(path.as_ptr(), left) };
        }
    }

    fn is_synced(&self, file: PathBuf, len: off_t) {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner).insert(file, len);
    }
}

/// The C library's own function of this name.
fn own<F: Copy>(name: &CStr) -> F {
    // SAFETY: the caller names the type that the C library gives the function; all pointers to functions are of one size.
    unsafe {
        let found = libc::dlsym(libc::RTLD_NEXT, name.as_ptr());
        assert!(!found.is_null());
        std::mem::transmute_copy(&found)
    }
}

/// # Safety
/// As of `write(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    static OWN: OnceLock<unsafe extern "C" fn(c_int, *const c_void, size_t) -> ssize_t> = OnceLock::new();
    if let Some(fault) = fault()
        && let Some(file) = fault.file(fd)
        && fault.meets("write", &file)
    {
        return -1;
    }
    // SAFETY: as of the caller.
    unsafe { OWN.get_or_init(|| own(c"write"))(fd, bytes, count) }
}

fn sync(fd: c_int, own: impl FnOnce() -> c_int) -> c_int {
    let Some(fault) = fault() else { return own() };
    let Some(file) = fault.file(fd) else { return own() };
    if fault.meets("sync", &file) {
        return -1;
    }
    // What is written while the sync goes on may not be synced.
    let len = std::fs::metadata(&file).map_or(0, |file| file.len());
    let done = own();
    if done == 0 {
        fault.is_synced(file, off_t::try_from(len).unwrap_or(off_t::MAX));
    }
    done
}

/// # Safety
/// As of `fsync(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    static OWN: OnceLock<unsafe extern "C" fn(c_int) -> c_int> = OnceLock::new();
    // SAFETY: as of the caller.
    sync(fd, || unsafe { OWN.get_or_init(|| own(c"fsync"))(fd) })
}

/// # Safety
/// As of `fdatasync(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    static OWN: OnceLock<unsafe extern "C" fn(c_int) -> c_int> = OnceLock::new();
    // SAFETY: as of the caller.
    sync(fd, || unsafe { OWN.get_or_init(|| own(c"fdatasync"))(fd) })
}

/// # Safety
/// As of `rename(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    static OWN: OnceLock<unsafe extern "C" fn(*const c_char, *const c_char) -> c_int> = OnceLock::new();
    // SAFETY: as of the caller.
    unsafe { if meets_rename(from) { -1 } else { OWN.get_or_init(|| own(c"rename"))(from, to) } }
}

/// # Safety
/// As of `renameat2(2)`. What is no absolute name is told by the folder of the process, whichever folder is given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat2(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    type Own = unsafe extern "C" fn(c_int, *const c_char, c_int, *const c_char, c_uint) -> c_int;
    static OWN: OnceLock<Own> = OnceLock::new();
    // SAFETY: as of the caller.
    unsafe {
        if meets_rename(from) {
            return -1;
        }
        OWN.get_or_init(|| own(c"renameat2"))(from_folder, from, to_folder, to, flags)
    }
}

/// Whether the renaming of this file fails.
///
/// # Safety
/// The name ends in a zero.
unsafe fn meets_rename(from: *const c_char) -> bool {
    // SAFETY: as of the caller.
    let file = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(from) }.to_bytes()));
    fault().is_some_and(|fault| file.starts_with(&fault.under) && fault.meets("rename", file))
}
