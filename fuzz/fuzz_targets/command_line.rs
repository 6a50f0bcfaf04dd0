//! Command lines of the tools, one argument a line, and connection strings.
#![no_main]
#![allow(dead_code, unused_imports, reason = "the modules of the program are here for their parsers alone")]

use libfuzzer_sys::fuzz_target;

mod personality;

use personality::flags::{self, Typed};
use personality::tool::{BSONDUMP, MONGODUMP, MONGORESTORE};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let arguments: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    for tool in [&MONGODUMP, &MONGORESTORE, &BSONDUMP] {
        let mut typed = Typed::default();
        if let Err(error) = flags::parse(tool.groups, &arguments, &mut typed) {
            let _ = error.to_string();
        }
    }
    for argument in &arguments {
        let _ = personality::connstring::ConnectionString::parse(argument);
    }
});
