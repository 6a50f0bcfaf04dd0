//! Amounts and times as findings say them: with as many digits as an estimate deserves.

/// Bytes: `812 GB`, `41.3 GB`, `0 B`.
pub(super) fn bytes(bytes: u64) -> String {
    let (mut value, mut units) = (bytes as f64, ["B", "kB", "MB", "GB", "TB"].into_iter().peekable());
    while let Some(unit) = units.next() {
        let is_last = units.peek().is_none();
        if value < 999.5 || is_last {
            let digits = usize::from(value < 99.95 && unit != "B");
            return format!("{value:.digits$} {unit}");
        }
        value /= 1000.0;
    }
    format!("{bytes} B")
}

/// A time: `0.04 s`, `2.0 s`, `12 s`, `4 min`, `51.2 h`, `20 days`.
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        ..0.995 => format!("{seconds:.2} s"),
        ..9.95 => format!("{seconds:.1} s"),
        ..99.5 => format!("{seconds:.0} s"),
        ..5970.0 => format!("{:.0} min", seconds / 60.0),
        ..360_000.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

/// `1 member`, `2 members`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_times_are_short() {
        let amounts = [0, 999, 1_000, 41_300_000_000, 812_000_000_000, 3_000_000_000_000_000];
        assert_eq!(amounts.map(bytes), ["0 B", "999 B", "1.0 kB", "41.3 GB", "812 GB", "3000 TB"]);
        let times = [0.04, 2.0, 12.4, 240.0, 184_320.0, 1_728_000.0];
        assert_eq!(times.map(span), ["0.04 s", "2.0 s", "12 s", "4 min", "51.2 h", "20 days"]);
        assert_eq!([plural(1, "member"), plural(3, "member")], ["1 member", "3 members"]);
    }
}
