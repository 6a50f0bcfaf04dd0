//! What the readers answer for documents that are right.

mod common;

use common::{documents, rich_document};
use mongoark_bson_bytes::{Builder, DEPTH_MAX, Elements, ErrorKind, get, has_zero_timestamp, kind, validate};
use proptest::prelude::*;

#[test]
fn every_kind_of_value_is_walked() {
    let doc = rich_document();
    let elements: Vec<_> = Elements::new(&doc).unwrap().map(Result::unwrap).collect();
    let kinds: Vec<u8> = elements.iter().map(|element| element.kind).collect();
    for kind in (kind::DOUBLE..=kind::DECIMAL128).chain([kind::MIN_KEY, kind::MAX_KEY]) {
        assert!(kinds.contains(&kind), "type 0x{kind:02x}");
    }
    let bytes: usize = elements.iter().map(mongoark_bson_bytes::Element::len).sum();
    assert_eq!(bytes + 5, doc.len());
    validate(&doc, 8).unwrap();
}

#[test]
fn values_are_read_by_type() {
    let doc = rich_document();
    let find = |key: &str| get(&doc, key).unwrap().unwrap();
    assert_eq!(find("_id").as_i64_lossless(), Some(1));
    assert_eq!(find("long").as_i64_lossless(), Some(i64::MAX));
    assert_eq!(find("double").as_i64_lossless(), Some(0));
    assert_eq!(find("string").as_str(), Some("a\0b"));
    assert_eq!(find("not utf-8").as_str(), None);
    assert_eq!(find("not utf-8").as_text(), Some(&b"\xff"[..]));
    assert_eq!(find("symbol").as_str(), None);
    assert_eq!(find("true").as_bool(), Some(true));
    assert_eq!(find("ts").as_timestamp(), Some((1, 2)));
    assert_eq!(find("date").as_date(), Some(i64::MIN));
    assert_eq!(find("binary").as_binary(), Some((0, &b"\0\xff"[..])));
    assert_eq!(find("oid").as_object_id(), Some([7; 12]));
    assert_eq!(find("document").as_array(), None);
    let (code, scope) = find("scoped").as_code_with_scope().unwrap();
    assert_eq!((code, get(scope, "x").unwrap().unwrap().as_i64_lossless()), (&b"g()"[..], Some(1)));
}

#[test]
fn doubles_are_integers_only_when_exact() {
    let cases = [
        (3.0, Some(3)),
        (3.5, None),
        (f64::NAN, None),
        (f64::INFINITY, None),
        (9_223_372_036_854_775_808.0, None),
        (-9_223_372_036_854_775_808.0, Some(i64::MIN)),
        (1e300, None),
    ];
    for (double, expected) in cases {
        let doc = Builder::new().f64("d", double).finish();
        assert_eq!(get(&doc, "d").unwrap().unwrap().as_i64_lossless(), expected, "{double}");
    }
}

#[test]
fn nesting_is_followed_to_the_limit_and_no_further() {
    let deep = |levels: usize| {
        let mut b = Builder::new();
        for _ in 1..levels {
            b.start_document("d");
        }
        b.finish()
    };
    for levels in [1, 2, 200, DEPTH_MAX] {
        assert_eq!(validate(&deep(levels), levels), Ok(()), "{levels}");
        assert_eq!(validate(&deep(levels + 1), levels).unwrap_err().kind, ErrorKind::TooDeep(levels));
    }
    assert_eq!(validate(&deep(100_000), usize::MAX).unwrap_err().kind, ErrorKind::TooDeep(DEPTH_MAX));
}

#[test]
fn a_builder_closes_what_is_open_and_starts_afresh() {
    let mut b = Builder::new();
    b.start_document("a").start_array("b").i32("0", 1);
    let bytes = b.finish();
    validate(&bytes, 3).unwrap();
    assert_eq!(b.finish(), [5, 0, 0, 0, 0]);
    let spare_end = b.end().i32("x", 1).end().finish();
    validate(&spare_end, 1).unwrap();
}

#[test]
fn a_closure_that_leaves_documents_open_does_not_capture_what_follows() {
    let mut b = Builder::new();
    b.nested("a", |a| _ = a.start_document("left open").i32("x", 1)).i32("after", 2);
    let bytes = b.finish();
    assert_eq!(get(&bytes, "after").unwrap().unwrap().as_i64_lossless(), Some(2));
}

#[test]
fn arrays_are_numbered() {
    let doc = Builder::new().array_of_strs("a", (0..120).map(|n| n.to_string())).finish();
    let array = get(&doc, "a").unwrap().unwrap();
    for item in array.children().unwrap().unwrap() {
        let item = item.unwrap();
        assert_eq!(item.key_str(), item.as_str());
    }
}

proptest! {
    #[test]
    fn arbitrary_documents_are_valid(doc in documents()) {
        prop_assert_eq!(validate(&doc, DEPTH_MAX), Ok(()));
    }

    #[test]
    fn a_document_rebuilt_from_its_elements_is_the_same(doc in documents()) {
        let mut b = Builder::new();
        for element in Elements::new(&doc).unwrap() {
            b.element(&element.unwrap());
        }
        prop_assert_eq!(b.finish(), doc);
    }

    #[test]
    fn offsets_point_at_the_elements(doc in documents()) {
        for element in Elements::new(&doc).unwrap() {
            let element = element.unwrap();
            prop_assert_eq!(doc[element.offset], element.kind);
            prop_assert!(doc[element.value_offset()..].starts_with(element.value));
        }
    }

    #[test]
    fn zero_timestamps_are_found_as_by_walking(doc in documents()) {
        let walked = Elements::new(&doc).unwrap().map(Result::unwrap)
            .any(|e| e.key != b"_id" && e.as_timestamp() == Some((0, 0)));
        prop_assert_eq!(has_zero_timestamp(&doc), Ok(walked));
    }
}
