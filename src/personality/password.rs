//! Asking for a password: on the terminal itself, so that nothing lands in a piped archive, or from a standard input
//! that is no terminal.

use super::log::{ALWAYS, Log};
use super::stdio;
use std::io::{self, IsTerminal, Read, Write};

/// Longer ones are cut off as what they are: no passwords.
const BYTES_MAX: usize = 64 * 1024;

/// Asks for the password of `whom`.
pub fn ask(whom: &str, log: &Log) -> io::Result<String> {
    let prompt = format!("Enter password for {whom}:");
    if io::stdin().is_terminal() {
        return rpassword::prompt_password(prompt);
    }
    log.line(ALWAYS, "reading password from standard input");
    // Who reads standard error may be gone; the password matters more.
    _ = io::stderr().write_all(prompt.as_bytes());
    // Without the library's buffer: what follows the line belongs to whoever reads next, an archive perhaps.
    let password = line(stdio::input()?)?;
    _ = io::stderr().write_all(b"\n");
    Ok(password)
}

/// One line, read byte by byte; backspace takes one back.
fn line(mut input: impl Read) -> io::Result<String> {
    let (mut password, mut byte) = (Vec::new(), [0]);
    while input.read(&mut byte)? == 1 {
        match byte[0] {
            b'\n' | b'\r' | 3 | 4 => break,
            8 | 127 => _ = password.pop(),
            0 => {}
            byte => password.push(byte),
        }
        if password.len() > BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is too long for a password"));
        }
    }
    String::from_utf8(password)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the password is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_what_follows_is_left() {
        let mut input = io::Cursor::new(b"pasd\x7fs\nrest".to_vec());
        assert_eq!(line(&mut input).unwrap(), "pass");
        let mut rest = String::new();
        input.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "rest");
        assert_eq!(line(io::empty()).unwrap(), "");
        assert!(line(io::repeat(b'x')).is_err());
        assert!(line(&b"\xff\n"[..]).is_err());
    }
}
