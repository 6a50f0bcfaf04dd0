//! Decimals against the `bson` crate and the examples of the BSON specification.

use mongoark_bson_bytes::{Builder, get};
use mongoark_bson_text::{parse, write_canonical};
use proptest::prelude::*;

fn text(bytes: [u8; 16]) -> String {
    let mut out = Vec::new();
    write_canonical(&Builder::new().decimal128("d", bytes).finish(), &mut out).expect("a valid document");
    let json = String::from_utf8(out).expect("text in UTF-8");
    let inside = json.strip_prefix(r#"{"d":{"$numberDecimal":""#).and_then(|rest| rest.strip_suffix("\"}}"));
    inside.expect("one decimal").to_owned()
}

fn bytes(text: &str) -> Option<[u8; 16]> {
    let doc = parse(&format!(r#"{{"d":{{"$numberDecimal":"{text}"}}}}"#)).ok()?;
    get(&doc, "d").ok()??.value.try_into().ok()
}

#[test]
fn the_scientific_string_of_the_specification() {
    for spelling in [
        "0",
        "-0",
        "0.0",
        "0E+3",
        "0E-6176",
        "-0E+6111",
        "0.000000",
        "0E-7",
        "1",
        "1.10",
        "-1.1",
        "0.001",
        "0.000001",
        "1E-7",
        "1.5E-7",
        "1E+3",
        "1.2E+4",
        "1234567890123456789012345678901234",
        "0.1234567890123456789012345678901234",
        "9.999999999999999999999999999999999E+6144",
        "-9.999999999999999999999999999999999E+6144",
        "1E-6176",
        "-1E-6176",
        "1.000000000000000000000000000000000E+6144",
        "Infinity",
        "-Infinity",
        "NaN",
    ] {
        assert_eq!(text(bytes(spelling).unwrap()), spelling);
        let theirs: bson::Decimal128 = spelling.parse().unwrap();
        assert_eq!(bytes(spelling).unwrap(), theirs.bytes(), "{spelling}");
    }
}

#[test]
fn other_spellings_are_read_where_that_is_exact() {
    for (spelling, canonical) in [
        ("+1", "1"),
        ("001.50", "1.50"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1e3", "1E+3"),
        ("nan", "NaN"),
        ("-inf", "-Infinity"),
        ("1E+6144", "1.000000000000000000000000000000000E+6144"),
        ("0E+99999999999999999999", "0E+6111"),
        ("0E-99999999999999999999", "0E-6176"),
        ("10E-6177", "1E-6176"),
        ("12345678901234567890123456789012340", "1.234567890123456789012345678901234E+34"),
    ] {
        assert_eq!(text(bytes(spelling).unwrap()), canonical, "{spelling}");
    }
    for refused in [
        "",
        ".",
        "-",
        "e5",
        "1e",
        "1e+",
        "1.2.3",
        "0x1",
        "1E+6145",
        "1E-6177",
        "1E+99999999999999999999",
        "- 1",
    ] {
        assert_eq!(bytes(refused), None, "{refused}");
    }
    assert_eq!(bytes("12345678901234567890123456789012345"), None, "rounding would be needed");
}

#[test]
fn bytes_that_are_not_canonical_are_zero_or_a_plain_nan() {
    let from = |high: u64, low: u64| text(((u128::from(high) << 64) | u128::from(low)).to_le_bytes());
    assert_eq!(from(0x7E00_0000_0000_0000, 5), "NaN");
    assert_eq!(from(0xFC00_0000_0000_0000, 0), "NaN");
    assert_eq!(from(0xF800_0000_0000_0000, 9), "-Infinity");
    assert_eq!(from(0x6C10_0000_0000_0000, 1), "0");
    assert_eq!(from(0x3041_ED09_BEAD_87C0, 0x378D_8E64_0000_0000), "0");
    assert_eq!(from(0x3041_ED09_BEAD_87C0, 0x378D_8E63_FFFF_FFFF), "9999999999999999999999999999999999");
}

proptest! {
    #[test]
    fn canonical_decimals_are_spelled_as_by_the_bson_crate(
        negative: bool, digits in 0..10_u128.pow(34), shrink in 0..34_u32, exponent in 0..12_288_u128,
    ) {
        let coefficient = digits / 10_u128.pow(shrink);
        let raw = (u128::from(negative) << 127 | exponent << 113 | coefficient).to_le_bytes();
        let ours = text(raw);
        prop_assert_eq!(&ours, &bson::Decimal128::from_bytes(raw).to_string());
        prop_assert_eq!(bytes(&ours), Some(raw));
    }
}
