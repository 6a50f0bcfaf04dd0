//! Rotation changes who can open an archive, and can be torn at any byte.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    HEADER_LEN, Plan, TRAILER_LEN, TestFile, build, encrypted, key_secret, passphrase_secret, plain,
    read_path, read_pipe, tiny_kdf,
};
use mongoark_container::{ErrorKind, FileReader, Limits, Secret, Warning, WriteSecrets, rotate, scrub};

fn to(secrets: Vec<Secret>) -> WriteSecrets {
    WriteSecrets { secrets, kdf: tiny_kdf() }
}

#[test]
fn old_secrets_go_and_new_ones_come() {
    let bytes = build(&Plan::sample(), &encrypted()).unwrap().bytes;
    let file = TestFile::new(&bytes);
    let (old, limits) = ([key_secret(1)], Limits::default());
    let new = vec![passphrase_secret("new"), key_secret(2), key_secret(3)];
    rotate(&file.path, &old, &to(new.clone()), &limits).unwrap();
    assert_eq!(FileReader::header_of(&file.path, &limits).unwrap().slots().len(), 3);
    for secret in new {
        let read = read_path(&file.path, &[secret]).unwrap();
        assert_eq!((read.content, read.warnings), (Plan::sample().content(), vec![]));
    }
    assert_eq!(read_path(&file.path, &old).map(drop).unwrap_err().kind(), ErrorKind::WrongSecret);
    let rotated = std::fs::read(&file.path).unwrap();
    let tail = bytes.len() - TRAILER_LEN - HEADER_LEN;
    assert_eq!(rotated[..64], bytes[..64], "the preamble stays");
    assert_eq!(rotated[HEADER_LEN..tail], bytes[HEADER_LEN..tail], "no record changes");
    assert!(read_pipe(&rotated, &[key_secret(3)]).is_ok());
    scrub(&rotated[..]).unwrap();
}

#[test]
fn torn_at_every_byte() {
    let before = build(&Plan::sample(), &encrypted()).unwrap().bytes;
    let file = TestFile::new(&before);
    let both = [key_secret(1), key_secret(2)];
    rotate(&file.path, &both[..1], &to(vec![key_secret(2)]), &Limits::default()).unwrap();
    let after = std::fs::read(&file.path).unwrap();
    let tail = before.len() - TRAILER_LEN - HEADER_LEN;
    let mut torn = before;
    // The last copy is overwritten first, then the first one.
    for start in [tail, 0] {
        for byte in start..start + HEADER_LEN {
            torn[byte] = after[byte];
            file.put(&torn);
            let opens = |secret: &Secret| match read_path(&file.path, std::slice::from_ref(secret)) {
                Ok(read) => {
                    assert_eq!(read.content, Plan::sample().content());
                    Some(read.warnings)
                }
                Err(_) => None,
            };
            let (old, new) = (opens(&both[0]), opens(&both[1]));
            assert!(old.is_some() || new.is_some(), "byte {byte}");
            if start == 0 && byte == HEADER_LEN - 1 {
                assert_eq!((old, new), (None, Some(vec![])));
            } else if start == tail && byte == tail + HEADER_LEN - 1 {
                assert_eq!(old, Some(vec![Warning::RotationUnfinished]));
                assert_eq!(new, Some(vec![Warning::RotationUnfinished]));
            }
        }
    }
}

#[test]
fn an_interrupted_rotation_is_finished_by_another() {
    let before = build(&Plan::sample(), &encrypted()).unwrap().bytes;
    let file = TestFile::new(&before);
    let limits = Limits::default();
    rotate(&file.path, &[key_secret(1)], &to(vec![key_secret(2)]), &limits).unwrap();
    let after = std::fs::read(&file.path).unwrap();
    let tail = before.len() - TRAILER_LEN - HEADER_LEN;
    let halfway = [&before[..tail], &after[tail..]].concat();
    for secret in [1, 2] {
        file.put(&halfway);
        rotate(&file.path, &[key_secret(secret)], &to(vec![key_secret(3)]), &limits).unwrap();
        let read = read_path(&file.path, &[key_secret(3)]).unwrap();
        assert_eq!(read.warnings, vec![]);
        for gone in [1, 2] {
            assert!(read_path(&file.path, &[key_secret(gone)]).is_err());
        }
    }
    assert!(read_pipe(&halfway, &[key_secret(1)]).is_ok(), "a pipe takes either header, too");
    assert_eq!(scrub(&halfway[..]).unwrap().warnings, vec![Warning::RotationUnfinished]);
}

#[test]
fn rotation_mends_a_damaged_header() {
    let good = build(&Plan::sample(), &encrypted()).unwrap().bytes;
    for byte in [3, 70, 1100, good.len() - TRAILER_LEN - 3] {
        let mut bytes = good.clone();
        bytes[byte] ^= 1;
        let file = TestFile::new(&bytes);
        rotate(&file.path, &[key_secret(1)], &to(vec![key_secret(1)]), &Limits::default()).unwrap();
        assert_eq!(read_path(&file.path, &[key_secret(1)]).unwrap().warnings, vec![]);
    }
}

#[test]
fn what_cannot_be_rotated() {
    let limits = Limits::default();
    let file = TestFile::new(&build(&Plan::sample(), &plain()).unwrap().bytes);
    let kind =
        |old: &[Secret], new: Vec<Secret>| rotate(&file.path, old, &to(new), &limits).unwrap_err().kind();
    assert_eq!(kind(&[], vec![key_secret(1)]), ErrorKind::NotEncrypted);
    let bytes = build(&Plan::sample(), &encrypted()).unwrap().bytes;
    file.put(&bytes);
    assert_eq!(kind(&[key_secret(1)], vec![]), ErrorKind::Misuse);
    assert_eq!(kind(&[], vec![key_secret(2)]), ErrorKind::SecretRequired);
    assert_eq!(kind(&[key_secret(9)], vec![key_secret(2)]), ErrorKind::WrongSecret);
    assert_eq!(kind(&[key_secret(1)], (0..9).map(key_secret).collect()), ErrorKind::LimitExceeded);
    assert_eq!(std::fs::read(&file.path).unwrap(), bytes, "a refused rotation changes nothing");
    file.put(&bytes[..bytes.len() - 1]);
    assert_eq!(kind(&[key_secret(1)], vec![key_secret(2)]), ErrorKind::Truncated);
}
