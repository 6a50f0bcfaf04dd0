//! Runs a server once, and finds out which package has a shared library that it misses.

use std::process::Command;

use mongoark_test_support::Binary;

use super::libssl;
use crate::Result;
use crate::execute::execute_quietly;

/// Debian packages of the libraries that MongoDB's servers are linked with.
const DEBIAN_PACKAGES: [(&str, &str); 12] = [
    ("libcurl.so.4", "libcurl4"),
    ("liblzma.so.5", "liblzma5"),
    ("libssl.so.3", "libssl3"),
    ("libcrypto.so.3", "libssl3"),
    ("libssl.so.1.1", "libssl1.1"),
    ("libcrypto.so.1.1", "libssl1.1"),
    ("libgssapi_krb5.so.2", "libgssapi-krb5-2"),
    ("libldap-2.5.so.0", "libldap-2.5-0"),
    ("libsasl2.so.2", "libsasl2-2"),
    ("libgcc_s.so.1", "libgcc-s1"),
    ("libresolv.so.2", "libc6"),
    ("libm.so.6", "libc6"),
];

/// Runs `mongod --version`, fetching libssl 1.1 for it if that is what it misses; returns what it says.
pub(super) fn first_run(binary: &Binary) -> Result<String> {
    let complaint = match version_line(binary) {
        Ok(line) => return Ok(line),
        Err(complaint) => complaint,
    };
    match missing_library(&complaint) {
        Some(library) if debian_package(library) == Some("libssl1.1") => {
            libssl::fetch(&Binary::directory(&binary.version).join("lib"))?;
            let again = Binary::look_for(&binary.version, |name| std::env::var_os(name).map(Into::into));
            version_line(&again.map_err(|missing| missing.to_string())?)
        }
        Some(library) => Err(advice(&binary.version, library)),
        None => Err(complaint),
    }
}

fn version_line(binary: &Binary) -> Result<String> {
    let mut command = Command::new(&binary.path);
    command.arg("--version");
    if let Some(folder) = &binary.library_path {
        command.env("LD_LIBRARY_PATH", folder);
    }
    let output = execute_quietly(&mut command)?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

/// The library that the dynamic linker looks for in vain.
fn missing_library(complaint: &str) -> Option<&str> {
    let rest = complaint.split_once("error while loading shared libraries: ")?.1;
    rest.split_once(':').map(|(library, _)| library)
}

fn debian_package(library: &str) -> Option<&'static str> {
    DEBIAN_PACKAGES.iter().find(|(name, _)| *name == library).map(|(_, package)| *package)
}

fn advice(version: &str, library: &str) -> String {
    let package = debian_package(library).map_or_else(
        || format!("find its package with `apt-file search {library}`"),
        |package| format!("on Debian it is in the package {package}"),
    );
    format!("mongod {version} misses the shared library {library}: {package}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_named_with_its_debian_package() {
        let complaint =
            "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file";
        let library = missing_library(complaint).unwrap();
        assert_eq!(
            advice("6.0.5", library),
            "mongod 6.0.5 misses the shared library libcurl.so.4: on Debian it is in the package libcurl4"
        );
        assert!(advice("6.0.5", "libodd.so.1").contains("apt-file search libodd.so.1"));
        assert_eq!(missing_library("mongod ended with signal: 11"), None);
    }
}
