//! Figures in words.

/// Bytes with a decimal unit: `1.2 GB`.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
pub fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if value < 999.5 || unit == "TB" {
            return match unit {
                "B" => format!("{value:.0} B"),
                _ if value < 9.995 => format!("{value:.2} {unit}"),
                _ if value < 99.95 => format!("{value:.1} {unit}"),
                _ => format!("{value:.0} {unit}"),
            };
        }
        value /= 1000.0;
    }
    format!("{bytes} B")
}

/// A time in the oplog: `2026-11-28T10:00:00Z (1795860000:3)`, the second and what `--to` takes.
pub fn moment(time: mongoark_model::Timestamp) -> String {
    let second = jiff::Timestamp::from_second(i64::from(time.seconds));
    let second = second.map_or_else(|_| "?".to_owned(), |second| second.strftime("%FT%TZ").to_string());
    format!("{second} ({time})")
}

/// A number of oplog entries: `1 oplog entry`, `1,234 oplog entries`.
pub fn entries(entries: u64) -> String {
    format!("{} oplog {}", count(entries), if entries == 1 { "entry" } else { "entries" })
}

/// A count with separators: `1,234,567`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Seconds: `0.42 s`, `12.3 s`, `4 min 05 s`, `2 h 03 min`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "durations of a run")]
pub fn seconds(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0..10 => format!("{seconds:.2} s"),
        10..100 => format!("{seconds:.1} s"),
        100..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `1 document`, `2 documents`.
pub fn plural(n: u64, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(n))
}

/// A rate from an amount and a time; `-` where the time is too short to tell.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate"
)]
pub fn rate(amount: u64, seconds: f64) -> String {
    if seconds < 0.001 { "-".to_owned() } else { format!("{}/s", bytes((amount as f64 / seconds) as u64)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(
            [0, 999, 1000, 9_994, 99_950, 1_180_000_000].map(bytes),
            ["0 B", "999 B", "1.00 kB", "9.99 kB", "100 kB", "1.18 GB"]
        );
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.417, 12.34, 245.0, 7380.0].map(seconds),
            ["0.42 s", "12.3 s", "4 min 05 s", "2 h 03 min"]
        );
        assert_eq!(
            (plural(1, "document"), plural(2000, "view")),
            ("1 document".into(), "2,000 views".into())
        );
    }
}
