//! The golden archives of version 1: each is read as `manifest.json` says, and none may be missing from it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use common::{Content, read_path, read_pipe, write_private};
use mongoark_container::{Error, KeyFile, Secret, scrub};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Expected {
    /// `none`, `key` or `passphrase`.
    secret: String,
    pipe: String,
    file: String,
    scrub: String,
    /// SHA-256 of what is in a whole one.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/container/v1")
}

fn key() -> Secret {
    // A checkout gives the file a mode that a key file must not have.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    write_private(&path, &std::fs::read(folder().join("golden.key")).unwrap());
    Secret::KeyFile(KeyFile::load(&path).unwrap())
}

fn secrets(name: &str) -> Vec<Secret> {
    match name {
        "key" => vec![key()],
        "passphrase" => vec![common::passphrase_secret("golden passphrase")],
        _ => vec![],
    }
}

fn hash(content: &Content) -> String {
    let mut hash = Sha256::new();
    for (stream, body) in &content.catalogs {
        hash.update(stream.to_le_bytes());
        hash.update(body);
    }
    for chunk in &content.chunks {
        hash.update(chunk.stream.to_le_bytes());
        hash.update(&chunk.bytes);
    }
    hash.update(content.checkpoints.concat());
    hash.update(&content.summary);
    hash.finalize().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn told<T>(result: &Result<T, Error>) -> String {
    result.as_ref().map_or_else(|error| format!("{:?}", error.kind()), |_| "whole".to_owned())
}

fn outcome(name: &str, secret: &str) -> Expected {
    let path = folder().join(name);
    let bytes = std::fs::read(&path).unwrap();
    let secrets = secrets(secret);
    let pipe = read_pipe(&bytes, &secrets);
    let file = read_path(&path, &secrets);
    if let (Ok(pipe), Ok(file)) = (&pipe, &file) {
        assert_eq!(*pipe, file.content, "{name}");
    }
    Expected {
        secret: secret.to_owned(),
        pipe: told(&pipe),
        scrub: told(&scrub(&bytes[..])),
        content: file.as_ref().ok().map(|file| hash(&file.content)),
        file: match &file {
            Ok(read) if !read.warnings.is_empty() => format!("whole {:?}", read.warnings),
            other => told(other),
        },
    }
}

/// With `BLESS=1` new files get a line; lines that are there stay as they are.
#[test]
fn every_golden_archive() {
    let listed = folder().join("manifest.json");
    let text = std::fs::read_to_string(&listed).unwrap_or_else(|_| "{}".to_owned());
    let mut manifest: BTreeMap<String, Expected> = serde_json::from_str(&text).unwrap();
    let present: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "manifest.json" && name != "golden.key")
        .collect();
    if std::env::var_os("BLESS").is_some() {
        for name in &present {
            let secret = match name.split_once('_').map_or("", |(area, _)| area) {
                "plain" => "none",
                "passphrase" => "passphrase",
                _ => "key",
            };
            manifest.entry(name.clone()).or_insert_with(|| outcome(name, secret));
        }
        std::fs::write(&listed, serde_json::to_string_pretty(&manifest).unwrap() + "\n").unwrap();
    }
    assert_eq!(manifest.keys().cloned().collect::<BTreeSet<_>>(), present, "manifest.json lists every file");
    for (name, expected) in &manifest {
        assert_eq!(outcome(name, &expected.secret), *expected, "{name}");
    }
    assert!(manifest.len() >= 29);
}
