//! The file of `--config`: YAML with the secrets that nobody wants on a command line.

use super::go_text::Errno;
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::path::{Path, PathBuf};

/// Why the file cannot be used. Its contents are never shown.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("error opening file with --config: open {}: {}", path.display(), Errno(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what is expected.
    #[error("error parsing config file {}: line {line}: {reason}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

/// What the file gives; empty where it gives nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Config {
    pub password: String,
    pub uri: String,
    pub key_password: String,
}

/// Reads the file.
pub fn read(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(&text).map_err(|(line, reason)| ConfigError::Form { path: path.to_owned(), line, reason })
}

/// One flat mapping of known names to texts; an error is its line and what is wrong.
fn parse(text: &str) -> Result<Config, (usize, String)> {
    let mut config = Config::default();
    let (mut seen, mut key, mut depth) = (Vec::new(), None, 0_u8);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| (error.marker().line(), "this is not YAML".to_owned()))?;
        let line = span.start.line();
        let odd = |what: &str| Err((line, what.to_owned()));
        match event {
            Event::MappingStart(..) if depth == 0 && seen.is_empty() => depth = 1,
            Event::MappingEnd => depth = 0,
            Event::Scalar(value, style, _, _) if depth == 1 => match key.take() {
                None if seen.contains(&value) => return Err((line, format!("field {value} is there twice"))),
                None => {
                    key = Some(value.clone());
                    seen.push(value);
                }
                Some(name) => {
                    let null =
                        style == ScalarStyle::Plain && matches!(&*value, "" | "~" | "null" | "Null" | "NULL");
                    let value = if null { String::new() } else { value.into_owned() };
                    set(&mut config, &name, value).map_err(|reason| (line, reason))?;
                }
            },
            // An empty document.
            Event::Scalar(value, ..) if value.is_empty() || value == "~" => {}
            Event::Scalar(..) | Event::MappingStart(..) | Event::SequenceStart(..) | Event::SequenceEnd => {
                return odd("a list of `name: text` is expected");
            }
            Event::Alias(_) => return odd("aliases are not supported"),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
    }
    Ok(config)
}

fn set(config: &mut Config, name: &str, value: String) -> Result<(), String> {
    match name {
        "password" => config.password = value,
        "uri" => config.uri = value,
        "sslPEMKeyPassword" => config.key_password = value,
        // For a tool that is none of ours; files are shared.
        "destinationPassword" => {}
        _ => return Err(format!("field {name} not found; there are password, uri and sslPEMKeyPassword")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(String, String, String), String> {
        let config = parse(text).map_err(|(line, reason)| format!("{line}: {reason}"))?;
        Ok((config.password, config.uri, config.key_password))
    }

    #[test]
    fn texts_of_every_form_are_read() {
        for (text, expected) in [
            ("", ("", "", "")),
            ("# nothing\n", ("", "", "")),
            ("password: p@ss word\n", ("p@ss word", "", "")),
            (
                "---\npassword: \"a: \\x41\"\nuri: 'mongodb://h'\nsslPEMKeyPassword: 123\n",
                ("a: A", "mongodb://h", "123"),
            ),
            ("password: ~\nuri: true\ndestinationPassword: x\n", ("", "true", "")),
            ("{password: x}", ("x", "", "")),
        ] {
            let (password, uri, key) = parsed(text).unwrap();
            assert_eq!((password.as_str(), uri.as_str(), key.as_str()), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_not_shown() {
        for (text, line) in [
            ("host: x", "1: field host not found"),
            ("password: s3cret\npassword: s3cret", "2: field password is there twice"),
            ("- s3cret", "1: a list of"),
            ("s3cret", "1: a list of"),
            ("password: {s3cret: 1}", "1: a list of"),
            ("password: *s3cret", "1: "),
            ("password: \"s3cret", "1: this is not YAML"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.starts_with(line) && !error.contains("s3cret"), "{text}: {error}");
        }
    }
}
