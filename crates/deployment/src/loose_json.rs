//! The documents that flags take, `{w: 'majority', wtimeout: 500}`: JSON as people write it, with keys
//! without quotes and single quotes allowed.

/// How deep such a document may be nested.
const DEPTH_MAX: usize = 16;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Loose {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Array(Vec<Loose>),
    /// Keys with their values, in order.
    Object(Vec<(String, Loose)>),
}

impl Loose {
    /// Reads one value and nothing behind it; the error says what was expected where.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        match reader.peek() {
            None => Ok(value),
            Some(_) => Err(reader.wanted("nothing more")),
        }
    }

    /// The last value under `key`, compared without case.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(entries) = self else { return None };
        entries.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    }

    /// A number without a fraction.
    pub(crate) fn as_whole(&self) -> Option<i64> {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and far within the range")]
        match self {
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => Some(*number as i64),
            _ => None,
        }
    }

    /// Whether it counts as true, as in JavaScript.
    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::Array(_) | Self::Object(_) => true,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Loose, String> {
        if depth > DEPTH_MAX {
            return Err(self.wanted("less nesting"));
        }
        match self.peek() {
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some(quote @ ('"' | '\'')) => self.quoted(quote).map(Loose::Text),
            Some(c) if c == '-' || c == '+' || c == '.' || c.is_ascii_digit() => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Loose, String> {
        self.skip('{');
        let mut entries = Vec::new();
        while !self.take('}') {
            let key = match self.peek() {
                Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
                _ => self.name()?,
            };
            self.expect(':')?;
            entries.push((key, self.value(depth + 1)?));
            self.comma_or('}')?;
        }
        Ok(Loose::Object(entries))
    }

    fn array(&mut self, depth: usize) -> Result<Loose, String> {
        self.skip('[');
        let mut items = Vec::new();
        while !self.take(']') {
            items.push(self.value(depth + 1)?);
            self.comma_or(']')?;
        }
        Ok(Loose::Array(items))
    }

    fn comma_or(&mut self, end: char) -> Result<(), String> {
        if self.take(',') || self.peek() == Some(end) {
            return Ok(());
        }
        Err(self.wanted(&format!("a comma or {end}")))
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        self.skip(quote);
        let mut text = String::new();
        loop {
            match self.next() {
                Some(c) if c == quote => return Ok(text),
                Some('\\') => match self.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(c @ ('\\' | '/' | '"' | '\'')) => text.push(c),
                    _ => return Err(self.wanted("one of n t / ' \" and \\ behind a backslash")),
                },
                Some(c) => text.push(c),
                None => return Err(self.wanted("the end of the text in quotes")),
            }
        }
    }

    fn number(&mut self) -> Result<Loose, String> {
        let start = self.at;
        while self.rest().starts_with(|c: char| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
            self.at += 1;
        }
        let number = self.text.get(start..self.at).and_then(|text| text.parse().ok());
        number.map(Loose::Number).ok_or_else(|| self.wanted("a number before this"))
    }

    fn word(&mut self) -> Result<Loose, String> {
        match self.name()?.as_str() {
            "true" => Ok(Loose::Bool(true)),
            "false" => Ok(Loose::Bool(false)),
            "null" | "undefined" => Ok(Loose::Null),
            _ => Err(self.wanted("a value in quotes before this")),
        }
    }

    fn name(&mut self) -> Result<String, String> {
        self.peek();
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default().to_owned();
        self.at += end;
        if name.is_empty() { Err(self.wanted("a name or a value")) } else { Ok(name) }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// The next character that is no space, not taken.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    fn skip(&mut self, known: char) {
        self.take(known);
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(self.wanted(&wanted.to_string())) }
    }

    fn wanted(&self, what: &str) -> String {
        format!("byte {}: expected {what}", self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let loose =
            Loose::parse(r#" { w : 'majority', "wtimeout": 5e2, j: true, a: [1, {b: null},], } "#).unwrap();
        assert_eq!(loose.get("w"), Some(&Loose::Text("majority".to_owned())));
        assert_eq!(loose.get("wtimeout").and_then(Loose::as_whole), Some(500));
        assert!(loose.get("j").is_some_and(Loose::is_truthy));
        let item = Loose::Object(vec![("b".to_owned(), Loose::Null)]);
        assert_eq!(loose.get("a"), Some(&Loose::Array(vec![Loose::Number(1.0), item])));
        assert_eq!(Loose::parse(r"'it\'s'"), Ok(Loose::Text("it's".to_owned())));
    }

    #[test]
    fn says_what_is_wrong() {
        for text in
            ["", "{", "{a}", "{a: }", "{a: b}", "{a: 1} x", "{'a: 1}", "[1 2]", "{a: 1-}", "{: 1}", "\\"]
        {
            assert!(Loose::parse(text).is_err(), "{text}");
        }
        assert!(Loose::parse(&"[".repeat(100_000)).unwrap_err().contains("nesting"));
    }
}
