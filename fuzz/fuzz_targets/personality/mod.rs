//! The program's own modules that read command lines, without the rest of it.

#[path = "../../../src/personality/connstring.rs"]
pub mod connstring;
#[path = "../../../src/personality/flags/mod.rs"]
pub mod flags;
#[path = "../../../src/personality/go_text.rs"]
pub mod go_text;
#[path = "../../../src/personality/mongodump/flags.rs"]
pub mod mongodump_flags;
#[path = "../../../src/personality/mongorestore/flags.rs"]
pub mod mongorestore_flags;
#[path = "../../../src/personality/tool.rs"]
pub mod tool;
#[path = "../../../src/personality/uri_options.rs"]
pub mod uri_options;

pub mod mongodump {
    pub use super::mongodump_flags as flags;
}

pub mod mongorestore {
    pub use super::mongorestore_flags as flags;
}

pub mod bsondump {
    pub mod flags {
        use crate::personality::flags::Group;

        // Its own flags need the rest of the tool.
        pub static OUTPUT: Group = Group { name: "", flags: &[] };
    }
}
