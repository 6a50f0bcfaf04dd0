//! The flags of `bsondump`, and what they mean together.

use super::run::{Kind, Options};
use crate::personality::flags::Takes::{Nothing, Text};
use crate::personality::flags::{BsonArgs, Flag, Group};
use crate::personality::go_text::quoted;

/// What is printed.
pub static OUTPUT: Group = Group {
    name: "output options",
    flags: &[
        Flag::new("type", Text(|t| &mut t.bson.kind), "<type>", "json or debug (default: json)"),
        Flag::new("objcheck", Nothing(|t| &mut t.bson.objcheck), "", "stop at a document that is no BSON"),
        Flag::new("pretty", Nothing(|t| &mut t.bson.pretty), "", "indent JSON"),
        Flag::new(
            "bsonFile",
            Text(|t| &mut t.bson.bson_file),
            "<file>",
            "read this file (default: standard input)",
        ),
        Flag::new(
            "outFile",
            Text(|t| &mut t.bson.out_file),
            "<file>",
            "write this file (default: standard output)",
        ),
    ],
};

/// Why the flags cannot be followed. The words are those of the tool.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// More than one file.
    #[error("too many positional arguments: [{}]", .0.join(" "))]
    TooMany(Vec<String>),
    /// A file by flag and by place.
    #[error("cannot specify both a positional argument and --bsonFile")]
    TwoInputs,
    /// No such output.
    #[error("unsupported output type {}. Must be either `debug` or `json`", quoted(.0))]
    Kind(String),
}

/// What a run is to do.
pub fn options(args: BsonArgs, mut files: Vec<String>) -> Result<Options, UsageError> {
    if files.len() > 1 {
        return Err(UsageError::TooMany(files));
    }
    let input = match (files.pop(), args.bson_file) {
        (Some(_), flag) if !flag.is_empty() => return Err(UsageError::TwoInputs),
        (Some(file), _) => file,
        (None, flag) => flag,
    };
    let kind = match args.kind.as_str() {
        "" | "json" => Kind::Json,
        "debug" => Kind::Debug,
        _ => return Err(UsageError::Kind(args.kind)),
    };
    let path = |name: String| (!name.is_empty()).then(|| name.into());
    Ok(Options {
        kind,
        pretty: args.pretty,
        objcheck: args.objcheck,
        input: path(input),
        output: path(args.out_file),
    })
}
