//! Dates of the relaxed format: ISO 8601 in UTC, from milliseconds and back.

const DAY: i64 = 86_400_000;
const YEAR_10000: i64 = 253_402_300_800_000;

/// `1970-01-01T00:00:00Z`, with milliseconds if there are any; only from 1970 to the end of 9999.
pub(crate) fn to_text(milliseconds: i64) -> Option<String> {
    if !(0..YEAR_10000).contains(&milliseconds) {
        return None;
    }
    let (year, month, day) = civil_from_days(milliseconds / DAY);
    let rest = milliseconds % DAY;
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    let fraction = match rest % 1000 {
        0 => String::new(),
        fraction => format!(".{fraction:03}"),
    };
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"))
}

/// Milliseconds of `YYYY-MM-DDTHH:MM[:SS[.fraction]]` with `Z`, `+HH`, `+HHMM` or `+HH:MM` after it.
/// Digits beyond milliseconds are cut off.
pub(crate) fn from_text(text: &str) -> Option<i64> {
    let mut input = Input(text.as_bytes());
    let (year, month) = (input.number(4)?, input.after(b'-')?.number(2)?);
    let day = input.after(b'-')?.number(2)?;
    let days = days_from_civil(year, month, day)?;
    let (hour, minute) = (input.after(b'T')?.number(2)?, input.after(b':')?.number(2)?);
    let (second, fraction) = match input.after(b':') {
        Some(input) => (input.number(2)?, input.milliseconds()?),
        None => (0, 0),
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let offset = input.offset_minutes()?;
    let minutes = days * 1440 + hour * 60 + minute - offset;
    input.0.is_empty().then_some(minutes * 60_000 + second * 1000 + fraction)
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        if !number.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = rest;
        Some(number.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    }

    fn after(&mut self, byte: u8) -> Option<&mut Self> {
        let (first, rest) = self.0.split_first()?;
        if *first != byte {
            return None;
        }
        self.0 = rest;
        Some(self)
    }

    /// An optional fraction of a second.
    fn milliseconds(&mut self) -> Option<i64> {
        if self.after(b'.').is_none() {
            return Some(0);
        }
        let digits = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let mut fraction = Input(self.0.get(..digits.min(3))?);
        let number = fraction.number(digits.min(3))?;
        self.0 = self.0.get(digits..)?;
        match digits {
            0 => None,
            1 => Some(number * 100),
            2 => Some(number * 10),
            _ => Some(number),
        }
    }

    fn offset_minutes(&mut self) -> Option<i64> {
        if self.after(b'Z').is_some() {
            return Some(0);
        }
        let sign = if self.after(b'+').is_some() { 1 } else { self.after(b'-').map(|_| -1)? };
        let hours = self.number(2)?;
        _ = self.after(b':');
        let minutes = if self.0.is_empty() { 0 } else { self.number(2)? };
        (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
    }
}

/// Year, month and day of a day counted from 1970-01-01. Years begin in March here, so that the leap
/// day is their last; 146,097 days are 400 years.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + carry, month, day)
}

/// The day counted from 1970-01-01, if there is such a day.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (shifted_year, shifted_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let days =
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_relaxed_range() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (1_234_567_890_123, "2009-02-13T23:31:30.123Z"),
            (1_356_351_330_500, "2012-12-24T12:15:30.500Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ];
        for (milliseconds, text) in cases {
            assert_eq!(to_text(milliseconds).as_deref(), Some(text));
            assert_eq!(from_text(text), Some(milliseconds));
        }
        for outside in [-1, i64::MIN, i64::MAX, YEAR_10000] {
            assert_eq!(to_text(outside), None);
        }
    }

    #[test]
    fn offsets_and_fractions_are_read() {
        let cases = [
            ("1970-01-01T00:00Z", 0),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1970-01-01T01:00:00.5+0100", 500),
            ("1969-12-31T23:00:00.123456789-01", 123),
            ("1969-12-31T23:59:59.999Z", -1),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(from_text(text), Some(milliseconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "1970",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-02-30T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "1970-13-01T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00Zx",
            "1970-01-01T00:00:00+1",
            "1970-01-01 00:00:00Z",
        ] {
            assert_eq!(from_text(text), None, "{text}");
        }
    }
}
