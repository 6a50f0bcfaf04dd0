//! Strings, among them such that are not UTF-8.

use super::named;

pub(super) fn documents() -> [Vec<u8>; 3] {
    [strings(), not_utf8(), long()]
}

fn strings() -> Vec<u8> {
    let controls: String = ('\x01'..'\x20').chain(['\x7f', '\u{80}', '\u{9f}']).collect();
    let mut d = named("strings");
    for (key, text) in [
        ("empty", ""),
        ("one", "x"),
        ("nul", "a\0b"),
        ("nulonly", "\0"),
        ("nulend", "end\0\0"),
        ("2byte", "é\u{7ff}"),
        ("3byte", "\u{800}€\u{ffff}"),
        ("4byte", "😀\u{10000}\u{10ffff}"),
        ("combining", "e\u{301}"),
        ("rtl", "\u{202e}abc\u{202c} שלום"),
        ("bom", "\u{feff}x"),
        ("controls", &controls),
        ("quotes", "\"'\\/`$%{}[]<>&"),
        ("lines", "a\r\nb\nc\rd\u{2028}e\u{2029}f"),
        ("json", "{\"$oid\":\"x\"}"),
        ("long", &"ab".repeat(700)),
    ] {
        d.str(key, text);
    }
    d.finish()
}

fn not_utf8() -> Vec<u8> {
    let mut d = named("strings-not-utf8");
    d.str("lonely", b"\xff").str("overlong", b"\xc0\x80").str("surrogate", b"\xed\xa0\x80");
    d.str("cut", b"abc\xe2\x82").str(b"key-\xff", "v");
    d.finish()
}

fn long() -> Vec<u8> {
    named("text-100k").str("t", "The quick brown fox jumps over the lazy dog. ".repeat(2300)).finish()
}
