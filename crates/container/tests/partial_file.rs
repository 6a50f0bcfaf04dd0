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

#[cfg(unix)]
#[test]
fn a_file_that_can_be_reached_by_another_name_is_not_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) = (dir.path().join("a"), dir.path().join("reader"));
    std::fs::write(&other, b"mine").unwrap();
    std::fs::hard_link(&other, dir.path().join("a.partial")).unwrap();
    let created = PartialFile::create(&path, Existing::Refuse).map(drop).unwrap_err();
    let reopened = PartialFile::reopen(&path, Existing::Refuse).map(drop).unwrap_err();
    for error in [created, reopened] {
        assert_eq!(error.kind(), ErrorKind::Foreign);
        assert!(error.to_string().contains("a.partial was there already"), "{error}");
    }
    assert_eq!(std::fs::read(&other).unwrap(), b"mine");
    std::fs::remove_file(&other).unwrap();
    PartialFile::create(&path, Existing::Refuse).unwrap();
}

/// Only root can make a file another user's: elsewhere there is nothing to try.
#[cfg(unix)]
#[test]
fn a_file_of_another_user_is_not_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let partial = dir.path().join("a.partial");
    std::fs::write(&partial, b"theirs").unwrap();
    if std::os::unix::fs::chown(&partial, Some(65_534), None).is_err() {
        return;
    }
    let path = dir.path().join("a");
    let created = PartialFile::create(&path, Existing::Overwrite).map(drop).unwrap_err();
    let reopened = PartialFile::reopen(&path, Existing::Overwrite).map(drop).unwrap_err();
    for error in [created, reopened] {
        assert_eq!(error.kind(), ErrorKind::Foreign);
        assert!(error.to_string().contains("belongs to another user"), "{error}");
    }
    assert_eq!(std::fs::read(&partial).unwrap(), b"theirs");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_folder_in_the_way_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = std::ffi::CString::new(dir.path().join("a.partial").to_str().unwrap()).unwrap();
    // SAFETY: a string that ends in a zero.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    std::fs::create_dir(dir.path().join("b.partial")).unwrap();
    for (name, kind) in [("a", ErrorKind::NotAFile), ("b", ErrorKind::Io)] {
        let path = dir.path().join(name);
        assert_eq!(PartialFile::create(&path, Existing::Refuse).map(drop).unwrap_err().kind(), kind);
        assert_eq!(PartialFile::reopen(&path, Existing::Refuse).map(drop).unwrap_err().kind(), kind);
    }
}

#[test]
fn a_rename_replaces_nothing_unless_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    std::fs::write(&from, b"new").unwrap();
    std::fs::write(&to, b"old").unwrap();
    let error = mongoark_container::rename_new(&from, &to).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&to).unwrap(), b"old");
    std::fs::remove_file(&to).unwrap();
    mongoark_container::rename_new(&from, &to).unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), b"new");
    assert!(!from.exists());
}
