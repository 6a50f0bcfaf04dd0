//! The top level of a raw document: fields by name, values byte for byte.

use std::collections::BTreeMap;

use mongoark_bson_bytes::{Builder, Element, Elements};
use mongoark_bson_text::{Format, write_value};

use super::reading::Result;

/// A type byte and the bytes of a value.
type Value = (u8, Vec<u8>);

/// The fields of a document; a name that is there twice has two values, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, Vec<Value>>);

impl Fields {
    /// The fields of a raw document. Names that are not UTF-8 are shown with replacement characters.
    pub fn of(document: &[u8]) -> Result<Self> {
        let mut fields = Self::default();
        for element in Elements::new(document)? {
            let element = element?;
            fields.add(&element, element.value.to_vec());
        }
        Ok(fields)
    }

    fn add(&mut self, element: &Element<'_>, value: Vec<u8>) {
        let name = String::from_utf8_lossy(element.key).into_owned();
        self.0.entry(name).or_default().push((element.kind, value));
    }

    /// Whether there is a field of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Name and last value of each field, in the order of the names.
    pub(crate) fn last_values(&self) -> impl Iterator<Item = (&str, Element<'_>)> {
        self.0.iter().filter_map(|(name, values)| {
            let (kind, value) = values.last()?;
            Some((name.as_str(), Element { kind: *kind, key: name.as_bytes(), value, offset: 0 }))
        })
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The first value of this name.
    pub(crate) fn get(&self, name: &str) -> Option<Element<'_>> {
        let (kind, value) = self.0.get(name)?.first()?;
        Some(Element { kind: *kind, key: &[], value, offset: 0 })
    }

    pub(super) fn set(&mut self, name: &str, kind: u8, value: Vec<u8>) {
        self.0.insert(name.to_owned(), vec![(kind, value)]);
    }

    /// Sorts the items of an array whose order the server does not keep.
    pub(super) fn sort_array(&mut self, name: &str) -> Result<()> {
        if let Some(array) = self.get(name).and_then(|element| element.as_array()) {
            let mut items = elements(array)?;
            items.sort_by_key(|item| item.value);
            let mut sorted = Builder::new();
            for (index, item) in items.iter().enumerate() {
                sorted.raw(item.kind, index.to_string(), item.value);
            }
            self.set(name, mongoark_bson_bytes::kind::ARRAY, sorted.finish());
        }
        Ok(())
    }

    /// Sorts the fields of a document whose order is not significant, as that of the top level is not.
    pub(super) fn sort_document(&mut self, name: &str) -> Result<()> {
        if let Some(document) = self.get(name).and_then(|element| element.as_document()) {
            let mut members = elements(document)?;
            members.sort_by_key(|member| member.key);
            let mut sorted = Builder::new();
            for member in &members {
                sorted.element(member);
            }
            self.set(name, mongoark_bson_bytes::kind::DOCUMENT, sorted.finish());
        }
        Ok(())
    }

    /// A line for each name whose values differ: missing, unexpected, or another.
    pub(crate) fn differences(&self, found: &Self, of: &str, lines: &mut Vec<String>) {
        for (name, expected) in &self.0 {
            match found.0.get(name) {
                None => lines.push(format!("{of}: missing {name}: {}", shown(expected))),
                Some(other) if other != expected => {
                    let (expected, other) = (shown(expected), shown(other));
                    lines.push(format!("{of}: {name} differs: expected {expected}, found {other}"));
                }
                Some(_) => {}
            }
        }
        for (name, value) in found.0.iter().filter(|(name, _)| !self.0.contains_key(*name)) {
            lines.push(format!("{of}: unexpected {name}: {}", shown(value)));
        }
    }
}

fn elements(document: &[u8]) -> Result<Vec<Element<'_>>> {
    Ok(Elements::new(document)?.collect::<std::result::Result<_, _>>()?)
}

/// Values as canonical Extended JSON, cut where they get long. What differs only in bits that the text does not
/// show (a NaN, bytes that are not UTF-8) is still told apart by its bytes.
fn shown(values: &[Value]) -> String {
    let texts: Vec<String> = values.iter().map(|(kind, value)| value_text(*kind, value)).collect();
    texts.join(" and ").chars().take(300).collect()
}

/// A value as canonical Extended JSON.
pub(crate) fn value_text(kind: u8, value: &[u8]) -> String {
    let mut text = Vec::new();
    let element = Element { kind, key: &[], value, offset: 0 };
    match write_value(&element, Format::Canonical, &mut text) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => format!("({error})"),
    }
}
