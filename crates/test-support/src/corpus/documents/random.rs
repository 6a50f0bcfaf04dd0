//! Documents of random shape and content.

use mongoark_bson_bytes::{Builder, IndexKey, kind};

use super::super::random::Random;

const DEPTH_MAX: usize = 5;

/// `count` documents with `_id` from 0 and up to eight random fields each; any two of these may have equal keys.
pub fn random_documents(random: &mut Random, count: i32, extra_key: Option<&str>) -> Vec<Vec<u8>> {
    documents(random, count, extra_key, false)
}

/// The same without timestamps of zero, which a server would replace.
pub(in crate::corpus) fn insertable_random_documents(
    random: &mut Random,
    count: i32,
    extra_key: Option<&str>,
) -> Vec<Vec<u8>> {
    documents(random, count, extra_key, true)
}

fn documents(random: &mut Random, count: i32, extra_key: Option<&str>, no_zero: bool) -> Vec<Vec<u8>> {
    let long = "long".repeat(9);
    let mut keys = vec!["a", "b", "c", "é", "", "x.y", &long, "1", "z$"];
    keys.extend(extra_key);
    let mut source = Source { random, keys: &keys, no_zero };
    (0..count).map(|id| source.document(id)).collect()
}

struct Source<'a> {
    random: &'a mut Random,
    keys: &'a [&'a str],
    no_zero: bool,
}

impl Source<'_> {
    fn document(&mut self, id: i32) -> Vec<u8> {
        let mut b = Builder::new();
        b.i32("_id", id);
        for _ in 0..self.random.below(9) {
            let key = *self.random.pick(self.keys);
            self.value(&mut b, key.as_bytes(), 0);
        }
        b.finish()
    }

    fn value(&mut self, b: &mut Builder, key: &[u8], depth: usize) {
        match self.random.below(if depth < DEPTH_MAX { 22 } else { 19 }) {
            0..=6 => self.number(b, key),
            7..=11 => self.text(b, key),
            12..=18 => self.other(b, key),
            19 => self.array(b, key, depth),
            _ => self.nested(b, key, depth),
        }
    }

    fn number(&mut self, b: &mut Builder, key: &[u8]) {
        match self.random.below(7) {
            0 => b.raw(kind::DOUBLE, key, &self.random.bytes::<8>()),
            1 => b.f64(key, self.random.pick(&[0.5, -2.25, 1e10, 3.0]) * f64::from(self.random.u32() % 1000)),
            2 => b.raw(kind::INT32, key, &self.random.bytes::<4>()),
            3 => b.raw(kind::INT64, key, &self.random.bytes::<8>()),
            4 => b.decimal128(key, self.random.bytes()),
            5 => b.raw(kind::DATE, key, &self.random.bytes::<8>()),
            _ => b.date(key, i64::from(self.random.u32()) * 500),
        };
    }

    fn text(&mut self, b: &mut Builder, key: &[u8]) {
        let letters: Vec<char> = "abc é€😀\0\n\"\\".chars().collect();
        match self.random.below(5) {
            0 | 1 => {
                let text: String = (0..self.random.below(40)).map(|_| *self.random.pick(&letters)).collect();
                b.str(key, text)
            }
            2 => b.text(kind::SYMBOL, key, self.random.pick(&["s", "", "tt"])),
            3 => b.text(kind::CODE, key, format!("f({})", self.random.below(99))),
            _ => b.regex(key, self.random.pick(&["a", "^b$", "[é]"]), self.random.pick(&["", "i", "mx"])),
        };
    }

    fn other(&mut self, b: &mut Builder, key: &[u8]) {
        match self.random.below(10) {
            0 => b.raw(kind::UNDEFINED, key, &[]),
            1 => b.object_id(key, self.random.bytes()),
            2 => b.bool(key, self.random.below(2) == 0),
            3 => b.null(key),
            4 => b.db_pointer(key, "d.c", self.random.bytes()),
            5 => {
                let scope = Builder::new().raw(kind::INT32, "q", &self.random.bytes::<4>()).finish();
                b.code_with_scope(key, "g()", &scope)
            }
            6 => b.timestamp(key, self.random.u32().max(u32::from(self.no_zero)), self.random.u32()),
            7 => b.raw(*self.random.pick(&[kind::MIN_KEY, kind::MAX_KEY]), key, &[]),
            _ => self.binary(b, key),
        };
    }

    fn binary<'b>(&mut self, b: &'b mut Builder, key: &[u8]) -> &'b mut Builder {
        let mut bytes = vec![0; *self.random.pick(&[0, 1, 16, 40])];
        self.random.fill(&mut bytes);
        match *self.random.pick(&[0, 2, 4, 5, 0x80, 0xC0]) {
            2 => {
                let len = u32::try_from(bytes.len()).expect("a short value").to_le_bytes();
                b.binary(key, 2, &[&len[..], &bytes].concat())
            }
            subtype => b.binary(key, subtype, &bytes),
        }
    }

    fn array(&mut self, b: &mut Builder, key: &[u8], depth: usize) {
        b.start_array(key);
        for index in 0..*self.random.pick(&[0, 1, 2, 5]) {
            self.value(b, IndexKey::new(index).as_ref(), depth + 1);
        }
        b.end();
    }

    fn nested(&mut self, b: &mut Builder, key: &[u8], depth: usize) {
        b.start_document(key);
        for _ in 0..*self.random.pick(&[0, 1, 2, 5]) {
            let key = *self.random.pick(self.keys);
            self.value(b, key.as_bytes(), depth + 1);
        }
        b.end();
    }
}
