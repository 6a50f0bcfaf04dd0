//! `mongoark key`: make a key file, change an archive's secrets.

use super::context::Context;
use crate::exit::Exit;
use crate::same_file::{Use, refuse_same};
use crate::secrets::{GivenArgs, SecretArgs, SecretError};
use clap::{Args, Subcommand};
use mongoark_engine::container::{self, FileReader, KdfParams, KeyFile, Limits, WriteSecrets};
use mongoark_engine::{Error, Result};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key file: 32 random bytes that open archives
    Generate(GenerateArgs),
    /// Change the passphrase or key file of an archive, without rewriting its data
    Rotate(RotateArgs),
}

/// Flags of `mongoark key generate`.
#[derive(Args, Debug)]
pub struct GenerateArgs {
    /// The file to make; it must not exist
    file: PathBuf,
}

/// Flags of `mongoark key rotate`. The old secret comes by the usual flags.
#[derive(Args, Debug)]
pub struct RotateArgs {
    #[command(flatten)]
    old: SecretArgs,
    /// Read the new passphrase from the first line of this file
    #[arg(long, value_name = "FILE", help_heading = "New secret")]
    new_passphrase_file: Option<PathBuf>,
    /// Read the new passphrase from the first line of this open file descriptor
    #[arg(long, value_name = "N", help_heading = "New secret")]
    new_passphrase_fd: Option<u32>,
    /// Use this key file from now on
    #[arg(long, value_name = "FILE", help_heading = "New secret")]
    new_key_file: Option<PathBuf>,
    /// The archive
    archive: PathBuf,
}

impl RotateArgs {
    fn new_secrets(&self) -> GivenArgs {
        GivenArgs {
            passphrase_file: self.new_passphrase_file.clone(),
            passphrase_fd: self.new_passphrase_fd,
            key_file: self.new_key_file.clone(),
            ..GivenArgs::default()
        }
    }

    fn refuse_same_file(&self) -> std::result::Result<(), String> {
        let new = self.new_secrets();
        let mut uses = vec![Use::writes("the archive", &self.archive)];
        uses.extend(self.old.given.files().chain(new.files()));
        refuse_same(&uses)
    }
}

/// Runs `mongoark key`.
pub fn run(command: KeyCommand, context: &Context) -> Exit {
    match command {
        KeyCommand::Generate(args) => context.end("key generate", generate(&args, context)),
        KeyCommand::Rotate(args) => context.end("key rotate", rotate(&args, context)),
    }
}

fn generate(args: &GenerateArgs, context: &Context) -> Result<Value> {
    KeyFile::create(&args.file)?;
    context.logger.summary(&format!(
        "{} holds a new key. Keep a copy where the archives are not: without it they cannot be opened",
        args.file.display()
    ));
    Ok(json!({ "file": args.file.display().to_string() }))
}

fn rotate(args: &RotateArgs, context: &Context) -> Result<Value> {
    args.refuse_same_file().map_err(Error::Usage)?;
    let secret = |error: SecretError| Error::Secret(Box::new(error));
    let limits = Limits::default();
    let header = FileReader::header_of(&args.archive, &limits)?;
    let old = args.old.to_open(&header).map_err(secret)?;
    let new = args.new_secrets().to_lock_anew().map_err(secret)?;
    container::rotate(
        &args.archive,
        &old,
        &WriteSecrets { secrets: new, kdf: KdfParams::default() },
        &limits,
    )?;
    context.logger.summary(&format!(
        "{} opens with the new secret alone. Copies of it made before still open with the old one",
        args.archive.display()
    ));
    Ok(json!({ "archive": args.archive.display().to_string() }))
}
