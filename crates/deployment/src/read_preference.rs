//! Read preferences as flags and connection strings write them.

use crate::error::Result;
use crate::loose_json::Loose;
use crate::member::{ReadMode, ReadPreference};
use mongodb::options::{ClientOptions, ReadPreference as DriverPreference, SelectionCriteria};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// The least staleness that may be asked for: members tell of their writes every ten seconds.
const STALENESS_SECONDS_MIN: i64 = 90;

impl FromStr for ReadMode {
    type Err = String;

    /// The name of a mode, in any case.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_lowercase().as_str() {
            "primary" => Ok(Self::Primary),
            "primarypreferred" => Ok(Self::PrimaryPreferred),
            "secondary" => Ok(Self::Secondary),
            "secondarypreferred" => Ok(Self::SecondaryPreferred),
            "nearest" => Ok(Self::Nearest),
            _ => Err(format!("unknown read preference {text}")),
        }
    }
}

impl FromStr for ReadPreference {
    type Err = String;

    /// A mode, or a document `{mode: 'nearest', tagSets: [{dc: 'east'}, {}], maxStalenessSeconds: 120}`.
    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with('{') {
            return Ok(Self::new(text.parse()?));
        }
        let document = Loose::parse(text).map_err(|error| format!("invalid json object: {error}"))?;
        let mode = match document.get("mode") {
            Some(Loose::Text(mode)) => mode.parse()?,
            None => return Err("no 'mode' specified".to_owned()),
            Some(_) => return Err("invalid json object: mode is not a text".to_owned()),
        };
        let tag_sets = document.get("tagSets").filter(|sets| **sets != Loose::Null);
        let tag_sets = tag_sets.map(tag_sets_of).transpose()?.unwrap_or_default();
        let max_staleness = document.get("maxStalenessSeconds").filter(|limit| **limit != Loose::Null);
        let max_staleness = max_staleness.map(staleness_of).transpose()?.flatten();
        if mode == ReadMode::Primary && (!tag_sets.is_empty() || max_staleness.is_some()) {
            return Err("can not specify tags, max staleness, or hedge with mode primary".to_owned());
        }
        Ok(Self { mode, tag_sets, max_staleness })
    }
}

fn tag_sets_of(value: &Loose) -> Result<Vec<BTreeMap<String, String>>, String> {
    let wrong = || "invalid json object: tagSets is a list of documents whose values are texts".to_owned();
    let Loose::Array(sets) = value else { return Err(wrong()) };
    let tag = |(key, value): &(String, Loose)| match value {
        Loose::Text(text) => Ok((key.clone(), text.clone())),
        _ => Err(wrong()),
    };
    let set = |set: &Loose| match set {
        Loose::Object(tags) => tags.iter().map(tag).collect(),
        _ => Err(wrong()),
    };
    sets.iter().map(set).collect()
}

/// Negative: no limit.
fn staleness_of(value: &Loose) -> Result<Option<Duration>, String> {
    let seconds = value.as_whole().ok_or("invalid json object: maxStalenessSeconds is not a whole number")?;
    if (0..STALENESS_SECONDS_MIN).contains(&seconds) {
        return Err(format!(
            "max staleness ({seconds}s) must be greater than or equal to {STALENESS_SECONDS_MIN}s"
        ));
    }
    Ok(u64::try_from(seconds).ok().map(Duration::from_secs))
}

/// The connection string's read preference, where it has one.
pub(crate) fn of_driver(options: &ClientOptions) -> Option<ReadPreference> {
    let Some(SelectionCriteria::ReadPreference(preference)) = &options.selection_criteria else {
        return None;
    };
    let (mode, options) = match preference {
        DriverPreference::Primary => (ReadMode::Primary, None),
        DriverPreference::PrimaryPreferred { options } => (ReadMode::PrimaryPreferred, options.as_ref()),
        DriverPreference::Secondary { options } => (ReadMode::Secondary, options.as_ref()),
        DriverPreference::SecondaryPreferred { options } => (ReadMode::SecondaryPreferred, options.as_ref()),
        DriverPreference::Nearest { options } => (ReadMode::Nearest, options.as_ref()),
        _ => return None,
    };
    let tag_sets = options.and_then(|options| options.tag_sets.clone()).unwrap_or_default();
    Some(ReadPreference {
        mode,
        tag_sets: tag_sets.into_iter().map(|tags| tags.into_iter().collect()).collect(),
        max_staleness: options.and_then(|options| options.max_staleness),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_or_a_document() {
        assert_eq!("NEAREST".parse(), Ok(ReadPreference::new(ReadMode::Nearest)));
        let text = "{mode: 'secondary', tagSets: [{dc: 'east', use: 'x'}, {}], maxStalenessSeconds: 120}";
        let preference: ReadPreference = text.parse().unwrap();
        assert_eq!(preference.mode, ReadMode::Secondary);
        assert_eq!(preference.tag_sets.len(), 2);
        assert_eq!(preference.tag_sets[0]["use"], "x");
        assert_eq!(preference.max_staleness, Some(Duration::from_secs(120)));
        let hedged = "{mode: 'nearest', hedge: {enabled: true}, maxStalenessSeconds: -1}";
        assert_eq!(hedged.parse(), Ok(ReadPreference::new(ReadMode::Nearest)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "",
            "anybody",
            "{}",
            "{mode: 1}",
            "{mode: 'primary', tagSets: [{a: 'b'}]}",
            "{mode: 'nearest', tagSets: {a: 'b'}}",
            "{mode: 'nearest', tagSets: [{a: 1}]}",
            "{mode: 'nearest', maxStalenessSeconds: 5}",
            "{mode: 'nearest'",
        ] {
            assert!(text.parse::<ReadPreference>().is_err(), "{text}");
        }
    }
}
