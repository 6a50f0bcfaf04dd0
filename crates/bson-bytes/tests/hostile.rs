//! Bytes that are wrong: never a panic, and an error that names the place.

mod common;

use common::{documents, rich_document};
use mongoark_bson_bytes::{
    Builder, DEPTH_MAX, Elements, Error, ErrorKind, get, get_path, has_zero_timestamp, kind, split_documents,
    validate,
};
use proptest::prelude::*;

/// Everything that reads, on bytes that may be anything; whether they are valid at all levels.
fn read_everything(bytes: &[u8]) -> bool {
    let valid = validate(bytes, DEPTH_MAX);
    if let Ok(elements) = Elements::new(bytes) {
        for element in elements.map_while(Result::ok) {
            assert!(element.offset < bytes.len());
            _ = (
                element.as_document(),
                element.as_array(),
                element.as_str(),
                element.as_text(),
                element.key_str(),
            );
            _ = (element.as_i64_lossless(), element.as_f64(), element.as_bool(), element.as_timestamp());
            _ = (
                element.as_date(),
                element.as_binary(),
                element.as_object_id(),
                element.as_code_with_scope(),
            );
            _ = element.children().map(|children| children.map(Iterator::count));
        }
    }
    _ = (get(bytes, "absent"), get_path(bytes, &["document", "a", "b"]), split_documents(bytes).count());
    let top = has_zero_timestamp(bytes);
    if let Err(error) = valid {
        assert!(error.offset <= bytes.len(), "{error}");
    } else {
        assert!(top.is_ok());
    }
    valid.is_ok()
}

#[test]
fn every_truncation_is_an_error() {
    let doc = rich_document();
    for len in 0..doc.len() {
        assert!(!read_everything(&doc[..len]), "{len} bytes");
    }
    assert!(read_everything(&doc));
}

#[test]
fn every_truncation_with_a_fitting_length_is_survived() {
    let doc = rich_document();
    for len in 5..doc.len() {
        let mut cut = doc[..len].to_vec();
        cut[..4].copy_from_slice(&u32::try_from(len).unwrap().to_le_bytes());
        cut[len - 1] = 0;
        read_everything(&cut);
    }
}

#[test]
fn every_changed_byte_is_survived() {
    let doc = rich_document();
    for at in 0..doc.len() {
        for value in [0, 1, 2, 3, 4, 5, 0x0b, 0x0c, 0x0f, 0x7f, 0x80, 0xff, doc[at] ^ 1, doc[at] ^ 0x80] {
            let mut changed = doc.clone();
            changed[at] = value;
            read_everything(&changed);
        }
    }
}

#[test]
fn errors_name_the_byte_and_the_fault() {
    let string = |len: i32, end: u8| {
        let value = [&len.to_le_bytes()[..], b"abc", &[end]].concat();
        Builder::new().raw(kind::STRING, "s", &value).finish()
    };
    let cases = [
        (vec![], 0, ErrorKind::Truncated { needed: 4, available: 0 }),
        (vec![4, 0, 0, 0], 0, ErrorKind::DocumentLength { stated: 4, min: 5, max: 4 }),
        (vec![6, 0, 0, 0, 0], 0, ErrorKind::LengthMismatch { stated: 6, actual: 5 }),
        (vec![5, 0, 0, 0, 7], 4, ErrorKind::DocumentTerminator),
        (vec![6, 0, 0, 0, 0, 0], 4, ErrorKind::EarlyEnd),
        (vec![8, 0, 0, 0, 0x10, b'a', b'b', 0], 5, ErrorKind::Unterminated),
        (vec![8, 0, 0, 0, 0x55, b'a', 0, 0], 4, ErrorKind::UnknownKind(0x55)),
        (vec![9, 0, 0, 0, 0x10, b'a', 0, 1, 0], 7, ErrorKind::Truncated { needed: 4, available: 1 }),
        (string(0, 0), 7, ErrorKind::StringLength(0)),
        (string(-9, 0), 7, ErrorKind::StringLength(-9)),
        (string(5, 0), 7, ErrorKind::Truncated { needed: 9, available: 8 }),
        (string(4, 1), 14, ErrorKind::StringTerminator),
        (Builder::new().raw(kind::BINARY, "b", &[255; 5]).finish(), 7, ErrorKind::BinaryLength(-1)),
    ];
    for (bytes, offset, kind) in cases {
        let expected = Error { offset, kind };
        assert_eq!(validate(&bytes, DEPTH_MAX), Err(expected));
        let walked = Elements::new(&bytes).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        assert_eq!(walked, Err(expected));
        assert_eq!(has_zero_timestamp(&bytes), Err(expected));
    }
}

#[test]
fn an_error_ends_the_walk() {
    let bytes = [8, 0, 0, 0, 0x55, b'a', 0, 0];
    let mut elements = Elements::new(&bytes).unwrap();
    assert!(elements.next().unwrap().is_err());
    assert!(elements.next().is_none());
}

#[test]
fn code_with_scope_must_add_up() {
    let scope = [5, 0, 0, 0, 0];
    let good = Builder::new().code_with_scope("c", "f", &scope).finish();
    assert!(validate(&good, 2).is_ok());
    let with_slack = [&18_i32.to_le_bytes()[..], &2_i32.to_le_bytes(), b"f\0", &scope, &[0; 3]].concat();
    let slack = Builder::new().raw(kind::CODE_WITH_SCOPE, "c", &with_slack).finish();
    let expected = ErrorKind::CodeWithScopeLength { stated: 18, actual: 15 };
    assert_eq!(validate(&slack, 2).unwrap_err().kind, expected);
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read_everything(&bytes);
    }

    #[test]
    fn changed_documents_are_survived(doc in documents(), at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut changed = doc;
        let at = at.index(changed.len());
        changed[at] = value;
        read_everything(&changed);
    }
}
