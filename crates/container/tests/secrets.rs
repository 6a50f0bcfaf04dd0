//! Secrets stay secret: key files that others can use are refused, and nothing shows a key.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(unix)]

mod common;

use std::os::unix::fs::PermissionsExt;

use common::{build, encrypted, key_secret, passphrase_secret, write_private};
use mongoark_container::{
    ErrorKind, FileReader, Header, KeyFile, Limits, Passphrase, Secret, WriteOptions, WriteSecrets, create,
};

#[test]
fn a_new_key_file_is_private_and_loads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let key = KeyFile::create(&path).unwrap();
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!((metadata.permissions().mode() & 0o7777, metadata.len()), (0o600, 44));
    assert_eq!(KeyFile::create(&path).map(drop).unwrap_err().kind(), ErrorKind::Exists);
    let options = WriteOptions { secrets: vec![Secret::KeyFile(key)], ..WriteOptions::default() };
    let bytes = build(&common::Plan::sample(), &options).unwrap().bytes;
    let loaded = Secret::KeyFile(KeyFile::load(&path).unwrap());
    assert!(common::read_pipe(&bytes, &[loaded]).is_ok());
}

#[test]
fn key_files_that_others_can_use_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    KeyFile::create(&path).unwrap();
    for bit in 0..9 {
        let mode = 0o600 | (1 << bit);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let result = KeyFile::load(&path).map(drop).map_err(|error| error.kind());
        let wanted = if bit < 6 { Err(ErrorKind::InsecureKeyFile) } else { Ok(()) };
        assert_eq!(result, wanted, "{mode:o}");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    assert!(KeyFile::load(&path).is_ok());
}

#[test]
fn any_other_file_is_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
    KeyFile::create(&good).unwrap();
    let bytes = std::fs::read(&good).unwrap();
    let refused = |bytes: &[u8]| {
        write_private(&bad, bytes);
        assert_eq!(KeyFile::load(&bad).map(drop).unwrap_err().kind(), ErrorKind::InvalidKeyFile);
    };
    for len in 0..bytes.len() {
        refused(&bytes[..len]);
    }
    refused(&[&bytes[..], b"\n"].concat());
    refused(b"0123456789abcdef0123456789abcdef");
    for bit in 0..bytes.len() * 8 {
        let mut bent = bytes.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        refused(&bent);
    }
    let missing = KeyFile::load(&dir.path().join("missing")).map(drop).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Io);
    assert!(missing.to_string().contains("missing"), "{missing}");
}

#[test]
fn an_archive_that_takes_no_secret_is_refused_where_one_is_given() {
    let bytes = build(&common::Plan::sample(), &common::plain()).unwrap().bytes;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    std::fs::write(&path, &bytes).unwrap();
    for secret in [key_secret(1), passphrase_secret("sesame")] {
        let secrets = [secret];
        let header = Header::read(&mut &bytes[..], &Limits::default()).unwrap();
        let refused = header.unlock(&secrets, &Limits::default()).map(drop).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotEncrypted);
        let refused = FileReader::open(&path, &secrets, &Limits::default()).map(drop).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotEncrypted);
    }
    assert!(
        common::read_pipe(&bytes, &[]).is_ok() && FileReader::open(&path, &[], &Limits::default()).is_ok()
    );
}

#[test]
fn nothing_shows_a_secret() {
    const TEXT: &str = "correct horse";
    let secrets = vec![passphrase_secret(TEXT), key_secret(0x5A)];
    let options = WriteOptions { secrets: secrets.clone(), ..encrypted() };
    let (sequencer, sealer, writer) = create(Vec::new(), &options).unwrap();
    let bytes = build(&common::Plan::sample(), &options).unwrap().bytes;
    let header = Header::read(&mut &bytes[..], &Limits::default()).unwrap();
    let keys = header.unlock(&secrets, &Limits::default()).unwrap();
    let write = WriteSecrets { secrets, kdf: options.kdf };
    let shown = format!("{options:?} {sequencer:?} {sealer:?} {writer:?} {header:?} {keys:?} {write:?}");
    assert!(shown.contains("redacted"));
    for leak in [TEXT, "5a5a", "5A5A", "90, 90", "99, 111, 114"] {
        assert!(!shown.contains(leak), "{leak} in {shown}");
    }
    assert!(Passphrase::new(Vec::new()).is_err());
}

#[test]
fn nothing_of_an_encrypted_archive_is_in_the_clear() {
    let mut plan = common::Plan { summary: b"needle in the summary".to_vec(), ..common::Plan::default() };
    plan.catalogs.push((0x5EED_CAFE, b"needle in the catalog".to_vec()));
    plan.chunk(mongoark_container::ChunkKind::Data, 0x5EED_CAFE, 1, b"needle in a document".to_vec());
    let options = WriteOptions { codec: "none".parse().unwrap(), ..encrypted() };
    let bytes = build(&plan, &options).unwrap().bytes;
    for needle in [&b"needle"[..], &0x5EED_CAFE_u32.to_le_bytes()] {
        assert!(!bytes.windows(needle.len()).any(|window| window == needle));
    }
    let again = build(&plan, &options).unwrap().bytes;
    assert_ne!(bytes[24..40], again[24..40], "each archive has an id of its own");
}
