//! `--convertLegacyIndexes` and `--fixDottedHashIndex`: definitions of old servers in the form that new ones take.

use super::indexes::shown;
use super::plan::dotted;
use crate::quote::quoted;
use mongoark_bson_bytes as bytes;
use mongoark_bson_bytes::{Builder, Element, Elements, kind};
use mongoark_model::Namespace;
use mongoark_monitor::Monitor;

/// Numbers nearer to zero than this are zero to old servers.
const EPSILON: f64 = 1e-9;

/// Rewrites key values that servers before 3.4 took for 1 (or -1), and leaves out an index whose key then is that of
/// an earlier one.
pub(super) fn converted(
    specs: &[Vec<u8>],
    namespace: &Namespace,
    monitor: &Monitor,
) -> bytes::Result<Vec<Vec<u8>>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for spec in specs {
        let new = with_key(spec, legacy_value)?;
        let (old_key, key) = (key_of(spec)?, key_of(&new)?);
        if old_key != key {
            monitor.step(format!(
                "convertLegacyIndexes: converted index values {} to {} on collection {}",
                quoted(&shown(old_key)),
                quoted(&shown(key)),
                quoted(&dotted(namespace))
            ));
        }
        let mut is_known = false;
        for known in &keys {
            is_known |= are_equal(known, key)?;
        }
        if is_known {
            let name = bytes::get(spec, "name")?.and_then(|name| name.as_str()).unwrap_or("(no name)");
            monitor.step(format!(
                "index {name} contains duplicate key with an existing index after ConvertLegacyIndexKeys, Skipping..."
            ));
            continue;
        }
        keys.push(key.to_vec());
        out.push(new);
    }
    Ok(out)
}

/// Makes hashed fields with a dot in their names ascending ones.
pub(super) fn without_dotted_hashes(spec: &[u8]) -> bytes::Result<Vec<u8>> {
    with_key(spec, |part| (part.key.contains(&b'.') && part.as_str() == Some("hashed")).then_some(1))
}

fn key_of(spec: &[u8]) -> bytes::Result<&[u8]> {
    const EMPTY: &[u8] = &[5, 0, 0, 0, 0];
    Ok(bytes::get(spec, "key")?.and_then(|key| key.as_document()).unwrap_or(EMPTY))
}

/// The definition with those parts of its key replaced for which `new` gives a value.
fn with_key(spec: &[u8], new: impl Fn(&Element<'_>) -> Option<i32>) -> bytes::Result<Vec<u8>> {
    let mut out = Builder::with_capacity(spec.len());
    for element in Elements::new(spec)? {
        let element = element?;
        let Some(parts) = element.as_document().filter(|_| element.key == b"key") else {
            out.element(&element);
            continue;
        };
        let mut key = Builder::new();
        for part in Elements::new(parts)? {
            let part = part?;
            match new(&part) {
                Some(value) => key.i32(part.key, value),
                None => key.element(&part),
            };
        }
        out.document("key", &key.finish());
    }
    Ok(out.finish())
}

/// What an old server made of this value; none where it is a value that new ones know.
fn legacy_value(part: &Element<'_>) -> Option<i32> {
    match part.kind {
        kind::STRING => (part.as_text() == Some(b"")).then_some(1),
        kind::INT32 | kind::INT64 => (part.as_i64_lossless() == Some(0)).then_some(1),
        kind::DOUBLE => {
            let value = part.as_f64()?;
            (value.abs() < EPSILON).then_some(if value >= 0.0 { 1 } else { -1 })
        }
        // The coefficient of a zero is zero whatever the exponent is.
        kind::DECIMAL128 => is_decimal_zero(part.value).then_some(1),
        _ => Some(1),
    }
}

fn is_decimal_zero(value: &[u8]) -> bool {
    let Ok(bits) = <[u8; 16]>::try_from(value).map(u128::from_le_bytes) else { return false };
    let special = bits >> 125 & 3 == 3;
    !special && bits & ((1 << 113) - 1) == 0
}

/// A value that is compared as a number, whatever its type.
fn number(part: &Element<'_>) -> Option<f64> {
    part.as_f64().or_else(|| part.as_i64_lossless().map(|value| value as f64))
}

/// Whether two keys have the same fields in the same order with equal values.
fn are_equal(a: &[u8], b: &[u8]) -> bytes::Result<bool> {
    let (a, b): (Vec<_>, Vec<_>) =
        (Elements::new(a)?.collect::<Result<_, _>>()?, Elements::new(b)?.collect::<Result<_, _>>()?);
    let same = |(a, b): (&Element<'_>, &Element<'_>)| {
        a.key == b.key
            && match (number(a), number(b)) {
                (Some(a), Some(b)) => (a - b).abs() < EPSILON,
                _ => a.kind == b.kind && a.value == b.value,
            }
    };
    Ok(a.len() == b.len() && a.iter().zip(&b).all(same))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    #[test]
    fn values_that_old_servers_took_for_one_become_one() {
        let old = rawdoc! { "key": {
            "a": 0, "b": true, "c": "", "d": 1e-12, "e": -1e-12, "f": "text", "g": -3.5, "h": 0_i64,
        }, "name": "x" };
        let new = rawdoc! { "key": {
            "a": 1, "b": 1, "c": 1, "d": 1, "e": -1, "f": "text", "g": -3.5, "h": 1,
        }, "name": "x" };
        let specs = [old.as_bytes().to_vec()];
        let converted = converted(&specs, &Namespace::new("d", "c"), &Monitor::silent()).unwrap();
        assert_eq!(converted, [new.as_bytes().to_vec()]);
    }

    #[test]
    fn an_index_that_becomes_another_one_is_left_out() {
        let specs =
            [rawdoc! { "key": { "a": 1.0 }, "name": "x" }, rawdoc! { "key": { "a": true }, "name": "y" }];
        let specs = specs.map(|spec| spec.as_bytes().to_vec());
        let converted = converted(&specs, &Namespace::new("d", "c"), &Monitor::silent()).unwrap();
        assert_eq!(converted, [specs[0].clone()]);
    }

    #[test]
    fn dotted_hashes_become_ascending() {
        let old = rawdoc! { "key": { "a.b": "hashed", "c": "hashed" }, "name": "x" };
        let new = rawdoc! { "key": { "a.b": 1, "c": "hashed" }, "name": "x" };
        assert_eq!(without_dotted_hashes(old.as_bytes()).unwrap(), new.as_bytes());
    }

    #[test]
    fn zeros_of_decimals_are_known() {
        let zero: u128 = 0x3040 << 112;
        assert!(is_decimal_zero(&zero.to_le_bytes()) && !is_decimal_zero(&(zero | 1).to_le_bytes()));
        assert!(!is_decimal_zero(&(0x7800_u128 << 112).to_le_bytes()), "infinity");
    }
}
