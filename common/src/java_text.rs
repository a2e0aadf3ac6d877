//! Numbers and timestamps as Java prints and reads them, which is what Pinot's answers show.
//!
//! Must not know: JSON, columns. Invariant: what is printed here reads back to the same value.

use bigdecimal::BigDecimal;
use chrono::{NaiveDate, NaiveTime};

use crate::{java_calendar, java_digits};

/// `Double.toString`: `1.0`, `1.0E10`, `NaN`, `Infinity`.
#[must_use]
pub fn double_text(value: f64) -> String {
    let mut out = String::with_capacity(24);
    if !value.is_finite() {
        return non_finite(value.is_nan(), value > 0.0).to_owned();
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(value);
    let plain = (1e-3..1e7).contains(&value.abs());
    let exact = value == 0.0
        || value.abs() >= f64::MIN_POSITIVE
            && !(LARGE_DOUBLE..LARGEST).contains(&value.abs())
            && digits_of(shortest) <= 15;
    if exact {
        write_digits(&mut out, shortest, value == 0.0, plain);
    } else {
        write_places(
            &mut out,
            java_digits::of_double(value.abs()),
            value < 0.0,
            plain,
        );
    }
    out
}

/// Appends the shortest text in Java's form that reads back as the number. `Double.toString` sometimes has digits more.
pub fn write_double(out: &mut String, value: f64) {
    if !value.is_finite() {
        return out.push_str(non_finite(value.is_nan(), value > 0.0));
    }
    let mut buffer = ryu::Buffer::new();
    write_digits(
        out,
        buffer.format_finite(value),
        value == 0.0,
        (1e-3..1e7).contains(&value.abs()),
    );
}

/// `Float.toString`.
#[must_use]
pub fn float_text(value: f32) -> String {
    let mut out = String::with_capacity(16);
    write_float(&mut out, value);
    out
}

/// Appends `Float.toString`.
pub fn write_float(out: &mut String, value: f32) {
    if !value.is_finite() {
        return out.push_str(non_finite(value.is_nan(), value > 0.0));
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(value);
    let plain = (1e-3..1e7).contains(&value.abs());
    let exact = value == 0.0
        || value.abs() >= f32::MIN_POSITIVE
            && !(LARGE_FLOAT..LARGEST).contains(&f64::from(value.abs()))
            && digits_of(shortest) <= 6;
    if exact {
        write_digits(out, shortest, value == 0.0, plain);
    } else {
        write_places(out, java_digits::of_float(value.abs()), value < 0.0, plain);
    }
}

/// Whole numbers from here on have bits that the type does not hold, and below [`LARGEST`] Java prints what it holds exactly: the FLOAT
/// nearest to 1E11 is 9.9999998E10.
const LARGE_FLOAT: f64 = 16_777_216.0;
const LARGE_DOUBLE: f64 = 9_007_199_254_740_992.0;
const LARGEST: f64 = 9_223_372_036_854_775_808.0;

/// The number of digits between the first and the last that is not zero. So few that they are exact for sure are what
/// Java prints, too.
fn digits_of(shortest: &str) -> usize {
    let mantissa = shortest.split_once('e').map_or(shortest, |(m, _)| m);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len()
}

fn non_finite(nan: bool, positive: bool) -> &'static str {
    match (nan, positive) {
        (true, _) => "NaN",
        (_, true) => "Infinity",
        _ => "-Infinity",
    }
}

/// Rearranges the shortest digits (`ryu` form: `1.5`, `1e300`, `1.234e-5`) into Java's plain or scientific form.
fn write_digits(out: &mut String, shortest: &str, zero: bool, plain: bool) {
    let (negative, unsigned) = match shortest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, shortest),
    };
    if negative {
        out.push('-');
    }
    if zero {
        return out.push_str("0.0");
    }
    let (mantissa, exponent) = match unsigned.split_once('e') {
        Some((m, e)) => (m, e.parse::<i32>().unwrap_or(0)),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits: String = format!("{whole}{fraction}");
    let mut point = whole.len() as i32 + exponent;
    let leading = digits.len() - digits.trim_start_matches('0').len();
    digits.drain(..leading);
    point -= leading as i32;
    digits.truncate(digits.trim_end_matches('0').len().max(1));
    write_form(out, &digits, point, plain);
}

/// Digits and the place of the point among them, as Java's own algorithm answers them.
fn write_places(out: &mut String, (digits, point): (String, i32), negative: bool, plain: bool) {
    if negative {
        out.push('-');
    }
    write_form(out, &digits, point, plain);
}

fn write_form(out: &mut String, digits: &str, point: i32, plain: bool) {
    if plain {
        return write_plain(out, digits, point);
    }
    out.push_str(&digits[..1]);
    out.push('.');
    out.push_str(if digits.len() > 1 { &digits[1..] } else { "0" });
    out.push('E');
    out.push_str(&(point - 1).to_string());
}

fn write_plain(out: &mut String, digits: &str, point: i32) {
    let length = digits.len() as i32;
    if point <= 0 {
        out.push_str("0.");
        (point..0).for_each(|_| out.push('0'));
        out.push_str(digits);
    } else if point >= length {
        out.push_str(digits);
        (length..point).for_each(|_| out.push('0'));
        out.push_str(".0");
    } else {
        out.push_str(&digits[..point as usize]);
        out.push('.');
        out.push_str(&digits[point as usize..]);
    }
}

/// `BigDecimal.toPlainString`.
#[must_use]
pub fn decimal_text(value: &BigDecimal) -> String {
    value.to_plain_string()
}

/// `Timestamp.toString` in UTC: `yyyy-MM-dd HH:mm:ss.S`, one to nine fraction digits. Before 1582-10-15 dates are Julian,
/// years before the first count upwards again, and the earliest moments wrap around, all as in Java.
#[must_use]
pub fn timestamp_text(millis: i64) -> String {
    let (mut seconds, mut fraction) = (millis / 1000, millis % 1000);
    if fraction < 0 {
        fraction += 1000;
        // Java multiplies by 1000 here, which overflows for the earliest moments.
        seconds = (seconds - 1).wrapping_mul(1000) / 1000;
    }
    let (year, month, day) = java_calendar::date(seconds.div_euclid(86_400));
    let year = if year < 1 { 1 - year } else { year };
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let fraction = format!("{fraction:03}");
    let fraction = fraction.trim_end_matches('0');
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{fraction}")
}

/// Reads a timestamp: milliseconds as digits, `java.sql.Timestamp`'s form, or `yyyy-MM-dd[( |T)HH:mm[:ss][.fraction]][zone]`
/// with every digit in its place.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<i64> {
    if let Ok(millis) = text.parse::<i64>() {
        return Some(millis);
    }
    parse_date(text)
        .or_else(|| parse_sql_timestamp(text.trim()))
        .or_else(|| parse_universal(text))
}

/// `yyyy-MM-dd[( |T)HH:mm[:ss][.fraction]][zone]`, a zone `Z` or `+HH:mm`: a day behind the last of its month is the last,
/// 24:00 the day's end, and a year of more than four digits has a plus.
fn parse_universal(text: &str) -> Option<i64> {
    let (year, rest) = match text.strip_prefix('+') {
        Some(long) => long.split_at_checked(long.find('-').filter(|digits| *digits > 4)?)?,
        None => text.split_at_checked(4)?,
    };
    let year: i32 = digits(year, year.len())?.try_into().ok()?;
    let (month, rest) = digits_behind(rest, '-')?;
    let (day, rest) = digits_behind(rest, '-')?;
    if year < 1 || !(1..=31).contains(&day) {
        return None;
    }
    let month = u32::try_from(month).ok()?;
    let last = (28..=u32::try_from(day).ok()?).rev();
    let date = NaiveDate::from_ymd_opt(year, month, u32::try_from(day).ok()?).or_else(|| {
        last.filter_map(|day| NaiveDate::from_ymd_opt(year, month, day))
            .next()
    })?;
    let (of_day, zone) = match rest.strip_prefix(['T', ' ']) {
        Some(time) => time_of_day(time)?,
        None => (0, rest),
    };
    let midnight = date.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
    Some(midnight + of_day - zone_offset(zone)?)
}

/// Milliseconds of `HH:mm[:ss][.fraction]`, and what stands behind it.
fn time_of_day(text: &str) -> Option<(i64, &str)> {
    let (hour, rest) = text.split_at_checked(2)?;
    let hour = digits(hour, 2)?;
    let (minute, rest) = digits_behind(rest, ':')?;
    let (second, rest) = digits_behind(rest, ':').unwrap_or((0, rest));
    let (nanos, rest) = match rest.strip_prefix('.') {
        Some(behind) => {
            let count = behind.bytes().take_while(u8::is_ascii_digit).count();
            let (fraction, rest) = behind.split_at_checked(count)?;
            (
                count
                    .le(&9)
                    .then(|| digits(&format!("{fraction:0<9}"), 9))??,
                rest,
            )
        }
        None => (0, rest),
    };
    let of_day = (hour * 3600 + minute * 60 + second) * 1000 + nanos / 1_000_000;
    let in_range = hour < 24 || (of_day == 86_400_000 && nanos == 0);
    (in_range && minute < 60 && second < 60).then_some((of_day, rest))
}

/// Milliseconds of a zone: nothing, `Z` or `+HH:mm`.
fn zone_offset(zone: &str) -> Option<i64> {
    let sign = match zone.chars().next() {
        None => return Some(0),
        Some('Z') => return (zone.len() == 1).then_some(0),
        Some('+') => 1,
        Some('-') => -1,
        Some(_) => return None,
    };
    let (hours, rest) = zone.get(1..)?.split_at_checked(2)?;
    let (minutes, rest) = digits_behind(rest, ':')?;
    let offset = digits(hours, 2)? * 60 + minutes;
    (rest.is_empty() && minutes < 60 && offset <= 18 * 60).then_some(sign * offset * 60_000)
}

/// The two digits behind a sign, and what follows.
fn digits_behind(text: &str, sign: char) -> Option<(i64, &str)> {
    let (two, rest) = text.strip_prefix(sign)?.split_at_checked(2)?;
    Some((digits(two, 2)?, rest))
}

/// A number of just so many digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count).then(|| number(text, count))?
}

/// `yyyy-MM-dd` in ten digits and dashes, the form that most dates have; other forms of dates are read elsewhere.
fn parse_date(text: &str) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes() else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u32, |sum, digit| {
            digit
                .is_ascii_digit()
                .then(|| sum * 10 + u32::from(digit - b'0'))
        })
    };
    let year = number(&[y1, y2, y3, y4])?.cast_signed();
    // Years of the era begin with 1.
    if year < 1 {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(year, number(&[m1, m2])?, number(&[d1, d2])?)?;
    Some(date.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
}

/// `java.sql.Timestamp.valueOf`: month 1 to 12 and day 1 to 31, everything beyond the calendar rolls over (February 30 is
/// March 1 or 2, hour 25 is one o'clock of the next day).
fn parse_sql_timestamp(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(' ')?;
    let mut date_parts = date.splitn(3, '-');
    let year = date_parts.next().filter(|year| year.len() == 4)?;
    let year = number(year, 4)?;
    let month = number(date_parts.next()?, 2).filter(|m| (1..=12).contains(m))?;
    let day = number(date_parts.next()?, 2).filter(|d| (1..=31).contains(d))?;
    let (clock, fraction) = time.trim_start().split_once('.').unwrap_or((time, ""));
    let mut clock_parts = clock.splitn(3, ':');
    let hour = number(clock_parts.next()?, 2)?;
    let minute = number(clock_parts.next()?, 2)?;
    let second = number(clock_parts.next()?, 2)?;
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    let midnight = java_calendar::days(year, month, day) * 86_400_000;
    Some(midnight + (hour * 3600 + minute * 60 + second) * 1000 + millis)
}

fn number(text: &str, most_digits: usize) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits && text.len() <= most_digits).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_of_the_calendar() {
        assert_eq!(parse_timestamp("1998-12-01"), Some(912_470_400_000));
        assert_eq!(parse_timestamp("1969-12-31"), Some(-86_400_000));
        assert_eq!(parse_timestamp("1998-02-31"), Some(888_624_000_000));
        assert_eq!(parse_timestamp("+11998-02-01"), Some(316_455_811_200_000));
        for none in [
            "1998-13-01",
            "1998-2-1",
            "98-02-01",
            "11998-02-01",
            "0000-01-01",
            " 1998-02-01",
            "1998-0a-01",
            "1998/02/01",
            "19980-2-01x",
        ] {
            assert_eq!(parse_timestamp(none), None, "{none}");
        }
    }

    #[test]
    fn times_have_two_digits_each_and_a_zone_its_colon() {
        for (text, millis) in [
            ("1998-02-01 01:02", 886_294_920_000),
            ("1998-02-01 01:02.5", 886_294_920_500),
            ("1998-02-30T01:02", 888_627_720_000),
            ("1998-02-01T24:00", 886_377_600_000),
            ("1998-02-01Z", 886_291_200_000),
            ("1998-02-01+05:30", 886_271_400_000),
            ("1998-02-01T01:02:03.123456789+05:30", 886_275_123_123),
            ("1998-02-01 01:02:03+05:30", 886_275_123_000),
            // java.sql.Timestamp's form has digits to spare.
            ("1998-2-1 1:2:3", 886_294_923_000),
        ] {
            assert_eq!(parse_timestamp(text), Some(millis), "{text}");
        }
        for none in [
            "1998-02-01 1:2",
            "1998-02-01T1:02",
            "1998-02-01T01:02:03+05",
            "1998-02-01T01:02:03+0530",
            "1998-02-01T01:02:60",
            "1998-02-01t01:02",
            "1998-02-01T01:02z",
            " 123",
        ] {
            assert_eq!(parse_timestamp(none), None, "{none}");
        }
    }

    #[test]
    fn sql_timestamps_roll_over() {
        assert_eq!(
            parse_timestamp("2024-02-30 00:00:00"),
            Some(1_709_251_200_000)
        );
        assert_eq!(
            parse_timestamp("2024-05-01 25:00:00"),
            Some(1_714_611_600_000)
        );
        assert_eq!(
            parse_timestamp("2024-05-01 00:00:00.1"),
            Some(1_714_521_600_100)
        );
        assert_eq!(parse_timestamp("2024-5-1 1:2:3"), Some(1_714_525_323_000));
    }

    #[test]
    fn large_floats_print_what_they_hold() {
        for (value, text) in [
            (99_999_999_999.0_f32, "9.9999998E10"),
            (1e10, "1.0E10"),
            (16_777_218.0, "1.6777218E7"),
        ] {
            assert_eq!(float_text(value), text);
        }
        assert_eq!(double_text(1e18), "1.0E18");
    }

    #[test]
    fn doubles_print_as_java_does() {
        for (value, text) in [
            (1.0, "1.0"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (100.0, "100.0"),
            (1e7, "1.0E7"),
            (1234567.0, "1234567.0"),
            (12345678.9, "1.23456789E7"),
            (0.001, "0.001"),
            (0.00012, "1.2E-4"),
            (1e10, "1.0E10"),
            (-2.5e-5, "-2.5E-5"),
            (f64::NEG_INFINITY, "-Infinity"),
            (1.7976931348623157e308, "1.7976931348623157E308"),
        ] {
            assert_eq!(double_text(value), text);
        }
        assert_eq!(float_text(0.1), "0.1");
        assert_eq!(float_text(-2_147_483_648.0), "-2.14748365E9");
        assert_eq!(float_text(1_786_676_600_000.0), "1.78667664E12");
        assert_eq!(float_text(0.3), "0.3");
        assert_eq!(float_text(33_554_432.0), "3.3554432E7");
        assert_eq!(double_text(0.1 + 0.2), "0.30000000000000004");
        assert_eq!(double_text(1.0 / 3.0), "0.3333333333333333");
        assert_eq!(double_text(2_f64.powi(60)), "1.15292150460684698E18");
        assert_eq!(double_text(1.0e23), "1.0E23");
        assert_eq!(double_text(2.0e-3), "0.002");
        assert_eq!(double_text(5e-324), "4.9E-324");
    }

    #[test]
    fn far_timestamps_print_as_java_does() {
        for (millis, text) in [
            (i64::MIN, "292278994-08-17 07:12:55.192"),
            (i64::MAX, "292278994-08-17 07:12:55.807"),
            (-5_683_614_640_732_608_531, "180100911-02-16 16:03:11.469"),
            (-12_219_292_800_000, "1582-10-15 00:00:00.0"),
            (-12_219_292_800_001, "1582-10-04 23:59:59.999"),
            (-1, "1969-12-31 23:59:59.999"),
        ] {
            assert_eq!(timestamp_text(millis), text);
        }
        assert_eq!(
            parse_timestamp("1582-10-04 00:00:00"),
            Some(-12_219_379_200_000)
        );
    }

    #[test]
    fn timestamps_read_back() {
        assert_eq!(timestamp_text(0), "1970-01-01 00:00:00.0");
        assert_eq!(timestamp_text(1_786_935_893_953), "2026-08-17 03:04:53.953");
        assert_eq!(
            parse_timestamp("2026-08-17 03:04:53.953"),
            Some(1_786_935_893_953)
        );
        assert_eq!(
            parse_timestamp("2026-08-17T03:04:53.953Z"),
            Some(1_786_935_893_953)
        );
        assert_eq!(parse_timestamp("2026-08-17"), Some(1_786_924_800_000));
        assert_eq!(parse_timestamp("soon"), None);
    }
}
