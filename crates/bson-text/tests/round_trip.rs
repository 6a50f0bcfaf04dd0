//! Canonical text gives every faithful document back, and no text or bytes make a panic.

use mongoark_bson_bytes::{Builder, DEPTH_MAX, IndexKey, validate};
use mongoark_bson_text::{Error, parse, write_canonical, write_relaxed};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Value {
    Double(f64),
    Text(u8, String),
    Binary(u8, Vec<u8>),
    Bytes(u8, Vec<u8>),
    Regex(String, String),
    Pointer(String, [u8; 12]),
    Decimal(bool, u128, u128),
    Document(Vec<(String, Value)>),
    Array(Vec<Value>),
    Scoped(String, Vec<(String, Value)>),
}

impl Value {
    fn append(&self, key: &[u8], b: &mut Builder) {
        match self {
            Self::Double(value) => b.f64(key, *value),
            Self::Text(kind, text) => b.text(*kind, key, text),
            Self::Binary(2, bytes) => {
                let len = u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes();
                b.binary(key, 2, &[&len[..], bytes].concat())
            }
            Self::Binary(subtype, bytes) => b.binary(key, *subtype, bytes),
            Self::Bytes(kind, bytes) => b.raw(*kind, key, bytes),
            Self::Regex(pattern, options) => b.regex(key, pattern, options),
            Self::Pointer(namespace, id) => b.db_pointer(key, namespace, *id),
            Self::Decimal(negative, exponent, coefficient) => {
                let bits = u128::from(*negative) << 127 | exponent << 113 | coefficient;
                b.decimal128(key, bits.to_le_bytes())
            }
            Self::Document(fields) => b.document(key, &document(fields)),
            Self::Array(items) => b.nested_array(key, |b| {
                for (index, item) in items.iter().enumerate() {
                    item.append(IndexKey::new(index).as_ref(), b);
                }
            }),
            Self::Scoped(code, fields) => b.code_with_scope(key, code, &document(fields)),
        };
    }
}

fn document(fields: &[(String, Value)]) -> Vec<u8> {
    let mut b = Builder::new();
    for (key, value) in fields {
        value.append(key.as_bytes(), &mut b);
    }
    b.finish()
}

/// Keys of any characters but zero; a `$` in front only where no type is named.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[^\0$][^\0]{0,5}",
        Just(String::new()),
        Just("a".to_owned()),
        Just("$set".to_owned()),
        Just("$ref".to_owned())
    ]
}

fn fields(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<(String, Value)>> {
    vec((key(), value), 0..6)
}

fn scalar() -> impl Strategy<Value = Value> {
    let fixed = prop_oneof![
        Just((0x06, 0)),
        Just((0x07, 12)),
        Just((0x09, 8)),
        Just((0x0A, 0)),
        Just((0x10, 4)),
        Just((0x11, 8)),
        Just((0x12, 8)),
        Just((0x7F, 0)),
        Just((0xFF, 0)),
    ];
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits).prop_map(|v| Value::Double(if v.is_nan() {
            f64::from_bits(0x7ff8_0000_0000_0001)
        } else {
            v
        })),
        (-1000..1000).prop_map(|v| Value::Double(f64::from(v) / 8.0)),
        (prop_oneof![Just(2_u8), Just(13), Just(14)], any::<String>())
            .prop_map(|(kind, text)| Value::Text(kind, text)),
        (any::<u8>(), vec(any::<u8>(), 0..9)).prop_map(|(subtype, bytes)| Value::Binary(subtype, bytes)),
        (fixed, any::<[u8; 12]>()).prop_map(|((kind, len), bytes)| Value::Bytes(kind, bytes[..len].to_vec())),
        any::<bool>().prop_map(|value| Value::Bytes(8, vec![u8::from(value)])),
        ("[^\0]{0,5}", "[imsx]{0,4}").prop_map(|(pattern, options)| Value::Regex(pattern, options)),
        (any::<String>(), any::<[u8; 12]>()).prop_map(|(namespace, id)| Value::Pointer(namespace, id)),
        (any::<bool>(), 0..12_288_u128, 0..10_u128.pow(34)).prop_map(|(s, e, c)| Value::Decimal(s, e, c)),
    ]
}

fn documents() -> impl Strategy<Value = Vec<u8>> {
    let value = scalar().prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            fields(inner.clone()).prop_map(Value::Document),
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            (any::<String>(), fields(inner)).prop_map(|(code, scope)| Value::Scoped(code, scope)),
        ]
    });
    fields(value).prop_map(|fields| document(&fields))
}

fn written(write: fn(&[u8], &mut Vec<u8>) -> Result<(), Error>, doc: &[u8]) -> String {
    let mut out = Vec::new();
    write(doc, &mut out).expect("a valid document");
    String::from_utf8(out).expect("text in UTF-8")
}

proptest! {
    #[test]
    fn canonical_text_gives_the_same_bytes(doc in documents()) {
        let text = written(write_canonical, &doc);
        prop_assert_eq!(parse(&text).map_err(|e| TestCaseError::fail(format!("{e} in {text}")))?, doc);
    }

    #[test]
    fn relaxed_text_is_stable(doc in documents()) {
        let text = written(write_relaxed, &doc);
        let again = parse(&text).map_err(|e| TestCaseError::fail(format!("{e} in {text}")))?;
        prop_assert_eq!(written(write_relaxed, &again), text);
    }

    #[test]
    fn what_is_parsed_is_valid(text in r#"[\{\}\[\]",:$a0-9.eE+\-\\u tn]{0,40}"#) {
        if let Ok(doc) = parse(&text) {
            prop_assert_eq!(validate(&doc, DEPTH_MAX), Ok(()));
        }
    }

    #[test]
    fn cut_and_changed_text_is_survived(doc in documents(), at in any::<prop::sample::Index>(), c: char) {
        let mut chars: Vec<char> = written(write_canonical, &doc).chars().collect();
        let at = at.index(chars.len());
        chars[at] = c;
        for text in [chars.iter().collect::<String>(), chars.iter().take(at).collect()] {
            if let Ok(doc) = parse(&text) {
                prop_assert_eq!(validate(&doc, DEPTH_MAX), Ok(()));
            }
        }
    }

    #[test]
    fn changed_bytes_are_survived(doc in documents(), at in any::<prop::sample::Index>(), value: u8) {
        let mut doc = doc;
        let at = at.index(doc.len());
        doc[at] = value;
        let mut out = Vec::new();
        if write_canonical(&doc, &mut out).is_ok() {
            prop_assert!(String::from_utf8(out).is_ok());
        }
    }
}
