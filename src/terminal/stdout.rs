//! Standard output: whether there is one, and what is printed there.

use super::escape::escaped;
use std::io::{self, Write};

/// What the program was started with. The runtime opens `/dev/null` in the place of a closed standard stream before `main`, so
/// it is looked at before that.
#[cfg(target_os = "linux")]
mod at_start {
    use std::sync::atomic::{AtomicBool, Ordering};

    static IS_OPEN: [AtomicBool; 2] = [const { AtomicBool::new(true) }; 2];

    extern "C" fn look() {
        for (descriptor, is_open) in (0..).zip(&IS_OPEN) {
            // SAFETY: asks for a flag of a descriptor by its number, and touches no memory. An error is the answer.
            let found = unsafe { libc::fcntl(descriptor, libc::F_GETFD) };
            is_open.store(found != -1, Ordering::Relaxed);
        }
    }

    #[used]
    // SAFETY: the loader calls what this section points to once, on the only thread; `look` needs nothing of the runtime.
    #[unsafe(link_section = ".init_array")]
    static LOOK: extern "C" fn() = look;

    pub fn is_open(descriptor: usize) -> bool {
        IS_OPEN.get(descriptor).is_none_or(|is_open| is_open.load(Ordering::Relaxed))
    }
}

#[cfg(not(target_os = "linux"))]
mod at_start {
    pub fn is_open(_descriptor: usize) -> bool {
        true
    }
}

/// Fails where the program was started without a standard input.
pub fn check_stdin() -> io::Result<()> {
    check(0)
}

/// Fails where the program was started without a standard output: what is printed would go nowhere.
pub fn check_stdout() -> io::Result<()> {
    check(1)
}

fn check(descriptor: usize) -> io::Result<()> {
    if at_start::is_open(descriptor) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EBADF)) }
}

/// Prints lines, each escaped, at once. False where whoever read them has gone away, having seen enough.
pub fn print_lines<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> io::Result<bool> {
    let mut text = String::new();
    for line in lines {
        text.push_str(&escaped(line.as_ref()));
        text.push('\n');
    }
    print(&text)
}

/// Prints a text as it is, at once. False as above.
pub fn print(text: &str) -> io::Result<bool> {
    check_stdout()?;
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}
