//! Which `mongod` a test runs, and what to say when there is none.

use std::path::{Path, PathBuf};
use std::{env, fmt};

/// The version that tests run on unless `MONGOARK_TEST_SERVER` names another one.
pub const DEFAULT_VERSION: &str = "6.0.5";

/// A `mongod` on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// The version that was asked for, such as `6.0.5`.
    pub version: String,
    /// The executable.
    pub path: PathBuf,
    /// A folder with shared libraries that this server needs and the system lacks.
    pub library_path: Option<PathBuf>,
}

impl Binary {
    /// The version that tests run on: `MONGOARK_TEST_SERVER`, or [`DEFAULT_VERSION`].
    pub fn default_version() -> String {
        env::var("MONGOARK_TEST_SERVER").unwrap_or_else(|_| DEFAULT_VERSION.to_owned())
    }

    /// The server of this version; see [`Binary::look_for`] for the places.
    ///
    /// # Panics
    /// When there is none, naming the command that fetches it.
    pub fn find(version: &str) -> Self {
        Self::look_for(version, |name| env::var_os(name).map(PathBuf::from))
            .unwrap_or_else(|missing| panic!("{missing}"))
    }

    /// Looks, in this order, at `MONGOD_6_0_5` (the version with underscores), at `MONGOD` for the default version,
    /// into [`Binary::directory`], and for the default version along `PATH`.
    pub fn look_for(version: &str, variable: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, Missing> {
        let is_default = version == DEFAULT_VERSION;
        let own_variable = format!("MONGOD_{}", version.replace('.', "_"));
        let variables = std::iter::once(own_variable.as_str()).chain(is_default.then_some("MONGOD"));
        for name in variables {
            if let Some(path) = variable(name) {
                return Self::named_by(name, version, path);
            }
        }
        let fetched = Self::directory(version).join(executable_name());
        let on_path = || variable("PATH").filter(|_| is_default).and_then(|list| search(list.as_os_str()));
        fetched.is_file().then_some(fetched).or_else(on_path).map(|path| Self::at(version, path)).ok_or_else(
            || Missing { version: version.to_owned(), named_by: None, directory: Self::directory(version) },
        )
    }

    /// Where `cargo xtask mongod` puts this version: `mongod/<version>` below the target directory.
    pub fn directory(version: &str) -> PathBuf {
        target_directory().join("mongod").join(version)
    }

    /// Whether this server is at least version `major.minor`.
    pub fn is_at_least(&self, major: u32, minor: u32) -> bool {
        let mut parts = self.version.split('.').map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (major, minor)
    }

    fn at(version: &str, path: PathBuf) -> Self {
        let library_path = path.parent().map(|folder| folder.join("lib")).filter(|folder| folder.is_dir());
        Self { version: version.to_owned(), path, library_path }
    }

    fn named_by(variable: &str, version: &str, path: PathBuf) -> Result<Self, Missing> {
        if path.is_file() {
            return Ok(Self::at(version, path));
        }
        let named_by = Some((variable.to_owned(), path));
        Err(Missing { version: version.to_owned(), named_by, directory: Self::directory(version) })
    }
}

/// There is no server of this version; its text says how to get one.
#[derive(Debug, PartialEq, Eq)]
pub struct Missing {
    version: String,
    /// A variable that names a file that is not there.
    named_by: Option<(String, PathBuf)>,
    directory: PathBuf,
}

impl Missing {
    /// Whether a variable names a server that is not there, which fetching one does not mend.
    pub fn is_misnamed(&self) -> bool {
        self.named_by.is_some()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, named_by, directory } = self;
        if let Some((variable, path)) = named_by {
            return write!(f, "{variable} names {}, and there is no such file", path.display());
        }
        let (option, variables) = if version == DEFAULT_VERSION {
            (String::new(), "MONGOD".to_owned())
        } else {
            (format!(" --version {version}"), format!("MONGOD_{}", version.replace('.', "_")))
        };
        write!(
            f,
            "this test needs a MongoDB {version} server, and there is none in {}: run `cargo xtask mongod{option}`, \
             or set {variables} to the path of one",
            directory.display()
        )
    }
}

impl std::error::Error for Missing {}

/// The target directory of this workspace, as cargo sees it.
fn target_directory() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/test-support");
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |set| workspace.join(set))
}

fn search(list: &std::ffi::OsStr) -> Option<PathBuf> {
    env::split_paths(list).map(|folder| folder.join(executable_name())).find(|path| path.is_file())
}

fn executable_name() -> String {
    format!("mongod{}", env::consts::EXE_SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_server_names_the_command_that_fetches_it() {
        let text = Binary::look_for("0.0.1", |_| None).unwrap_err().to_string();
        assert!(text.contains("run `cargo xtask mongod --version 0.0.1`"), "{text}");
        assert!(text.contains("MONGOD_0_0_1"), "{text}");
        let missing = Missing {
            version: DEFAULT_VERSION.into(),
            named_by: None,
            directory: "target/mongod/6.0.5".into(),
        };
        assert!(missing.to_string().contains("run `cargo xtask mongod`"), "{missing}");
    }

    #[test]
    fn a_variable_that_names_no_file_is_not_passed_over() {
        let variable = |name: &str| (name == "MONGOD_0_0_1").then(|| PathBuf::from("nowhere/mongod"));
        let text = Binary::look_for("0.0.1", variable).unwrap_err().to_string();
        assert!(text.contains("MONGOD_0_0_1 names nowhere/mongod"), "{text}");
    }

    #[test]
    fn the_general_variable_and_the_path_serve_the_default_version_only() {
        let this_file = std::env::current_exe().unwrap();
        let variable = |name: &str| (name == "MONGOD" || name == "PATH").then(|| this_file.clone());
        assert_eq!(Binary::look_for(DEFAULT_VERSION, variable).unwrap().path, this_file);
        assert!(Binary::look_for("0.0.1", variable).is_err());
    }

    #[test]
    fn versions_compare_by_number() {
        let binary = Binary { version: "10.2.0".into(), path: PathBuf::new(), library_path: None };
        assert!(binary.is_at_least(9, 9) && binary.is_at_least(10, 2) && !binary.is_at_least(10, 3));
    }
}
