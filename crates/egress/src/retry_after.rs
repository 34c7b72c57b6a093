//! `Retry-After`, read as hostile input: checked arithmetic, no allocation, no panic.

use http::HeaderMap;
use http::header::RETRY_AFTER;

/// Longer integers are garbage: ten digits are already three centuries.
const DIGITS_MAX: usize = 10;

/// Seconds that a receiver asks us to wait, or `None` when it said nothing usable.
///
/// Two forms count: an unsigned integer of at most ten digits, and an HTTP date in the fixed
/// format (`Sun, 06 Nov 1994 08:49:37 GMT`), relative to `now_unix_seconds`. A date in the past
/// gives 0. Two headers, signs, fractions, lists and the obsolete date formats give `None`. The
/// value is not capped here: the caller's schedule owns the cap.
pub fn retry_after(headers: &HeaderMap, now_unix_seconds: i64) -> Option<u64> {
    let mut values = headers.get_all(RETRY_AFTER).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let text = value.as_bytes().trim_ascii();
    if text.iter().all(u8::is_ascii_digit) {
        return if text.len() <= DIGITS_MAX { digits(text) } else { None };
    }
    let at = fixed_date(text)?;
    let wait = at.checked_sub(now_unix_seconds)?;
    Some(u64::try_from(wait).unwrap_or(0))
}

/// The value of a non-empty run of ASCII digits.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| byte.wrapping_sub(b'0'))?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

const WEEKDAYS: [&[u8]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [(&[u8], i64); 12] = [
    (b"Jan", 31),
    (b"Feb", 28),
    (b"Mar", 31),
    (b"Apr", 30),
    (b"May", 31),
    (b"Jun", 30),
    (b"Jul", 31),
    (b"Aug", 31),
    (b"Sep", 30),
    (b"Oct", 31),
    (b"Nov", 30),
    (b"Dec", 31),
];

/// Unix seconds of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`; exactly 29 bytes.
fn fixed_date(text: &[u8]) -> Option<i64> {
    let number = |at: std::ops::Range<usize>| {
        text.get(at).and_then(digits).and_then(|value| i64::try_from(value).ok())
    };
    let fixed = |at: usize, expected: &[u8]| text.get(at..)?.starts_with(expected).then_some(());

    if text.len() != 29 {
        return None;
    }
    fixed(3, b", ")?;
    fixed(7, b" ")?;
    fixed(11, b" ")?;
    fixed(16, b" ")?;
    fixed(19, b":")?;
    fixed(22, b":")?;
    fixed(25, b" GMT")?;

    let (day, year) = (number(5..7)?, number(12..16)?);
    let (hour, minute, second) = (number(17..19)?, number(20..22)?, number(23..25)?);
    let month = MONTHS.iter().position(|(name, _)| text.get(8..11) == Some(*name))?;
    let leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let leap_day = i64::from(leap_year && month == 1);
    let days_in_month = MONTHS.get(month)?.1.checked_add(leap_day)?;
    // A leap second is a valid spelling.
    if !(1..=days_in_month).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }

    let days = days_since_epoch(year, month, day, leap_year)?;
    let weekday = WEEKDAYS.get(usize::try_from(days.rem_euclid(7)).ok()?)?;
    fixed(0, weekday)?;
    days.checked_mul(86_400)?
        .checked_add(hour.checked_mul(3_600)?)?
        .checked_add(minute.checked_mul(60)?)?
        .checked_add(second)
}

/// Days from 1 January 1970 to a day of the Gregorian calendar; `month` counts from 0.
fn days_since_epoch(year: i64, month: usize, day: i64, leap_year: bool) -> Option<i64> {
    /// Days from 1 January of year 1 to 1 January 1970.
    const EPOCH: i64 = 719_162;
    let past = year.checked_sub(1)?;
    let leap_days = past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
    let before_year = past.checked_mul(365)?.checked_add(leap_days)?;
    let before_month: i64 = MONTHS.iter().take(month).map(|(_, days)| days).sum();
    let leap_day = i64::from(leap_year && month > 1);
    before_year.checked_add(before_month + leap_day)?.checked_add(day - 1)?.checked_sub(EPOCH)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    const NOW: i64 = 784_111_777; // Sun, 06 Nov 1994 08:49:37 GMT

    fn read(text: &[u8]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_bytes(text).expect("a header value"));
        retry_after(&headers, NOW)
    }

    #[test]
    fn integers_count_up_to_ten_digits() {
        assert_eq!(read(b"0"), Some(0));
        assert_eq!(read(b"120"), Some(120));
        assert_eq!(read(b"120  "), Some(120));
        assert_eq!(read(b"0000000120"), Some(120));
        assert_eq!(read(b"9999999999"), Some(9_999_999_999));
    }

    #[test]
    fn garbage_says_nothing() {
        let many = vec![b'9'; 10_000];
        let corpus: [&[u8]; 22] = [
            b"",
            b" ",
            b",",
            b"-1",
            b"+1",
            b"120.6",
            b"1e300",
            b"9e15",
            b"1e18",
            b"inf",
            b"NaN",
            b"0x10",
            b"120, 240",
            b"12 0",
            b"99999999999",
            &many,
            b"Sunday, 06-Nov-94 08:49:37 GMT",
            b"Sun Nov  6 08:49:37 1994",
            b"\xd9\xa1\xd9\xa2",
            b"\xff\xfe",
            b"Sun, 06 Nov 1994 08:49:37 UTC",
            b"Sun, 06 Nov 1994 08:49:37GMT ",
        ];
        for text in corpus {
            assert_eq!(read(text), None, "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn dates_are_relative_to_now() {
        assert_eq!(read(b"Sun, 06 Nov 1994 08:49:37 GMT"), Some(0));
        assert_eq!(read(b"Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(read(b"Mon, 07 Nov 1994 08:49:37 GMT"), Some(86_400));
        assert_eq!(read(b"Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(read(b"Mon, 01 Jan 0001 00:00:00 GMT"), Some(0));
        assert_eq!(read(b"Tue, 29 Feb 2000 00:00:00 GMT"), Some(951_782_400 - 784_111_777));
        assert_eq!(read(b"Fri, 31 Dec 9999 23:59:60 GMT"), Some(253_402_300_800 - 784_111_777));
    }

    #[test]
    fn impossible_dates_say_nothing() {
        let corpus: [&[u8]; 9] = [
            b"Mon, 06 Nov 1994 08:49:37 GMT", // it was a Sunday
            b"Mon, 29 Feb 1999 00:00:00 GMT",
            b"Wed, 31 Nov 1994 00:00:00 GMT",
            b"Sun, 00 Nov 1994 08:49:37 GMT",
            b"Sun, 06 Nov 1994 24:00:00 GMT",
            b"Sun, 06 Nov 1994 08:60:37 GMT",
            b"Sun, 06 Nov 1994 08:49:61 GMT",
            b"Sun, 06 Nov -994 08:49:37 GMT",
            b"Sun, 06 nov 1994 08:49:37 GMT",
        ];
        for text in corpus {
            assert_eq!(read(text), None, "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn two_headers_contradict_each_other() {
        let mut headers = HeaderMap::new();
        headers.append(RETRY_AFTER, HeaderValue::from_static("120"));
        headers.append(RETRY_AFTER, HeaderValue::from_static("120"));
        assert_eq!(retry_after(&headers, NOW), None);
        assert_eq!(retry_after(&HeaderMap::new(), NOW), None);
    }

    #[test]
    fn an_extreme_clock_does_not_overflow() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(retry_after(&headers, i64::MIN), None);
        assert_eq!(retry_after(&headers, i64::MAX), Some(0));
    }
}
