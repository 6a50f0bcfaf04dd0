//! A disk of a few megabytes, to write until it is full.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A mounted file system of a given size, gone when dropped. Needs root on Linux.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts a disk that holds `size_bytes`.
    ///
    /// # Panics
    /// When this process may not mount.
    pub fn mount(size_bytes: u64) -> Self {
        let folder = TempDir::new().expect("a folder to mount on");
        mount(&format!("size={size_bytes}"), folder.path());
        Self { folder }
    }

    /// Makes it larger or smaller, with all that is on it.
    ///
    /// # Panics
    /// When more is on it.
    pub fn resize(&self, size_bytes: u64) {
        mount(&format!("remount,size={size_bytes}"), self.folder.path());
    }

    /// Where the disk is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn mount(options: &str, folder: &Path) {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder);
    let output = command.output().unwrap_or_else(|error| panic!("cannot run mount: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "a test of a full disk mounts one, which takes root on Linux: {complaint}"
    );
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a file that a failing test still holds open does not keep the disk.
        Command::new("umount").arg("-l").arg(self.folder.path()).status().ok();
    }
}
