//! The spelling of each type, and the way back.

use mongoark_bson_bytes::{Builder, kind, validate};
use mongoark_bson_text::{parse, write_canonical, write_relaxed};

fn canonical(doc: &[u8]) -> String {
    let mut out = Vec::new();
    write_canonical(doc, &mut out).expect("a valid document");
    String::from_utf8(out).expect("text in UTF-8")
}

fn relaxed(doc: &[u8]) -> String {
    let mut out = Vec::new();
    write_relaxed(doc, &mut out).expect("a valid document");
    String::from_utf8(out).expect("text in UTF-8")
}

/// One element `x` of each type, its canonical text, and its relaxed text where that is another.
fn values() -> Vec<(Vec<u8>, &'static str, Option<&'static str>)> {
    let one = |add: &dyn Fn(&mut Builder)| {
        let mut b = Builder::new();
        add(&mut b);
        b.finish()
    };
    let scope = one(&|b| _ = b.i32("y", 1));
    vec![
        (one(&|b| _ = b.f64("x", 1.0)), r#"{"$numberDouble":"1.0"}"#, Some("1.0")),
        (one(&|b| _ = b.f64("x", -0.0)), r#"{"$numberDouble":"-0.0"}"#, Some("-0.0")),
        (one(&|b| _ = b.f64("x", 1e21)), r#"{"$numberDouble":"1E+21"}"#, Some("1E+21")),
        (one(&|b| _ = b.f64("x", f64::from_bits(0x7ff8_0000_0000_0001))), r#"{"$numberDouble":"NaN"}"#, None),
        (one(&|b| _ = b.f64("x", f64::NEG_INFINITY)), r#"{"$numberDouble":"-Infinity"}"#, None),
        (one(&|b| _ = b.i32("x", -7)), r#"{"$numberInt":"-7"}"#, Some("-7")),
        (one(&|b| _ = b.i64("x", 1 << 40)), r#"{"$numberLong":"1099511627776"}"#, Some("1099511627776")),
        (one(&|b| _ = b.str("x", "é\0\"\\<>&\u{2028}\u{7f}")), "\"é\\u0000\\\"\\\\<>&\\u2028\u{7f}\"", None),
        (one(&|b| _ = b.str("x", "\n\r\t\x08\x0c\x1f")), r#""\n\r\t\b\f\u001f""#, None),
        (one(&|b| _ = b.bool("x", true).null("x")), r#"true,"x":null"#, None),
        (
            one(&|b| _ = b.date("x", 1_356_351_330_501)),
            r#"{"$date":{"$numberLong":"1356351330501"}}"#,
            Some(r#"{"$date":"2012-12-24T12:15:30.501Z"}"#),
        ),
        (one(&|b| _ = b.date("x", -1)), r#"{"$date":{"$numberLong":"-1"}}"#, None),
        (one(&|b| _ = b.timestamp("x", u32::MAX, 2)), r#"{"$timestamp":{"t":4294967295,"i":2}}"#, None),
        (
            one(&|b| _ = b.object_id("x", *b"\0\x12abcdefghi\xff")),
            r#"{"$oid":"0012616263646566676869ff"}"#,
            None,
        ),
        (one(&|b| _ = b.binary("x", 5, b"\0\xff")), r#"{"$binary":{"base64":"AP8=","subType":"05"}}"#, None),
        (
            one(&|b| _ = b.binary("x", 2, b"\x02\0\0\0\0\xff")),
            r#"{"$binary":{"base64":"AP8=","subType":"02"}}"#,
            None,
        ),
        (
            one(&|b| _ = b.regex("x", "a/\"b", "im")),
            r#"{"$regularExpression":{"pattern":"a/\"b","options":"im"}}"#,
            None,
        ),
        (
            one(&|b| _ = b.db_pointer("x", "a.b", [1; 12])),
            r#"{"$dbPointer":{"$ref":"a.b","$id":{"$oid":"010101010101010101010101"}}}"#,
            None,
        ),
        (one(&|b| _ = b.text(kind::CODE, "x", "f()")), r#"{"$code":"f()"}"#, None),
        (one(&|b| _ = b.text(kind::SYMBOL, "x", "s")), r#"{"$symbol":"s"}"#, None),
        (
            one(&|b| _ = b.code_with_scope("x", "f()", &scope)),
            r#"{"$code":"f()","$scope":{"y":{"$numberInt":"1"}}}"#,
            Some(r#"{"$code":"f()","$scope":{"y":1}}"#),
        ),
        (one(&|b| _ = b.raw(kind::UNDEFINED, "x", &[])), r#"{"$undefined":true}"#, None),
        (one(&|b| _ = b.raw(kind::MIN_KEY, "x", &[])), r#"{"$minKey":1}"#, None),
        (one(&|b| _ = b.raw(kind::MAX_KEY, "x", &[])), r#"{"$maxKey":1}"#, None),
        (one(&|b| _ = b.nested("x", |_| {}).nested_array("", |_| {})), r#"{},"":[]"#, None),
        (
            one(&|b| _ = b.nested_array("x", |a| _ = a.i32("0", 1).nested("1", |d| _ = d.i32("$a", 2)))),
            r#"[{"$numberInt":"1"},{"$a":{"$numberInt":"2"}}]"#,
            Some(r#"[1,{"$a":2}]"#),
        ),
    ]
}

#[test]
fn each_type_is_spelled_as_mongodump_spells_it() {
    for (doc, text, other) in values() {
        assert_eq!(canonical(&doc), format!("{{\"x\":{text}}}"));
        assert_eq!(relaxed(&doc), format!("{{\"x\":{}}}", other.unwrap_or(text)));
    }
}

#[test]
fn each_type_comes_back_as_it_was() {
    for (doc, text, other) in values() {
        assert_eq!(parse(&format!("{{\"x\":{text}}}")).unwrap(), doc, "{text}");
        if let Some(other) = other {
            let again = relaxed(&parse(&format!("{{\"x\":{other}}}")).unwrap());
            assert_eq!(again, format!("{{\"x\":{other}}}"));
        }
    }
}

#[test]
fn duplicate_keys_are_written_and_read_twice() {
    let doc = Builder::new().i32("a", 1).i32("b", 2).i32("a", 3).finish();
    assert_eq!(relaxed(&doc), r#"{"a":1,"b":2,"a":3}"#);
    assert_eq!(parse(&canonical(&doc)).unwrap(), doc);
}

#[test]
fn text_that_is_not_utf8_is_shown_with_replacement_characters() {
    let doc = Builder::new().str("k\u{e9}", b"a\xffb\xe2\x82").finish();
    assert_eq!(canonical(&doc), "{\"k\u{e9}\":\"a\\ufffdb\\ufffd\\ufffd\"}");
}

#[test]
fn plain_json_becomes_the_smallest_types() {
    let json =
        r#" { "a" : [ 1 , 2147483648, 1.0, 1e2, -0, 9223372036854775808, "é\ud83d\ude00\/" ] , "b":{} } "#;
    let expected = Builder::new()
        .nested_array("a", |a| {
            a.i32("0", 1).i64("1", 1 << 31).f64("2", 1.0).f64("3", 100.0).i32("4", 0);
            a.f64("5", 9_223_372_036_854_775_808.0).str("6", "é😀/");
        })
        .nested("b", |_| {})
        .finish();
    assert_eq!(parse(json).unwrap(), expected);
}

#[test]
fn queries_keep_their_operators() {
    let json = r#"{"a":{"$regex":"^x","$options":"i"},"$and":[{"b":{"$type":"string"}},{"c":{"$in":[{"$oid":"000000000000000000000000"}]}}],"d":{"$ref":"c","$id":1}}"#;
    assert_eq!(relaxed(&parse(json).unwrap()), json);
}

#[test]
fn older_spellings_are_understood() {
    let uuid: Vec<u8> = (0..16).collect();
    let expected = Builder::new().binary("x", 4, &uuid).finish();
    assert_eq!(parse(r#"{"x":{"$uuid":"00010203-0405-0607-0809-0A0B0C0D0E0F"}}"#).unwrap(), expected);
    assert_eq!(parse(r#"{"x":{"$binary":"AAECAwQFBgcICQoLDA0ODw==","$type":"04"}}"#).unwrap(), expected);
    let date = Builder::new().date("x", 0).finish();
    assert_eq!(parse(r#"{"x":{"$date":"1970-01-01T01:00:00+01:00"}}"#).unwrap(), date);
}

#[test]
fn a_document_as_deep_as_allowed_is_written_and_read() {
    let mut b = Builder::new();
    for _ in 1..mongoark_bson_text::DEPTH_MAX {
        b.start_document("d");
    }
    let deepest = b.finish();
    assert_eq!(parse(&canonical(&deepest)).unwrap(), deepest);
    let deeper = Builder::new().document("d", &deepest).finish();
    let mut out = b"kept".to_vec();
    assert!(write_canonical(&deeper, &mut out).is_err());
    assert_eq!(out, b"kept");
    assert!(parse(&"{\"a\":".repeat(100_000)).is_err());
    assert!(validate(&deepest, mongoark_bson_text::DEPTH_MAX).is_ok());
}

#[test]
fn a_fault_in_the_bytes_is_named_from_the_outermost_document() {
    let mut doc = Builder::new().nested("a", |a| _ = a.nested_array("b", |b| _ = b.i32("0", 1))).finish();
    let at = doc.windows(3).position(|w| w == b"\x100\0").unwrap();
    doc[at] = 0x66;
    let error = write_canonical(&doc, &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), format!("invalid BSON at byte {at}: unknown element type 0x66"));
}
