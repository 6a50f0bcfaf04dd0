//! What a write must reach before the server acknowledges it: as flags and connection strings say it,
//! and as commands carry it.

use crate::error::Result;
use crate::loose_json::Loose;
use crate::uri_parts::UriParts;
use mongoark_bson_bytes::Builder;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How many members must have a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acknowledgment {
    /// This many; none: the server answers before it has written.
    Members(i32),
    /// The majority of the voting members.
    Majority,
    /// A write concern that the set defines under this name.
    Custom(String),
}

/// What a write must reach before the server acknowledges it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteConcern {
    /// The members that must have it.
    pub w: Acknowledgment,
    /// Whether it must be in the journal; nothing: as the server has it.
    pub journal: Option<bool>,
    /// After how long the server stops waiting and says so; the write itself stays.
    pub timeout: Option<Duration>,
}

/// What a connection string says of the write concern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UriWriteConcern {
    /// `w`.
    pub w: Option<Acknowledgment>,
    /// `journal`.
    pub journal: Option<bool>,
    /// `wtimeoutMS`.
    pub timeout: Option<Duration>,
}

impl Default for WriteConcern {
    /// `{w: "majority", j: true}`: what was acknowledged outlives the loss of any minority.
    fn default() -> Self {
        Self { journal: Some(true), ..Self::majority() }
    }
}

impl WriteConcern {
    /// `{w: "majority"}`, the default of mongorestore.
    pub fn majority() -> Self {
        Self { w: Acknowledgment::Majority, journal: None, timeout: None }
    }

    /// The write concern of mongorestore: its flag, a word, a number or a document such as
    /// `{w: 3, wtimeout: 500, j: true}`; without it the connection string's, else majority. The error says
    /// what is wrong with the flag.
    pub fn of_tool(flag: Option<&str>, uri: &UriWriteConcern) -> Result<Self, String> {
        match flag.filter(|flag| !flag.is_empty()) {
            None => Ok(uri.over(Self::majority())),
            Some(flag) if flag.trim_start().starts_with('{') => Self::of_document(flag),
            Some(flag) => Ok(Self { w: flag.parse()?, ..Self::majority() }),
        }
    }

    fn of_document(text: &str) -> Result<Self, String> {
        let document = Loose::parse(text).map_err(|error| format!("invalid write concern: {error}"))?;
        let w = match document.get("w") {
            None => Acknowledgment::Majority,
            Some(Loose::Text(text)) => text.parse()?,
            Some(value) => match value.as_whole().map(i32::try_from) {
                Some(Ok(members)) => members_of(members)?,
                _ => return Err("invalid 'w' argument: neither a number of members nor a name".to_owned()),
            },
        };
        let timeout = match document.get("wtimeout") {
            None => None,
            Some(value) => {
                Some(value.as_whole().ok_or("invalid 'wtimeout' argument: not a number of milliseconds")?)
            }
        };
        let timeout = timeout.and_then(|milliseconds| u64::try_from(milliseconds).ok()).filter(|ms| *ms > 0);
        let journal = document.get("j").is_some_and(Loose::is_truthy).then_some(true);
        Ok(Self { w, journal, timeout: timeout.map(Duration::from_millis) })
    }

    /// Whether the server says what became of a write.
    pub fn is_acknowledged(&self) -> bool {
        self.w != Acknowledgment::Members(0) || self.journal == Some(true)
    }

    /// Adds `writeConcern` to a command: what is set, and nothing else.
    pub(crate) fn append_to(&self, command: &mut Builder) {
        command.nested("writeConcern", |concern| {
            match &self.w {
                Acknowledgment::Members(members) => concern.i32("w", *members),
                Acknowledgment::Majority => concern.str("w", "majority"),
                Acknowledgment::Custom(name) => concern.str("w", name),
            };
            if let Some(journal) = self.journal {
                concern.bool("j", journal);
            }
            if let Some(timeout) = self.timeout {
                // The server takes 32 bits; longer than 24 days is as good as for ever.
                concern.i32("wtimeout", i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
            }
        });
    }
}

impl UriWriteConcern {
    pub(crate) fn of(parts: &UriParts) -> Result<Self, String> {
        let milliseconds = parts.option("wtimeoutMS").map(|text| {
            text.parse::<u64>().map_err(|_| "wtimeoutMS must be a number of milliseconds".to_owned())
        });
        let journal = parts
            .option("journal")
            .map(|text| text.parse::<bool>().map_err(|_| "journal must be true or false".to_owned()));
        Ok(Self {
            w: parts.option("w").map(str::parse).transpose()?,
            journal: journal.transpose()?,
            timeout: milliseconds.transpose()?.filter(|ms| *ms > 0).map(Duration::from_millis),
        })
    }

    /// `otherwise`, with what the connection string says put in its place.
    pub fn over(&self, otherwise: WriteConcern) -> WriteConcern {
        WriteConcern {
            w: self.w.clone().unwrap_or(otherwise.w),
            journal: self.journal.or(otherwise.journal),
            timeout: self.timeout.or(otherwise.timeout),
        }
    }
}

impl FromStr for Acknowledgment {
    type Err = String;

    /// `majority`, a number of members, or a name; empty means majority.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<i32>() {
            Ok(members) => members_of(members),
            Err(_) if text.is_empty() || text == "majority" => Ok(Self::Majority),
            Err(_) => Ok(Self::Custom(text.to_owned())),
        }
    }
}

fn members_of(members: i32) -> Result<Acknowledgment, String> {
    if members < 0 {
        Err(format!("invalid 'w' argument: {members}"))
    } else {
        Ok(Acknowledgment::Members(members))
    }
}

/// What refuses a write concern that acknowledges nothing, for commands that must know.
pub(crate) const UNACKNOWLEDGED: &str = "write concern 0 is refused: nobody would know what was written";

impl FromStr for WriteConcern {
    type Err = String;

    /// The write concern of `mongoark restore`: always journaled, never 0.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err(
                "the write concern is empty: give 'majority', a number of members, or a name".to_owned()
            );
        }
        match text.parse()? {
            Acknowledgment::Members(0) => Err(UNACKNOWLEDGED.to_owned()),
            w => Ok(Self { w, ..Self::default() }),
        }
    }
}

impl fmt::Display for WriteConcern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.w {
            Acknowledgment::Members(members) => write!(f, "w: {members}")?,
            Acknowledgment::Majority => f.write_str("w: majority")?,
            Acknowledgment::Custom(name) => write!(f, "w: {name}")?,
        }
        if let Some(journal) = self.journal {
            write!(f, ", j: {journal}")?;
        }
        match self.timeout {
            Some(timeout) => write!(f, ", wtimeout: {}", timeout.as_millis()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uri::ConnectionString;
    use bson::rawdoc;

    fn sent(concern: &WriteConcern) -> Vec<u8> {
        let mut command = Builder::new();
        concern.append_to(&mut command);
        command.finish()
    }

    fn of_uri(options: &str) -> Result<UriWriteConcern, String> {
        UriWriteConcern::of(&ConnectionString::new(format!("mongodb://h/?{options}")).parts().unwrap())
    }

    #[test]
    fn natively_it_is_majority_a_number_or_a_name_journaled_and_never_zero() {
        assert_eq!("majority".parse::<WriteConcern>().unwrap(), WriteConcern::default());
        for refused in ["0", "", "-1"] {
            assert!(refused.parse::<WriteConcern>().is_err(), "{refused}");
        }
        let two = "2".parse::<WriteConcern>().unwrap();
        assert_eq!(sent(&two), rawdoc! { "writeConcern": { "w": 2, "j": true } }.as_bytes());
    }

    #[test]
    fn the_tools_flag_has_three_forms() {
        for (flag, expected) in [
            ("majority", rawdoc! { "w": "majority" }),
            ("", rawdoc! { "w": "majority" }),
            ("0", rawdoc! { "w": 0 }),
            ("two sites", rawdoc! { "w": "two sites" }),
            ("{w: 3, wtimeout: 500, fsync: true, j: true}", rawdoc! { "w": 3, "j": true, "wtimeout": 500 }),
            (r#"{"w": "2", j: 0}"#, rawdoc! { "w": 2 }),
            ("{}", rawdoc! { "w": "majority" }),
        ] {
            let concern = WriteConcern::of_tool(Some(flag), &UriWriteConcern::default()).unwrap();
            assert_eq!(sent(&concern), rawdoc! { "writeConcern": expected }.as_bytes(), "{flag}");
        }
        for refused in ["-1", "{w: -1}", "{w: [1]}", "{w: 1", "{w: 1, wtimeout: 'a'}", "{w: 1.5}"] {
            let refused = WriteConcern::of_tool(Some(refused), &UriWriteConcern::default());
            assert!(refused.is_err(), "{refused:?}");
        }
    }

    #[test]
    fn the_flag_wins_over_the_connection_string_and_that_over_the_default() {
        let uri = of_uri("w=2&journal=false&wtimeoutMS=70").unwrap();
        assert_eq!(WriteConcern::of_tool(Some("3"), &uri).unwrap().to_string(), "w: 3");
        assert_eq!(WriteConcern::of_tool(None, &uri).unwrap().to_string(), "w: 2, j: false, wtimeout: 70");
        assert_eq!(of_uri("").unwrap().over(WriteConcern::default()), WriteConcern::default());
        for refused in ["w=-1", "journal=1", "wtimeoutMS=a"] {
            assert!(of_uri(refused).is_err(), "{refused}");
        }
    }
}
