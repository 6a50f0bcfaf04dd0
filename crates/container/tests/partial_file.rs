//! A file gets its name only when it is whole.

use std::io::Write;

use mongoark_container::{ErrorKind, Existing, PartialFile};

#[test]
fn commit_gives_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dump.mark");
    let mut file = PartialFile::create(&path, Existing::Refuse).unwrap();
    file.write_all(b"whole").unwrap();
    file.sync_data().unwrap();
    assert!(!path.exists());
    assert_eq!(file.partial_path(), dir.path().join("dump.mark.partial"));
    file.commit().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"whole");
    assert!(!dir.path().join("dump.mark.partial").exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn dropping_leaves_the_partial_file_and_the_next_run_replaces_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let mut file = PartialFile::create(&path, Existing::Refuse).unwrap();
    file.write_all(b"a long first attempt").unwrap();
    let busy = PartialFile::create(&path, Existing::Refuse).map(drop).unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Busy);
    assert!(busy.to_string().contains("a.partial"), "{busy}");
    drop(file);
    assert_eq!(std::fs::read(dir.path().join("a.partial")).unwrap(), b"a long first attempt");
    let mut file = PartialFile::create(&path, Existing::Refuse).unwrap();
    file.write_all(b"second").unwrap();
    file.commit().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
}

#[test]
fn an_existing_file_stays_unless_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let file = PartialFile::create(&path, Existing::Refuse).unwrap();
    std::fs::write(&path, b"appeared meanwhile").unwrap();
    assert_eq!(file.commit().unwrap_err().kind(), ErrorKind::Exists);
    assert_eq!(PartialFile::create(&path, Existing::Refuse).map(drop).unwrap_err().kind(), ErrorKind::Exists);
    assert_eq!(std::fs::read(&path).unwrap(), b"appeared meanwhile");
    let mut file = PartialFile::create(&path, Existing::Overwrite).unwrap();
    file.write_all(b"new").unwrap();
    file.commit().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
}

#[test]
fn errors_name_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing").join("a");
    let error = PartialFile::create(&path, Existing::Refuse).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("missing"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_link_in_the_way_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let precious = dir.path().join("precious");
    std::fs::write(&precious, b"data").unwrap();
    std::os::unix::fs::symlink(&precious, dir.path().join("a.partial")).unwrap();
    let error = PartialFile::create(&dir.path().join("a"), Existing::Overwrite).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(std::fs::read(&precious).unwrap(), b"data");
}
