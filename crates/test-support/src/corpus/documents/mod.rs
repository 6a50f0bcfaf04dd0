//! The odd documents: one list of every kind of value, one of every kind of `_id`, and random ones.

mod ids;
mod keys;
mod numbers;
mod others;
mod random;
mod shapes;
mod texts;

use mongoark_bson_bytes::Builder;

pub use ids::id_documents;
pub use random::random_documents;

pub(super) use random::insertable_random_documents;

/// Sixteen bytes that stand for a UUID.
pub(super) const UUID: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// An object id.
pub(super) const OBJECT_ID: [u8; 12] =
    [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67];

/// A document for every type of value and every shape of document; each has its name as `_id`.
///
/// Servers before 5.0 refuse keys with a `$` in front at the top level: `dollar_keys` leaves them out or takes them in.
pub fn type_documents(dollar_keys: bool) -> Vec<Vec<u8>> {
    let mut all = vec![named("empty").finish()];
    all.extend(numbers::documents());
    all.extend(texts::documents());
    all.extend(keys::documents(dollar_keys));
    all.extend(shapes::documents());
    all.extend(others::documents());
    all
}

/// A document that begins with this `_id`.
fn named(id: &str) -> Builder {
    let mut document = Builder::new();
    document.str("_id", id);
    document
}

/// The bytes of a decimal.
pub(super) fn decimal(text: &str) -> [u8; 16] {
    text.parse::<bson::Decimal128>().expect("a decimal").bytes()
}
