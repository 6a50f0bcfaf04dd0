//! Extended JSON spread over lines, for people.

/// Appends `json`, which is valid and has no spaces between its tokens, with each member on a line of its own.
/// Each level is indented by `unit`; empty objects and arrays stay on their line (`bsondump --pretty`).
pub fn indent(json: &[u8], unit: &str, out: &mut Vec<u8>) {
    Indenter::default().push(json, unit, out);
}

/// [`indent`] for text that comes in pieces, so that the indented text never has to be held whole.
#[derive(Debug, Default)]
pub struct Indenter {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The byte before, or a quote after a string.
    previous: u8,
}

impl Indenter {
    /// Appends the next piece of the text, cut anywhere.
    pub fn push(&mut self, json: &[u8], unit: &str, out: &mut Vec<u8>) {
        let mut rest = json;
        while let Some(byte) = rest.first() {
            let len = if self.in_string {
                let len = self.string_len(rest);
                out.extend_from_slice(rest.get(..len).unwrap_or_default());
                len
            } else {
                self.token(*byte, unit, out);
                1
            };
            rest = rest.get(len..).unwrap_or_default();
        }
    }

    /// Bytes of the string that goes on at the start of `rest`, its closing quote with it.
    fn string_len(&mut self, rest: &[u8]) -> usize {
        for (at, byte) in rest.iter().enumerate() {
            if self.escaped {
                self.escaped = false;
            } else if *byte == b'\\' {
                self.escaped = true;
            } else if *byte == b'"' {
                self.in_string = false;
                return at + 1;
            }
        }
        rest.len()
    }

    fn token(&mut self, byte: u8, unit: &str, out: &mut Vec<u8>) {
        let closes = matches!(byte, b'}' | b']');
        let opened = matches!(self.previous, b'{' | b'[');
        self.depth -= usize::from(closes && self.depth > 0);
        if closes != opened || self.previous == b',' {
            new_line(self.depth, unit, out);
        }
        out.push(byte);
        if byte == b':' {
            out.push(b' ');
        }
        self.depth += usize::from(matches!(byte, b'{' | b'['));
        self.in_string = byte == b'"';
        self.previous = byte;
    }
}

fn new_line(depth: usize, unit: &str, out: &mut Vec<u8>) {
    out.push(b'\n');
    for _ in 0..depth {
        out.extend_from_slice(unit.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_on_lines_of_their_own() {
        let json = r#"{"a":1,"b":{"c":[true,"x,{}:\"]"],"d":{},"e":[]},"f":[{}]}"#;
        let mut out = Vec::new();
        indent(json.as_bytes(), "\t", &mut out);
        let expected = "{\n\t\"a\": 1,\n\t\"b\": {\n\t\t\"c\": [\n\t\t\ttrue,\n\t\t\t\"x,{}:\\\"]\"\n\t\t],\n\t\t\"d\": {},\n\t\t\"e\": []\n\t},\n\t\"f\": [\n\t\t{}\n\t]\n}";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn empty_documents_stay_as_they_are() {
        let mut out = Vec::new();
        indent(b"{}", "  ", &mut out);
        assert_eq!(out, b"{}");
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let json = br#"{"a\\":"b\"\u0001{","c":[1,{"d":[]}]}"#;
        let (mut whole, mut pieces, mut indenter) = (Vec::new(), Vec::new(), Indenter::default());
        indent(json, "\t", &mut whole);
        json.chunks(1).for_each(|piece| indenter.push(piece, "\t", &mut pieces));
        assert_eq!(pieces, whole);
    }
}
