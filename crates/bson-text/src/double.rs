//! Doubles as text, in the spelling of `mongodump`, and back.

/// The bits of the one NaN that text stands for: those that mongodump and mongorestore, which are of Go, mean by it.
const NAN: u64 = 0x7ff8_0000_0000_0001;

/// The shortest digits that give `value` back: `1.0`, `-0.0`, `1E+21`, `5E-324`, `NaN`, `Infinity`.
///
/// Exponents stand from 1E+06 and below 1E-04 on, with two digits at least (Go's format `G`). Every NaN is
/// written alike.
pub(crate) fn to_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}E{sign}{:02}", exponent.unsigned_abs());
    }
    let mut plain = format!("{value}");
    if !plain.contains('.') {
        plain.push_str(".0");
    }
    plain
}

/// The double that `text` spells: a decimal number, or one of the three words that [`to_text`] writes.
pub(crate) fn from_text(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::from_bits(NAN)),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ if text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
            text.parse().ok().filter(|value: &f64| value.is_finite())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_is_that_of_mongodump() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00001, "1E-05"),
            (123_456.0, "123456.0"),
            (999_999.5, "999999.5"),
            (1_000_000.0, "1E+06"),
            (1_234_567.5, "1.2345675E+06"),
            (1e21, "1E+21"),
            (1e300, "1E+300"),
            (5e-324, "5E-324"),
            (f64::MAX, "1.7976931348623157E+308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in cases {
            assert_eq!(to_text(value), text);
            let back = from_text(text).unwrap();
            assert!(back.to_bits() == value.to_bits() || value.is_nan() && back.is_nan(), "{text}");
        }
    }

    #[test]
    fn other_words_are_not_doubles() {
        for text in ["", "nan", "inf", "infinity", "+Infinity", "1.0x", "0x10", "e", "1e999", " 1"] {
            assert_eq!(from_text(text), None, "{text}");
        }
    }
}
