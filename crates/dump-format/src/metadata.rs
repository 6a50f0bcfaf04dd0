//! `<collection>.metadata.json`, and the same text in an archive's prelude.

use crate::{Error, Result, round_trip, text};
use bson::RawDocumentBuf;
use mongoark_bson_bytes::{Builder, Element, Elements, kind};
use mongoark_model::{CollectionKind, CollectionMetadata, Namespace};

const WHAT: &str = "the metadata";

/// A collection's definition as mongodump writes it: one line of canonical Extended JSON with the keys
/// options, indexes, uuid, collectionName, type, in that order.
///
/// Empty options are left out, as is what is `None`; indexes are always there. A time series has its own name
/// and the type `timeseries`, and no UUID.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    /// `options` of listCollections.
    pub options: RawDocumentBuf,
    /// The documents of listIndexes.
    pub indexes: Vec<RawDocumentBuf>,
    /// Hexadecimal without dashes; views, time series and old dumps have none.
    pub uuid: Option<[u8; 16]>,
    /// The collection's name; old dumps have none.
    pub collection_name: Option<String>,
    /// `collection`, `view` or `timeseries`; old dumps have none.
    pub kind: Option<String>,
}

impl Metadata {
    /// The longest text that is read, bytes: options of 16 MiB in Extended JSON, and room.
    pub const TEXT_BYTES_MAX: usize = 128 * 1024 * 1024;

    /// The metadata of a collection that a deployment or an archive describes. `admin.system.users` and
    /// `admin.system.roles` are of type `collection`, as mongodump has them.
    pub fn of(collection: &CollectionMetadata) -> Self {
        let kind = match collection.kind {
            CollectionKind::View | CollectionKind::TimeSeries => collection.kind,
            _ => CollectionKind::Collection,
        };
        Self {
            options: collection.options.clone(),
            indexes: collection.indexes.clone(),
            uuid: collection.uuid,
            collection_name: Some(collection.namespace.collection.clone()),
            kind: Some(kind.as_str().to_owned()),
        }
    }

    /// As text, exactly as mongodump writes it: one line without a line break at its end.
    ///
    /// # Errors
    /// Options or indexes that Extended JSON cannot carry back (text that is not UTF-8, a document that
    /// looks like Extended JSON): checked by parsing what was written and comparing bytes, but for the bits
    /// of a NaN. Text has one NaN only, which is read back as the bits 7ff8000000000001: mongodump goes on with
    /// these alone; here any quiet NaN passes, and becomes that one in the restored options.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let doc = self.document();
        let mut out = Vec::new();
        let written = mongoark_bson_text::write_canonical(&doc, &mut out);
        if written.is_ok() && round_trip::comes_back(&doc, &out) {
            return Ok(out);
        }
        self.parts().try_for_each(|(part, doc)| round_trip::check(doc, part))?;
        Err(Error::Lossy { part: "name".to_owned() })
    }

    /// What [`Self::to_json`] writes, as BSON.
    fn document(&self) -> Vec<u8> {
        let mut doc = Builder::new();
        if !self.options.is_empty() {
            doc.document("options", self.options.as_bytes());
        }
        doc.array_of_documents("indexes", self.indexes.iter().map(|index| index.as_bytes()));
        if let Some(uuid) = &self.uuid {
            doc.str("uuid", hex(uuid));
        }
        if let Some(name) = &self.collection_name {
            doc.str("collectionName", name);
        }
        if let Some(kind) = &self.kind {
            doc.str("type", kind);
        }
        doc.finish()
    }

    /// Options and indexes, each with its name for an error.
    fn parts(&self) -> impl Iterator<Item = (String, &[u8])> {
        let indexes = self.indexes.iter().enumerate();
        let indexes = indexes.map(|(at, index)| (format!("index {}", at + 1), index.as_bytes()));
        std::iter::once(("options".to_owned(), self.options.as_bytes())).chain(indexes)
    }

    /// Parses a metadata text. Unknown keys are passed over; missing ones are allowed, and so is null. An
    /// empty text is that of a collection without options and indexes. A `uuid` that is no UUID counts as none:
    /// mongorestore looks at it with `--preserveUUID` only, and misses it then.
    ///
    /// # Errors
    /// A text that is no Extended JSON, is longer than [`Self::TEXT_BYTES_MAX`], or has a key of another type.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let mut metadata = Self {
            options: RawDocumentBuf::new(),
            indexes: Vec::new(),
            uuid: None,
            collection_name: None,
            kind: None,
        };
        if text.is_empty() {
            return Ok(metadata);
        }
        let text = text::of(WHAT, text, Self::TEXT_BYTES_MAX)?;
        let doc = mongoark_bson_text::parse(text).map_err(|source| Error::Text { what: WHAT, source })?;
        for element in Elements::new(&doc).map_err(no_bson)? {
            metadata.take(&element.map_err(no_bson)?)?;
        }
        Ok(metadata)
    }

    /// One key of a text.
    fn take(&mut self, element: &Element<'_>) -> Result<()> {
        match element.key {
            _ if element.kind == kind::NULL => {}
            b"options" => self.options = document(element, "a document as options")?,
            b"indexes" => self.indexes = documents(element)?,
            b"uuid" => self.uuid = unhex(&string(element, "a string as uuid")?),
            b"collectionName" => {
                self.collection_name = Some(string(element, "a string as collectionName")?);
            }
            b"type" => self.kind = Some(string(element, "a string as type")?),
            _ => {}
        }
        Ok(())
    }

    /// As the model has it, under this name. An unknown type is an error. Without a type, options with
    /// `timeseries` or `viewOn` tell what it is. Users and roles are ordinary collections here.
    pub fn into_collection(self, namespace: Namespace) -> Result<CollectionMetadata> {
        let kind = match self.kind.as_deref() {
            None | Some("") if has(&self.options, "timeseries") => CollectionKind::TimeSeries,
            None | Some("") if has(&self.options, "viewOn") => CollectionKind::View,
            None | Some("" | "collection") => CollectionKind::Collection,
            Some("view") => CollectionKind::View,
            Some("timeseries") => CollectionKind::TimeSeries,
            Some(other) => {
                let (namespace, kind) = (namespace.to_string(), other.to_owned());
                return Err(Error::UnknownKind { namespace, kind });
            }
        };
        let (options, uuid, indexes) = (self.options, self.uuid, self.indexes);
        Ok(CollectionMetadata { namespace, kind, options, uuid, indexes, bucket_indexes: Vec::new() })
    }
}

fn has(options: &RawDocumentBuf, key: &str) -> bool {
    matches!(options.get(key), Ok(Some(_)))
}

fn no_bson(source: mongoark_bson_bytes::Error) -> Error {
    Error::Bson { part: "metadata".to_owned(), source }
}

fn field(expected: &'static str) -> Error {
    Error::Field { what: WHAT, expected }
}

fn string(element: &Element<'_>, expected: &'static str) -> Result<String> {
    element.as_str().map(str::to_owned).ok_or(field(expected))
}

fn document(element: &Element<'_>, expected: &'static str) -> Result<RawDocumentBuf> {
    let bytes = element.as_document().ok_or(field(expected))?;
    RawDocumentBuf::from_bytes(bytes.to_vec()).map_err(|_| field(expected))
}

fn documents(element: &Element<'_>) -> Result<Vec<RawDocumentBuf>> {
    const EXPECTED: &str = "an array of documents as indexes";
    let array = element.as_array().ok_or(field(EXPECTED))?;
    let items = Elements::new(array).map_err(no_bson)?;
    items.map(|item| document(&item.map_err(no_bson)?, EXPECTED)).collect()
}

fn hex(uuid: &[u8; 16]) -> String {
    let digits = uuid.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() == 32)?;
    let bytes: Option<Vec<u8>> = digits
        .chunks_exact(2)
        .map(|two| u8::try_from(two.iter().fold(0, |byte, digit| byte << 4 | digit)).ok())
        .collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: &str =
        r#"{"options":{"viewOn":"bulk","pipeline":[]},"indexes":[],"collectionName":"v","type":"view"}"#;
    const PLAIN: &str = r#"{"indexes":[{"v":{"$numberInt":"2"},"key":{"_id":{"$numberInt":"1"}},"name":"_id_"}],"uuid":"c8ac349c48fe43c7bb85fbf1555036bd","collectionName":"c","type":"collection"}"#;

    fn with_options(options: &mut Builder) -> Metadata {
        let mut metadata = Metadata::parse(b"").unwrap();
        metadata.options = RawDocumentBuf::from_bytes(options.finish()).unwrap();
        metadata
    }

    #[test]
    fn a_text_comes_back_to_the_byte() {
        for text in [VIEW, PLAIN] {
            let metadata = Metadata::parse(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(metadata.to_json().unwrap()).unwrap(), text);
            let namespace = Namespace::new("d", metadata.collection_name.clone().unwrap());
            let collection = metadata.clone().into_collection(namespace).unwrap();
            assert_eq!(Metadata::of(&collection), metadata);
        }
    }

    #[test]
    fn a_text_of_an_old_dump_is_understood() {
        let old = Metadata::parse(br#"{"indexes": null, "uuid": "", "more": 1}"#).unwrap();
        assert_eq!((old.indexes.len(), old.uuid, &old.collection_name, &old.kind), (0, None, &None, &None));
        let kind = |text: &str| {
            let parsed = Metadata::parse(text.as_bytes()).unwrap();
            parsed.into_collection(Namespace::new("d", "c")).unwrap().kind
        };
        assert_eq!(kind(""), CollectionKind::Collection);
        assert_eq!(kind(r#"{"options":{"viewOn":"b"}}"#), CollectionKind::View);
        assert_eq!(kind(r#"{"options":{"timeseries":{}}}"#), CollectionKind::TimeSeries);
    }

    #[test]
    fn what_is_no_metadata_is_refused() {
        for text in
            ["x", "{", "[]", r#"{"options":1}"#, r#"{"indexes":{}}"#, r#"{"indexes":[1]}"#, r#"{"type":1}"#]
        {
            assert!(Metadata::parse(text.as_bytes()).is_err(), "{text}");
        }
        let other = Metadata::parse(br#"{"type":"queue"}"#).unwrap();
        let error = other.into_collection(Namespace::new("d", "c")).unwrap_err();
        assert_eq!(error.to_string(), "d.c is of the unknown type 'queue'");
    }

    #[test]
    fn what_text_cannot_carry_is_refused_by_name() {
        let mut looks_like_an_id = Builder::new();
        looks_like_an_id.nested("a", |a| {
            a.str("$oid", "0123456789abcdef01234567");
        });
        for options in [&mut looks_like_an_id, Builder::new().str("a", [0xff])] {
            let error = with_options(options).to_json().unwrap_err();
            assert!(matches!(&error, Error::Lossy { part } if part == "options"), "{error}");
        }
        let mut metadata = with_options(&mut Builder::new());
        let index = Builder::new().str("name", [0xff]).finish();
        metadata.indexes = vec![RawDocumentBuf::new(), RawDocumentBuf::from_bytes(index).unwrap()];
        let error = metadata.to_json().unwrap_err();
        assert!(matches!(&error, Error::Lossy { part } if part == "index 2"), "{error}");
    }

    #[test]
    fn a_quiet_nan_passes_whatever_its_bits() {
        for bits in [0x7ff8_0000_0000_0001, 0x7ff8_0000_0000_0000, 0xfff8_0000_dead_beef] {
            let mut options = Builder::new();
            options.nested_array("a", |array| {
                array.f64("0", 1.5).code_with_scope(
                    "1",
                    "c",
                    &Builder::new().f64("n", f64::from_bits(bits)).finish(),
                );
            });
            let text = with_options(&mut options).to_json().unwrap();
            assert!(String::from_utf8(text).unwrap().contains(r#""n":{"$numberDouble":"NaN"}"#));
        }
        let mut signalling = Builder::new();
        signalling.f64("a", f64::from_bits(0x7ff0_0000_0000_0001));
        assert!(with_options(&mut signalling).to_json().is_err());
    }
}
