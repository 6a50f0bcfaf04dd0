//! Decimal128 (IEEE 754-2008, binary integer coefficients) as text and back.

use std::fmt::Write;

const EXPONENT_BIAS: i32 = 6176;
const EXPONENT_MIN: i32 = -6176;
const EXPONENT_MAX: i32 = 6111;
const DIGITS_MAX: usize = 34;
const COEFFICIENT_MAX: u128 = 10_u128.pow(34) - 1;
const NAN: u128 = 0x7C << 120;
const INFINITY: u128 = 0x78 << 120;
const SIGN: u128 = 1 << 127;

/// The text of the 16 little-endian bytes of a decimal. Coefficients that IEEE 754 calls
/// non-canonical are zero; a NaN has neither sign nor payload.
pub(crate) fn to_text(bytes: [u8; 16]) -> String {
    spell(bytes, COEFFICIENT_MAX)
}

/// [`to_text`] with every digit of a coefficient that has more than the 34 that count.
pub(crate) fn to_raw_text(bytes: [u8; 16]) -> String {
    spell(bytes, u128::MAX)
}

fn spell(bytes: [u8; 16], coefficient_max: u128) -> String {
    let bits = u128::from_le_bytes(bytes);
    let mut out = String::new();
    match (bits >> 122) & 0x1F {
        0x1F => return "NaN".to_owned(),
        combination => {
            if bits & SIGN != 0 {
                out.push('-');
            }
            if combination == 0x1E {
                out.push_str("Infinity");
                return out;
            }
        }
    }
    let (coefficient, exponent) = finite_parts(bits, coefficient_max);
    push_number(&coefficient.to_string(), exponent, &mut out);
    out
}

fn finite_parts(bits: u128, coefficient_max: u128) -> (u128, i32) {
    // With both upper bits set the exponent stands two bits lower, and the coefficient is beyond the limit.
    let (shift, coefficient) = if (bits >> 125) & 3 == 3 { (111, 0) } else { (113, bits & ((1 << 113) - 1)) };
    let biased = i32::try_from((bits >> shift) & 0x3FFF).unwrap_or(0);
    let canonical = if coefficient > coefficient_max { 0 } else { coefficient };
    (canonical, biased - EXPONENT_BIAS)
}

/// The scientific string of IEEE 754: plain while the exponent is not positive and the number not tiny.
fn push_number(digits: &str, exponent: i32, out: &mut String) {
    let len = i32::try_from(digits.len()).unwrap_or(0);
    let adjusted = exponent + len - 1;
    if exponent > 0 || adjusted < -6 {
        let (first, rest) = digits.split_at(1);
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        // Writing into a String cannot fail.
        _ = write!(out, "E{adjusted:+}");
    } else if exponent == 0 {
        out.push_str(digits);
    } else {
        push_fraction(digits, exponent.unsigned_abs() as usize, out);
    }
}

fn push_fraction(digits: &str, places: usize, out: &mut String) {
    match digits.len().checked_sub(places).filter(|whole| *whole > 0) {
        Some(whole) => {
            let (whole, fraction) = digits.split_at(whole);
            _ = write!(out, "{whole}.{fraction}");
        }
        None => _ = write!(out, "0.{digits:0>places$}"),
    }
}

/// The bytes of the decimal that `text` spells, if it can be held without rounding.
pub(crate) fn from_text(text: &str) -> Option<[u8; 16]> {
    if text.eq_ignore_ascii_case("nan") {
        return Some(NAN.to_le_bytes());
    }
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (SIGN, rest),
        None => (0, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = if unsigned.eq_ignore_ascii_case("infinity") || unsigned.eq_ignore_ascii_case("inf") {
        INFINITY
    } else {
        let (coefficient, exponent) = fit(read_number(unsigned)?)?;
        let biased = u128::try_from(exponent + EXPONENT_BIAS).ok()?;
        (biased << 113) | coefficient
    };
    Some((sign | magnitude).to_le_bytes())
}

/// The digits without leading zeros, and the exponent of the last one.
struct Number {
    digits: Vec<u8>,
    exponent: i64,
}

fn read_number(text: &str) -> Option<Number> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = Vec::with_capacity(mantissa.len());
    digits.extend(whole.bytes().chain(fraction.bytes()));
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let leading = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.drain(..leading);
    Some(Number { digits, exponent: exponent - i64::try_from(fraction.len()).ok()? })
}

/// An exponent too long for any number is cut to one that is far out of range as well.
fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let far = 1 << 40;
    let magnitude = digits.parse().map_or(far, |value: i64| value.min(far));
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// Coefficient and exponent within their ranges, moving zeros between the two where that is exact.
fn fit(number: Number) -> Option<(u128, i32)> {
    let Number { mut digits, mut exponent } = number;
    if digits.is_empty() {
        let clamped = exponent.clamp(EXPONENT_MIN.into(), EXPONENT_MAX.into());
        return Some((0, i32::try_from(clamped).ok()?));
    }
    while (digits.len() > DIGITS_MAX || exponent < EXPONENT_MIN.into()) && digits.last() == Some(&b'0') {
        digits.pop();
        exponent += 1;
    }
    while exponent > EXPONENT_MAX.into() && digits.len() < DIGITS_MAX {
        digits.push(b'0');
        exponent -= 1;
    }
    let exponent = i32::try_from(exponent).ok()?;
    if digits.len() > DIGITS_MAX || !(EXPONENT_MIN..=EXPONENT_MAX).contains(&exponent) {
        return None;
    }
    let coefficient = digits.iter().fold(0, |sum: u128, digit| sum * 10 + u128::from(digit - b'0'));
    Some((coefficient, exponent))
}
