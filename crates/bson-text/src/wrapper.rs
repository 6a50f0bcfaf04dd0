//! Objects that stand for a value of another type, such as `{"$oid": ".."}`.
//!
//! The parser has read the object into a raw document already; here it is turned into the value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mongoark_bson_bytes::{Builder, Element, Elements, get, kind};

use crate::error::Fault;
use crate::{date, decimal, double};

/// A type byte and the bytes of a value.
type Value = (u8, Vec<u8>);

/// How a type is written: the key that names it, what the key wants, and the reading of it.
struct Wrapper {
    name: &'static str,
    wants: &'static str,
    read: fn(&Element<'_>) -> Option<Value>,
}

const WRAPPERS: [Wrapper; 17] = [
    Wrapper { name: "$oid", wants: "24 hexadecimal digits", read: object_id },
    Wrapper { name: "$numberInt", wants: "a 32-bit integer in quotes", read: int32 },
    Wrapper { name: "$numberLong", wants: "a 64-bit integer in quotes", read: int64 },
    Wrapper { name: "$numberDouble", wants: "a number in quotes", read: double },
    Wrapper { name: "$numberDecimal", wants: "a decimal of at most 34 digits in quotes", read: decimal },
    Wrapper { name: "$date", wants: "a date as ISO 8601 with an offset, or milliseconds", read: date },
    Wrapper { name: "$timestamp", wants: "{\"t\": seconds, \"i\": increment}, both 32-bit", read: timestamp },
    Wrapper { name: "$binary", wants: "{\"base64\": \"..\", \"subType\": \"..\"}", read: binary },
    Wrapper { name: "$uuid", wants: "a UUID", read: uuid },
    Wrapper { name: "$regularExpression", wants: "{\"pattern\": \"..\", \"options\": \"..\"}", read: regex },
    Wrapper {
        name: "$dbPointer",
        wants: "{\"$ref\": \"..\", \"$id\": {\"$oid\": \"..\"}}",
        read: db_pointer,
    },
    Wrapper { name: "$code", wants: "a string, and at most a $scope after it", read: code },
    Wrapper { name: "$scope", wants: "an object, and a $code after it", read: |_| None },
    Wrapper { name: "$symbol", wants: "a string", read: symbol },
    Wrapper { name: "$undefined", wants: "true", read: undefined },
    Wrapper { name: "$minKey", wants: "1", read: |e| one(e).then_some((kind::MIN_KEY, Vec::new())) },
    Wrapper { name: "$maxKey", wants: "1", read: |e| one(e).then_some((kind::MAX_KEY, Vec::new())) },
];

/// Whether an object that begins with this key may stand for a value.
pub(crate) fn names_type(key: &[u8]) -> bool {
    WRAPPERS.iter().any(|wrapper| wrapper.name.as_bytes() == key)
}

/// The value that `object` stands for, or `None` if it is a document after all.
pub(crate) fn convert(object: &[u8]) -> Result<Option<Value>, Fault> {
    let mut elements = Elements::new(object).into_iter().flatten().map_while(Result::ok);
    let (Some(first), second, third) = (elements.next(), elements.next(), elements.next()) else {
        return Ok(None);
    };
    let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wrapper.name.as_bytes() == first.key) else {
        return Ok(None);
    };
    let value = match (second, third) {
        (None, _) => (wrapper.read)(&first),
        (Some(second), None) => pair(&first, &second),
        _ => None,
    };
    value.map(Some).ok_or(Fault::Wrapper { name: wrapper.name, wants: wrapper.wants })
}

/// The values that two keys of one object make.
fn pair(first: &Element<'_>, second: &Element<'_>) -> Option<Value> {
    match (first.key, second.key) {
        (b"$code", b"$scope") => code_with_scope(first, second),
        (b"$scope", b"$code") => code_with_scope(second, first),
        (b"$binary", b"$type") => binary_of(first.as_str()?, second.as_str()?),
        _ => None,
    }
}

/// The value bytes of the one element that `add` puts into a builder.
fn built(add: impl FnOnce(&mut Builder) -> &mut Builder) -> Option<Value> {
    let doc = add(&mut Builder::new()).finish();
    let element = Elements::new(&doc).ok()?.next()?.ok()?;
    Some((element.kind, element.value.to_vec()))
}

/// The two members of `doc` with these names, in any order, if there are no others.
fn two<'a>(doc: &'a [u8], names: [&str; 2]) -> Option<[Element<'a>; 2]> {
    let find = |name| get(doc, name).ok().flatten();
    let members = [find(names[0])?, find(names[1])?];
    (Elements::new(doc).ok()?.count() == 2).then_some(members)
}

fn object_id(e: &Element<'_>) -> Option<Value> {
    Some((kind::OBJECT_ID, hex(e.as_str()?).filter(|id| id.len() == 12)?))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn int32(e: &Element<'_>) -> Option<Value> {
    let value: i32 = e.as_str()?.parse().ok()?;
    Some((kind::INT32, value.to_le_bytes().to_vec()))
}

fn int64(e: &Element<'_>) -> Option<Value> {
    let value: i64 = e.as_str()?.parse().ok()?;
    Some((kind::INT64, value.to_le_bytes().to_vec()))
}

fn double(e: &Element<'_>) -> Option<Value> {
    Some((kind::DOUBLE, double::from_text(e.as_str()?)?.to_le_bytes().to_vec()))
}

fn decimal(e: &Element<'_>) -> Option<Value> {
    Some((kind::DECIMAL128, decimal::from_text(e.as_str()?)?.to_vec()))
}

/// An inner `{"$numberLong": ".."}` is an integer by now.
fn date(e: &Element<'_>) -> Option<Value> {
    let milliseconds = match e.kind {
        kind::STRING => date::from_text(e.as_str()?)?,
        kind::INT32 | kind::INT64 => e.as_i64_lossless()?,
        _ => return None,
    };
    Some((kind::DATE, milliseconds.to_le_bytes().to_vec()))
}

fn timestamp(e: &Element<'_>) -> Option<Value> {
    let [seconds, increment] = two(e.as_document()?, ["t", "i"])?;
    let number = |e: Element<'_>| u32::try_from(e.as_i64_lossless()?).ok();
    let (seconds, increment) = (number(seconds)?, number(increment)?);
    built(|b| b.timestamp("", seconds, increment))
}

fn binary(e: &Element<'_>) -> Option<Value> {
    let [base64, subtype] = two(e.as_document()?, ["base64", "subType"])?;
    binary_of(base64.as_str()?, subtype.as_str()?)
}

fn binary_of(base64: &str, subtype: &str) -> Option<Value> {
    let mut bytes = STANDARD.decode(base64).ok()?;
    let subtype = u8::from_str_radix(subtype, 16).ok().filter(|_| !subtype.starts_with('+'))?;
    if subtype == 2 {
        // The old subtype repeats the length inside.
        let len = i32::try_from(bytes.len()).ok()?;
        bytes.splice(..0, len.to_le_bytes());
    }
    built(|b| b.binary("", subtype, &bytes))
}

fn uuid(e: &Element<'_>) -> Option<Value> {
    let text = e.as_str()?;
    let dashes = text.match_indices('-').map(|(at, _)| at);
    if text.len() != 36 || !dashes.eq([8, 13, 18, 23]) {
        return None;
    }
    let bytes = hex(&text.replace('-', ""))?;
    built(|b| b.binary("", 4, &bytes))
}

fn regex(e: &Element<'_>) -> Option<Value> {
    let [pattern, options] = two(e.as_document()?, ["pattern", "options"])?;
    let (pattern, options) = (pattern.as_str()?, options.as_str()?);
    if pattern.contains('\0') || options.contains('\0') {
        return None;
    }
    built(|b| b.regex("", pattern, options))
}

fn db_pointer(e: &Element<'_>) -> Option<Value> {
    let [namespace, id] = two(e.as_document()?, ["$ref", "$id"])?;
    let (namespace, id) = (namespace.as_str()?, id.as_object_id()?);
    built(|b| b.db_pointer("", namespace, id))
}

fn code(e: &Element<'_>) -> Option<Value> {
    (e.kind == kind::STRING).then(|| (kind::CODE, e.value.to_vec()))
}

fn code_with_scope(code: &Element<'_>, scope: &Element<'_>) -> Option<Value> {
    let (code, scope) = (code.as_str()?, scope.as_document()?);
    built(|b| b.code_with_scope("", code, scope))
}

fn symbol(e: &Element<'_>) -> Option<Value> {
    (e.kind == kind::STRING).then(|| (kind::SYMBOL, e.value.to_vec()))
}

fn undefined(e: &Element<'_>) -> Option<Value> {
    (e.as_bool() == Some(true)).then(|| (kind::UNDEFINED, Vec::new()))
}

fn one(e: &Element<'_>) -> bool {
    e.as_i64_lossless() == Some(1)
}
