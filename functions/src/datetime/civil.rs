//! The proleptic Gregorian (ISO) calendar over milliseconds: plain integer arithmetic, no allocation.
//!
//! Must not know: zones, patterns.
//! Invariant: every function is total over `i64`; sums wrap where Java's would.

/// Milliseconds of a second.
pub const SECOND: i64 = 1_000;
/// Milliseconds of a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Milliseconds of an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Milliseconds of a day.
pub const DAY: i64 = 24 * HOUR;
/// Milliseconds of a week.
pub const WEEK: i64 = 7 * DAY;

/// The earliest year that has a date.
pub const FIRST_YEAR: i64 = -292_275_054;
/// The last year that has a date.
pub const LAST_YEAR: i64 = 292_278_993;

/// Days from 1 March of the year 0 to the epoch.
const TO_YEAR_0: i64 = 719_468;
/// Up to this year 32 bits are enough.
const NEAR_YEARS: i64 = 1 << 20;

/// A date: year (0 is 1 BC), month 1 to 12, day 1 to 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// Year.
    pub year: i64,
    /// Month of the year, from 1.
    pub month: i64,
    /// Day of the month, from 1.
    pub day: i64,
}

/// Days since the epoch of an instant.
#[inline]
#[must_use]
pub fn epoch_day(millis: i64) -> i64 {
    millis.div_euclid(DAY)
}

/// Milliseconds since midnight.
#[inline]
#[must_use]
pub fn millis_of_day(millis: i64) -> i64 {
    millis.rem_euclid(DAY)
}

/// Days since the epoch of a date; `month` and `day` may lie outside their ranges by little.
#[inline]
#[must_use]
pub fn day_of_date(year: i64, month: i64, day: i64) -> i64 {
    if (1..=NEAR_YEARS).contains(&year) && (1..=12).contains(&month) {
        // Multiplications instead of divisions, in 32 bits: years begin in March, months are 30.6 days long.
        let before_march = month <= 2;
        let year = year as u32 - u32::from(before_march);
        let month = month as u32 + if before_march { 12 } else { 0 };
        let century = year / 100;
        let days = 1_461 * year / 4 - century + century / 4 + (979 * month - 2_919) / 32;
        return i64::from(days) + day - 1 - TO_YEAR_0;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - TO_YEAR_0
}

/// The date of days since the epoch.
#[inline]
#[must_use]
pub fn date_of_day(day: i64) -> Date {
    if (-TO_YEAR_0..=NEAR_YEARS * 365).contains(&day) {
        return near_date((day + TO_YEAR_0) as u32);
    }
    let shifted = day + TO_YEAR_0;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted - era * 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let month = if month_shifted < 10 {
        month_shifted + 3
    } else {
        month_shifted - 9
    };
    Date {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * month_shifted + 2) / 5 + 1,
    }
}

/// The date of days since 1 March of the year 0: Neri and Schneider's divisions by multiplication, in 32 bits.
#[inline]
fn near_date(days: u32) -> Date {
    let quarters = 4 * days + 3;
    let century = quarters / 146_097;
    let in_century = quarters % 146_097 / 4;
    let product = 2_939_745 * u64::from(4 * in_century + 3);
    let year_of_century = (product >> 32) as u32;
    let day_of_year = (product as u32) / 2_939_745 / 4;
    let months = 2_141 * day_of_year + 197_913;
    let next_year = day_of_year >= 306;
    let month = (months >> 16) - if next_year { 12 } else { 0 };
    Date {
        year: i64::from(100 * century + year_of_century + u32::from(next_year)),
        month: i64::from(month),
        day: i64::from((months & 0xFFFF) / 2_141 + 1),
    }
}

/// The date of an instant.
#[inline]
#[must_use]
pub fn date(millis: i64) -> Date {
    date_of_day(epoch_day(millis))
}

/// True where February has 29 days.
#[inline]
#[must_use]
pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Number of days of a month.
#[inline]
#[must_use]
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// First instant of a month.
#[inline]
#[must_use]
pub fn month_start(year: i64, month: i64) -> i64 {
    day_of_date(year, month, 1).wrapping_mul(DAY)
}

/// First instant of a year.
#[inline]
#[must_use]
pub fn year_start(year: i64) -> i64 {
    month_start(year, 1)
}

/// Day of the week, Monday 1 to Sunday 7.
#[inline]
#[must_use]
pub fn day_of_week(day: i64) -> i64 {
    (day + 3).rem_euclid(7) + 1
}

/// Day of the year, from 1.
#[inline]
#[must_use]
pub fn day_of_year(day: i64) -> i64 {
    let year = date_of_day(day).year;
    day - day_of_date(year, 1, 1) + 1
}

/// ISO week-year and week of a day.
#[inline]
#[must_use]
pub fn week(day: i64) -> (i64, i64) {
    let thursday = day - day_of_week(day) + 4;
    let year = date_of_day(thursday).year;
    (year, (thursday - day_of_date(year, 1, 1)) / 7 + 1)
}

/// The Monday of the first ISO week of a week-year.
#[must_use]
pub fn first_week_day(week_year: i64) -> i64 {
    let fourth = day_of_date(week_year, 1, 4);
    fourth - day_of_week(fourth) + 1
}

/// Number of ISO weeks of a week-year.
#[must_use]
pub fn weeks_in_year(week_year: i64) -> i64 {
    (first_week_day(week_year + 1) - first_week_day(week_year)) / 7
}

/// The start of the unit that an instant lies in, counted from the epoch; wraps at the ends of time.
#[inline]
#[must_use]
pub fn floor_to(millis: i64, unit: i64) -> i64 {
    millis.wrapping_sub(millis.rem_euclid(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_days_agree() {
        let mut last = date_of_day(-1_000_001);
        for day in -1_000_000..1_000_000 {
            let date = date_of_day(day);
            assert_eq!(day_of_date(date.year, date.month, date.day), day);
            let follows = date.day == last.day + 1
                || date.day == 1 && last.day == days_in_month(last.year, last.month);
            assert!(follows, "{last:?} {date:?}");
            last = date;
        }
        let edge = NEAR_YEARS * 365;
        for day in (edge - 500..edge + 500).chain(383_000_000..383_010_000) {
            let date = date_of_day(day);
            assert_eq!(day_of_date(date.year, date.month, date.day), day);
        }
        assert_eq!(
            date(i64::MIN),
            Date {
                year: -292_275_055,
                month: 5,
                day: 16
            }
        );
        assert_eq!(
            date(i64::MAX),
            Date {
                year: 292_278_994,
                month: 8,
                day: 17
            }
        );
    }

    #[test]
    fn iso_weeks() {
        let of = |millis: i64| week(epoch_day(millis));
        assert_eq!(of(-1), (1970, 1));
        assert_eq!(of(1_735_689_599_999), (2025, 1));
        assert_eq!(of(1_609_459_200_000), (2020, 53));
        assert_eq!(of(1_709_164_800_000), (2024, 9));
        assert_eq!(day_of_week(epoch_day(-86_400_001)), 2);
        assert_eq!(weeks_in_year(2020), 53);
    }
}
