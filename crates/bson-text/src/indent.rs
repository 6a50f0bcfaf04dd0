//! Extended JSON spread over lines, for people.

/// Appends `json`, which is valid and has no spaces between its tokens, with each member on a line of its own.
/// Each level is indented by `unit`; empty objects and arrays stay on their line (`bsondump --pretty`).
pub fn indent(json: &[u8], unit: &str, out: &mut Vec<u8>) {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut previous = 0;
    for &byte in json {
        if in_string {
            out.push(byte);
            in_string = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
        } else {
            let closes = matches!(byte, b'}' | b']');
            let opened = matches!(previous, b'{' | b'[');
            depth -= usize::from(closes && depth > 0);
            if closes != opened || previous == b',' {
                new_line(depth, unit, out);
            }
            push_token(byte, out);
            depth += usize::from(matches!(byte, b'{' | b'['));
            in_string = byte == b'"';
        }
        previous = if in_string || byte == b'"' { b'"' } else { byte };
    }
}

fn push_token(byte: u8, out: &mut Vec<u8>) {
    out.push(byte);
    if byte == b':' {
        out.push(b' ');
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
}
