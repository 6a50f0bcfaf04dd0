//! Keys, passphrases and documents are in this process' memory: a crash must not leave them in a file.

/// Keeps the process out of core dumps, and other processes of the same user out of its memory. To be called before any
/// secret is read. A system that refuses is no reason not to run.
pub fn keep_out_of_core_dumps() {
    #[cfg(unix)]
    {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the structure lives for the whole call, which only reads it.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    }
    #[cfg(target_os = "linux")]
    // SAFETY: sets a flag of this process; there are no pointers among the arguments. A core that is piped to a program
    // is not bound by the limit above.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0)
    };
}
