//! One index definition: its name, its key, and what a collMod changes in it.

use crate::error::{Error, Result};
use bson::RawDocumentBuf;
use mongoark_bson_bytes::{self as bytes, Builder, Element, Elements};
use mongoark_model::Namespace;

/// The index that a collMod means, and its new options.
#[derive(Clone, Debug)]
pub(crate) struct IndexChange<'a> {
    which: Which<'a>,
    options: Vec<Element<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum Which<'a> {
    Name(&'a str),
    Key(&'a [u8]),
}

impl<'a> IndexChange<'a> {
    pub(crate) fn parse(change: &'a [u8], namespace: &Namespace) -> Result<Self> {
        let not_known = |what: String| Error::IndexChange { namespace: namespace.clone(), what };
        let (mut name, mut key, mut options) = (None, None, Vec::new());
        for element in Elements::new(change)? {
            let element = element?;
            match element.key {
                b"name" => name = element.as_str(),
                b"keyPattern" => key = element.as_document(),
                b"expireAfterSeconds" | b"hidden" | b"prepareUnique" | b"unique" | b"forceNonUnique" => {
                    options.push(element);
                }
                other => {
                    return Err(not_known(format!("option '{}'", String::from_utf8_lossy(other))));
                }
            }
        }
        let which = match (name, key) {
            (Some(name), _) => Which::Name(name),
            (None, Some(key)) => Which::Key(key),
            (None, None) => return Err(not_known("neither name nor keyPattern is given".to_owned())),
        };
        Ok(Self { which, options })
    }

    pub(crate) fn means(&self, spec: &[u8]) -> bool {
        match self.which {
            Which::Name(wanted) => name(spec) == Some(wanted),
            Which::Key(key) => has_key(spec, key),
        }
    }

    /// The definition after the change. What a server stores of it: `hidden: false` and
    /// `prepareUnique: false` vanish, and what is unique is not prepared for it any more.
    pub(crate) fn applied_to(&self, spec: &[u8]) -> Result<RawDocumentBuf> {
        let mut fields: Vec<Element<'_>> = Elements::new(spec)?.collect::<Result<_, _>>()?;
        for option in &self.options {
            let on = option.as_bool() != Some(false);
            let is_unique =
                fields.iter().any(|field| field.key == b"unique" && field.as_bool() == Some(true));
            match option.key {
                b"unique" if on => {
                    remove(&mut fields, b"prepareUnique");
                    set(&mut fields, option);
                }
                b"forceNonUnique" if on => remove(&mut fields, b"unique"),
                b"prepareUnique" if on && is_unique => {}
                b"forceNonUnique" => {}
                b"expireAfterSeconds" => set(&mut fields, option),
                b"hidden" | b"prepareUnique" if on => set(&mut fields, option),
                off => remove(&mut fields, off),
            }
        }
        let mut out = Builder::with_capacity(spec.len() + 64);
        for field in &fields {
            out.element(field);
        }
        let wanted = Error::Field { ts: None, field: "o.index", wanted: "an index" };
        RawDocumentBuf::from_bytes(out.finish()).map_err(|_| wanted)
    }
}

fn set<'a>(fields: &mut Vec<Element<'a>>, option: &Element<'a>) {
    match fields.iter_mut().find(|field| field.key == option.key) {
        Some(field) => *field = *option,
        None => fields.push(*option),
    }
}

fn remove(fields: &mut Vec<Element<'_>>, key: &[u8]) {
    fields.retain(|field| field.key != key);
}

/// The name in an index definition.
pub(crate) fn name(spec: &[u8]) -> Option<&str> {
    bytes::get(spec, "name").ok().flatten()?.as_str()
}

/// Whether an index is on these fields: numbers are compared as numbers, whatever their type.
pub(crate) fn has_key(spec: &[u8], key: &[u8]) -> bool {
    let own = bytes::get(spec, "key").ok().flatten().and_then(|own| own.as_document());
    let fields =
        |key| -> Option<Vec<Element<'_>>> { Elements::new(key).ok()?.collect::<Result<_, _>>().ok() };
    match (own.and_then(fields), fields(key)) {
        (Some(own), Some(key)) => own.len() == key.len() && own.iter().zip(&key).all(|(a, b)| is_equal(a, b)),
        _ => false,
    }
}

fn is_equal(a: &Element<'_>, b: &Element<'_>) -> bool {
    let same_value = || (a.kind, a.value) == (b.kind, b.value);
    let same_number = || a.as_i64_lossless().is_some_and(|a| Some(a) == b.as_i64_lossless());
    a.key == b.key && (same_value() || same_number())
}

/// Whether an index is on `_id` alone.
pub(crate) fn is_on_id(spec: &[u8]) -> bool {
    let key = bytes::get(spec, "key").ok().flatten().and_then(|key| key.as_document());
    let Some(Ok(mut fields)) = key.map(Elements::new) else { return false };
    matches!((fields.next(), fields.next()), (Some(Ok(only)), None) if only.key == b"_id")
}

/// Whether a collation is the simple one.
pub(crate) fn is_simple(collation: &[u8]) -> bool {
    let locale = bytes::get(collation, "locale").ok().flatten();
    locale.and_then(|locale| locale.as_str()) == Some("simple")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    fn changed(spec: &RawDocumentBuf, change: &RawDocumentBuf) -> RawDocumentBuf {
        let namespace = Namespace::new("d", "c");
        let change = IndexChange::parse(change.as_bytes(), &namespace).unwrap();
        assert!(change.means(spec.as_bytes()));
        change.applied_to(spec.as_bytes()).unwrap()
    }

    #[test]
    fn the_way_to_a_unique_index_and_back() {
        let plain = rawdoc! { "v": 2, "key": { "a": 1 }, "name": "a_1" };
        let prepared = changed(&plain, &rawdoc! { "name": "a_1", "prepareUnique": true });
        assert_eq!(prepared, rawdoc! { "v": 2, "key": { "a": 1 }, "name": "a_1", "prepareUnique": true });
        let unique = changed(&prepared, &rawdoc! { "name": "a_1", "unique": true });
        assert_eq!(unique, rawdoc! { "v": 2, "key": { "a": 1 }, "name": "a_1", "unique": true });
        // The definition was listed after the oplog's entry.
        assert_eq!(changed(&unique, &rawdoc! { "name": "a_1", "prepareUnique": true }), unique);
        assert_eq!(changed(&unique, &rawdoc! { "name": "a_1", "forceNonUnique": true }), plain);
        assert_eq!(changed(&prepared, &rawdoc! { "name": "a_1", "prepareUnique": false }), plain);
    }

    #[test]
    fn hidden_and_ttl_are_set_in_their_place() {
        let ttl = rawdoc! { "key": { "a": 1.0 }, "expireAfterSeconds": 5, "name": "a_1" };
        let key = rawdoc! { "keyPattern": { "a": 1 }, "expireAfterSeconds": 9_i64, "hidden": true };
        let expected =
            rawdoc! { "key": { "a": 1.0 }, "expireAfterSeconds": 9_i64, "name": "a_1", "hidden": true };
        assert_eq!(changed(&ttl, &key), expected);
        let shown = changed(&expected, &rawdoc! { "name": "a_1", "hidden": false });
        assert_eq!(shown, rawdoc! { "key": { "a": 1.0 }, "expireAfterSeconds": 9_i64, "name": "a_1" });
    }

    #[test]
    fn a_change_that_is_not_known_is_an_error() {
        let namespace = Namespace::new("d", "c");
        for change in [rawdoc! { "hidden": true }, rawdoc! { "name": "a", "brandNew": 1 }] {
            assert!(IndexChange::parse(change.as_bytes(), &namespace).is_err(), "{change:?}");
        }
    }
}
