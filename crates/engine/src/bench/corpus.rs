//! A corpus to measure on: documents as applications store them, made from a number alone. The same
//! size gives the same documents; nothing here speaks to a server.
//!
//! Seven tenths of the bytes are orders of about 1 KB, three twentieths events of about 100 bytes,
//! and as much files of 64 KB that hardly compress.

use mongoark_bson_bytes::{Builder, IndexKey};

/// Bytes of documents that are made, and inserted, at once.
const SLICE_BYTES: u64 = 1_000_000;
/// Milliseconds since 1970 of the first document.
const FIRST_MS: i64 = 1_735_689_600_000;
const SUBTYPE_GENERIC: u8 = 0;
const FILE_BYTES: usize = 64_000;
const WORDS: [&str; 64] = [
    "account", "address", "again", "amount", "angle", "apple", "autumn", "balance", "basket", "before",
    "blue", "bridge", "button", "candle", "carton", "change", "circle", "cotton", "crystal", "delivery",
    "dinner", "door", "early", "engine", "fabric", "fifteen", "folder", "forest", "garden", "green",
    "hammer", "harbour", "heavy", "inside", "island", "jacket", "kitchen", "ladder", "lemon", "letter",
    "market", "metal", "morning", "narrow", "number", "office", "orange", "outside", "paper", "pencil",
    "please", "quiet", "rather", "return", "river", "second", "silver", "small", "station", "summer",
    "table", "today", "window", "yellow",
];

/// The collections of the corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nested documents with text and arrays.
    Orders,
    /// Many small documents.
    Events,
    /// Large documents that hardly compress.
    Files,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Orders, Self::Events, Self::Files];

    /// The collection's name.
    pub fn collection(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Events => "events",
            Self::Files => "files",
        }
    }

    /// Percent of all bytes.
    fn share(self) -> u64 {
        match self {
            Self::Orders => 70,
            Self::Events | Self::Files => 15,
        }
    }
}

/// Some documents of one collection: about a megabyte of them, or what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Their collection.
    pub kind: Kind,
    number: u64,
    bytes: u64,
}

/// The slices of a corpus of about `bytes` bytes of documents; at least one of each kind.
pub fn slices(bytes: u64) -> impl Iterator<Item = Slice> + Send {
    Kind::ALL.into_iter().flat_map(move |kind| {
        let total = (bytes / 100 * kind.share()).max(1);
        (0..total.div_ceil(SLICE_BYTES)).map(move |number| Slice {
            kind,
            number,
            bytes: SLICE_BYTES.min(total - number * SLICE_BYTES),
        })
    })
}

impl Slice {
    /// The documents one after the other, as raw BSON: the first that reaches the slice's size is its last.
    pub fn documents(&self) -> Vec<u8> {
        let mut random = Random(self.number << 2 | self.kind as u64);
        let mut documents = Vec::new();
        let mut place = 0;
        while (documents.len() as u64) < self.bytes {
            // A slice holds far fewer documents than this leaves room for.
            documents.extend(document(self.kind, self.number << 20 | place, &mut random));
            place += 1;
        }
        documents
    }
}

fn document(kind: Kind, number: u64, random: &mut Random) -> Vec<u8> {
    let mut b = Builder::new();
    b.object_id("_id", object_id(number, random));
    match kind {
        Kind::Orders => order(&mut b, number, random),
        Kind::Events => event(&mut b, number, random),
        Kind::Files => file(&mut b, number, random),
    }
    b.finish()
}

/// Time, process and counter, as a driver makes them.
fn object_id(number: u64, random: &mut Random) -> [u8; 12] {
    let mut id = [0; 12];
    id[..4].copy_from_slice(&(0x6774_0000 + random.below(1 << 20)).to_be_bytes());
    id[4..].copy_from_slice(&number.to_be_bytes());
    id
}

fn order(b: &mut Builder, number: u64, random: &mut Random) {
    b.i64("number", signed(number))
        .date("created", moment(number))
        .str("status", random.pick(&["new", "paid", "sent"]));
    b.nested("customer", |b| {
        b.str("name", random.text(2)).str("email", format!("{}@example.org", random.word()));
        b.str("street", random.text(3))
            .i32("postcode", random.small(99_999))
            .bool("returning", random.below(2) == 0);
    });
    b.nested_array("items", |b| {
        for place in 0..=random.below(6) as usize {
            b.start_document(IndexKey::new(place));
            b.str("sku", format!("SKU-{:06}", random.below(999_999))).str("title", random.text(4));
            b.i32("quantity", random.small(9)).f64("price", random.price()).end();
        }
    });
    b.f64("total", random.price()).str("note", random.text(30)).null("cancelled");
}

fn event(b: &mut Builder, number: u64, random: &mut Random) {
    b.date("at", moment(number)).str("kind", random.word()).i32("sensor", random.small(5_000));
    b.f64("value", random.price()).bool("valid", random.below(50) > 0);
}

fn file(b: &mut Builder, number: u64, random: &mut Random) {
    let data: Vec<u8> = (0..FILE_BYTES / 8).flat_map(|_| random.bits().to_le_bytes()).collect();
    b.str("name", format!("{}-{number:012}.bin", random.word())).date("stored", moment(number));
    b.binary("data", SUBTYPE_GENERIC, &data);
}

fn moment(number: u64) -> i64 {
    FIRST_MS.saturating_add(signed(number))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// splitmix64: the same numbers on every machine. Not for secrets.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`: the upper half of a product is.
    fn below(&mut self, limit: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(limit)) >> 32) as u32
    }

    fn small(&mut self, limit: u32) -> i32 {
        i32::try_from(self.below(limit)).unwrap_or_default()
    }

    fn price(&mut self) -> f64 {
        f64::from(self.below(100_000)) / 100.0
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        let place = self.below(u32::try_from(from.len()).unwrap_or_default());
        from.get(place as usize).copied().unwrap_or_default()
    }

    /// The first words are the most frequent, as in any language.
    fn word(&mut self) -> &'static str {
        let most = 1 + self.below(64);
        let place = self.below(most);
        WORDS.get(place as usize).copied().unwrap_or_default()
    }

    fn text(&mut self, words: usize) -> String {
        (0..words).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongoark_bson_bytes::{DEPTH_MAX, get, split_documents, validate};
    use std::collections::HashSet;

    #[test]
    fn a_corpus_is_of_its_size_and_always_the_same() {
        let made = |bytes| slices(bytes).map(|slice| slice.documents()).collect::<Vec<_>>();
        let corpus = made(5_000_000);
        assert_eq!(corpus, made(5_000_000));
        let bytes: usize = corpus.iter().map(Vec::len).sum();
        assert!((5_000_000..5_500_000).contains(&bytes), "{bytes}");
        assert_eq!(slices(1).count(), 3, "one of each, however small");
    }

    #[test]
    fn documents_are_valid_and_their_ids_unique() {
        let mut ids = HashSet::new();
        for slice in slices(4_000_000) {
            for document in split_documents(&slice.documents()) {
                let document = document.unwrap();
                validate(document, DEPTH_MAX).unwrap();
                let id = get(document, "_id").unwrap().unwrap().value.to_vec();
                assert!(ids.insert((slice.kind.collection(), id)));
            }
        }
        assert!(ids.len() > 3_000, "{}", ids.len());
    }
}
