//! A size as typed: `500MB`, `1.5GB`, `512MiB`.

use std::str::FromStr;

/// Less would measure the start of a process.
const BYTES_MIN: f64 = 1e6;
const BYTES_MAX: f64 = 1e15;
const UNITS: [(&str, f64); 8] = [
    ("kib", 1024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
    ("tib", 1_099_511_627_776.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("tb", 1e12),
];

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the bounds above")]
    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_ascii_lowercase();
        let parse = |(unit, factor): &(&str, f64)| {
            let number = lower.strip_suffix(unit)?.trim_end();
            // Digits and a point alone: no sign, no exponent, no 'inf'.
            let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            number.parse::<f64>().ok().filter(|_| plain).map(|number| number * factor)
        };
        match UNITS.iter().find_map(parse) {
            Some(bytes) if bytes < BYTES_MIN => {
                Err(format!("{text} is too little to measure: give at least 1MB"))
            }
            Some(bytes) if bytes > BYTES_MAX => Err(format!("{text} is more than this can generate")),
            Some(bytes) => Ok(Self(bytes as u64)),
            None => Err(format!("'{text}' is not a size: write 500MB or 2GB")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit_and_bounds() {
        for (text, bytes) in
            [("8MB", 8_000_000), ("1.5 GB", 1_500_000_000), ("2mib", 2_097_152), ("1000kB", 1_000_000)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "8", "MB", "8XB", "-8MB", "1e3MB", "infMB", "nanMB", "999kB", "9000000TB", "1.2.3MB"]
        {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
