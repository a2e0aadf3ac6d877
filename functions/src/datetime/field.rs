//! The calendar's fields over local milliseconds: reading, setting and rounding down.
//!
//! Must not know: zones (local time comes in and goes out), patterns.
//! Invariant: a set field reads back the value that was set; values outside its range are an error.

use std::borrow::Cow;

use super::civil::{
    DAY, FIRST_YEAR, HOUR, LAST_YEAR, MINUTE, SECOND, WEEK, date, date_of_day, day_of_date,
    day_of_week, day_of_year, days_in_month, epoch_day, first_week_day, floor_to, is_leap,
    millis_of_day, month_start, week, weeks_in_year, year_start,
};
use crate::FunctionError;

/// A field of local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Era,
    Century,
    Year,
    YearOfEra,
    WeekYear,
    Month,
    DayOfMonth,
    DayOfYear,
    Week,
    DayOfWeek,
    HalfDay,
    HourOfHalf,
    ClockHourOfHalf,
    Hour,
    ClockHour,
    Minute,
    Second,
    Milli,
}

impl Field {
    /// Joda-Time's name of the field, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Era => "era",
            Self::Century => "centuryOfEra",
            Self::Year => "year",
            Self::YearOfEra => "yearOfEra",
            Self::WeekYear => "weekyear",
            Self::Month => "monthOfYear",
            Self::DayOfMonth => "dayOfMonth",
            Self::DayOfYear => "dayOfYear",
            Self::Week => "weekOfWeekyear",
            Self::DayOfWeek => "dayOfWeek",
            Self::HalfDay => "halfdayOfDay",
            Self::HourOfHalf => "hourOfHalfday",
            Self::ClockHourOfHalf => "clockhourOfHalfday",
            Self::Hour => "hourOfDay",
            Self::ClockHour => "clockhourOfDay",
            Self::Minute => "minuteOfHour",
            Self::Second => "secondOfMinute",
            Self::Milli => "millisOfSecond",
        }
    }

    /// Order in which parsed fields are applied: by the length of the range, then of the unit, longest first.
    pub(crate) fn rank(self) -> (u8, u8) {
        match self {
            Self::Era => (0, 0),
            Self::Century => (0, 1),
            Self::Year | Self::YearOfEra | Self::WeekYear => (0, 2),
            Self::Month => (1, 3),
            Self::Week => (1, 4),
            Self::DayOfYear => (1, 5),
            Self::DayOfMonth => (2, 5),
            Self::DayOfWeek => (3, 5),
            Self::HalfDay => (4, 6),
            Self::Hour | Self::ClockHour => (4, 7),
            Self::HourOfHalf | Self::ClockHourOfHalf => (5, 7),
            Self::Minute => (6, 8),
            Self::Second => (7, 9),
            Self::Milli => (8, 10),
        }
    }

    /// True for units from a month to a day: alone they need a year, and get the year 2000.
    pub(crate) fn needs_year(self) -> bool {
        (3..=5).contains(&self.rank().1)
    }

    /// The field's value.
    pub(crate) fn get(self, local: i64) -> i64 {
        let day = epoch_day(local);
        match self {
            Self::Era => i64::from(date_of_day(day).year > 0),
            Self::Century => year_of_era(date_of_day(day).year) / 100,
            Self::Year => date_of_day(day).year,
            Self::YearOfEra => year_of_era(date_of_day(day).year),
            Self::WeekYear => week(day).0,
            Self::Month => date_of_day(day).month,
            Self::DayOfMonth => date_of_day(day).day,
            Self::DayOfYear => day_of_year(day),
            Self::Week => week(day).1,
            // The first day of time, where null LONGs stand by default, is the weekday that Joda-Time's overflow gives.
            Self::DayOfWeek if local < i64::MIN + DAY => 6,
            Self::DayOfWeek => day_of_week(day),
            Self::HalfDay => millis_of_day(local) / (12 * HOUR),
            Self::HourOfHalf => millis_of_day(local) / HOUR % 12,
            Self::ClockHourOfHalf => match millis_of_day(local) / HOUR % 12 {
                0 => 12,
                hour => hour,
            },
            Self::Hour => millis_of_day(local) / HOUR,
            Self::ClockHour => match millis_of_day(local) / HOUR {
                0 => 24,
                hour => hour,
            },
            Self::Minute => millis_of_day(local) / MINUTE % 60,
            Self::Second => millis_of_day(local) / SECOND % 60,
            Self::Milli => local.rem_euclid(SECOND),
        }
    }

    /// The start of the field's unit that a local time lies in.
    pub(crate) fn floor(self, local: i64) -> i64 {
        match self {
            Self::Era | Self::Century => {
                let year = date(local).year;
                year_start(year - year.rem_euclid(100))
            }
            Self::Year | Self::YearOfEra => year_start(date(local).year),
            Self::WeekYear => first_week_day(week(epoch_day(local)).0).wrapping_mul(DAY),
            Self::Month => {
                let date = date(local);
                month_start(date.year, date.month)
            }
            Self::Week => floor_to(local.wrapping_add(3 * DAY), WEEK).wrapping_sub(3 * DAY),
            Self::DayOfMonth | Self::DayOfYear | Self::DayOfWeek => floor_to(local, DAY),
            Self::HalfDay => floor_to(local, 12 * HOUR),
            Self::HourOfHalf | Self::ClockHourOfHalf | Self::Hour | Self::ClockHour => {
                floor_to(local, HOUR)
            }
            Self::Minute => floor_to(local, MINUTE),
            Self::Second => floor_to(local, SECOND),
            Self::Milli => local,
        }
    }

    fn range(self, local: i64, value: i64) -> (i64, i64) {
        let day = epoch_day(local);
        match self {
            Self::Era | Self::HalfDay => (0, 1),
            Self::Century => (0, LAST_YEAR / 100),
            Self::Year | Self::WeekYear => (FIRST_YEAR, LAST_YEAR),
            Self::YearOfEra => (1, LAST_YEAR),
            Self::Month | Self::ClockHourOfHalf => (1, 12),
            Self::DayOfMonth => {
                let date = date_of_day(day);
                let most = if (1..=28).contains(&value) {
                    28
                } else {
                    days_in_month(date.year, date.month)
                };
                (1, most)
            }
            Self::DayOfYear => (1, 365 + i64::from(is_leap(date_of_day(day).year))),
            Self::Week => (1, weeks_in_year(week(day).0)),
            Self::DayOfWeek => (1, 7),
            Self::HourOfHalf => (0, 11),
            Self::Hour => (0, 23),
            Self::ClockHour => (1, 24),
            Self::Minute | Self::Second => (0, 59),
            Self::Milli => (0, 999),
        }
    }

    /// The local time with the field set to a value, smaller fields kept (a day beyond its month becomes the last).
    ///
    /// # Errors
    /// Where the value is outside the field's range.
    pub(crate) fn set(self, local: i64, value: i64) -> Result<i64, FunctionError> {
        let (least, most) = self.range(local, value);
        if !(least..=most).contains(&value) {
            return Err(FunctionError::Evaluation(format!(
                "Value {value} for {} must be in the range [{least},{most}]",
                self.name()
            )));
        }
        let day = epoch_day(local);
        let time = millis_of_day(local);
        let at = |day: i64, time: i64| day.wrapping_mul(DAY).wrapping_add(time);
        let now = date_of_day(day);
        Ok(match self {
            Self::Era => {
                let year = if (now.year > 0) == (value == 1) {
                    now.year
                } else {
                    1 - now.year
                };
                at(moved(year, now.month, now.day), time)
            }
            Self::Century => at(
                moved(
                    value * 100 + year_of_era(now.year) % 100,
                    now.month,
                    now.day,
                ),
                time,
            ),
            Self::Year => at(moved(value, now.month, now.day), time),
            Self::YearOfEra => {
                let year = if now.year > 0 { value } else { 1 - value };
                at(moved(year, now.month, now.day), time)
            }
            Self::WeekYear => {
                let number = week(day).1.min(weeks_in_year(value));
                at(
                    first_week_day(value) + (number - 1) * 7 + day_of_week(day) - 1,
                    time,
                )
            }
            Self::Month => at(moved(now.year, value, now.day), time),
            Self::DayOfMonth => at(day + value - now.day, time),
            Self::DayOfYear => at(day + value - day_of_year(day), time),
            Self::Week => at(day + (value - week(day).1) * 7, time),
            Self::DayOfWeek => at(day + value - day_of_week(day), time),
            Self::ClockHour | Self::ClockHourOfHalf => {
                let range = if self == Self::ClockHour { 24 } else { 12 };
                local.wrapping_add((value % range - self.get(local) % range) * HOUR)
            }
            Self::HalfDay => local.wrapping_add((value - self.get(local)) * 12 * HOUR),
            Self::HourOfHalf | Self::Hour => local.wrapping_add((value - self.get(local)) * HOUR),
            Self::Minute => local.wrapping_add((value - self.get(local)) * MINUTE),
            Self::Second => local.wrapping_add((value - self.get(local)) * SECOND),
            Self::Milli => local.wrapping_add(value - self.get(local)),
        })
    }
}

fn year_of_era(year: i64) -> i64 {
    if year > 0 { year } else { 1 - year }
}

/// The day of a date whose day may lie beyond its month.
fn moved(year: i64, month: i64, day: i64) -> i64 {
    day_of_date(year, month, day.min(days_in_month(year, month)))
}

static MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
static DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// The text of a field's value, long or abbreviated; of a field without names its number.
pub(crate) fn text(field: Field, value: i64, long: bool) -> Cow<'static, str> {
    let name = match field {
        Field::Month => MONTHS.get((value - 1) as usize),
        Field::DayOfWeek => DAYS.get((value - 1) as usize),
        Field::HalfDay => ["AM", "PM"].get(value as usize),
        Field::Era => ["BC", "AD"].get(value as usize),
        _ => None,
    };
    match name {
        Some(name) if long => Cow::Borrowed(name),
        Some(name) => Cow::Borrowed(name.get(..3).unwrap_or(name)),
        None => Cow::Owned(value.to_string()),
    }
}

/// The value whose name begins a text (in any case), and the length of that name; the longest name wins.
pub(crate) fn value_of_text(field: Field, rest: &str) -> Option<(i64, usize)> {
    let (names, first): (&[&str], i64) = match field {
        Field::Month => (&MONTHS, 1),
        Field::DayOfWeek => (&DAYS, 1),
        Field::HalfDay => (&["AM", "PM"], 0),
        Field::Era => (&["BC", "AD", "BCE", "CE"], 0),
        _ => return None,
    };
    let begins = |name: &str| {
        rest.get(..name.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(name))
    };
    let mut best = None;
    for (value, name) in (first..).zip(names) {
        let value = if field == Field::Era {
            value % 2
        } else {
            value
        };
        for candidate in [name, name.get(..3).unwrap_or(name)] {
            if begins(candidate) && best.is_none_or(|(_, length)| length < candidate.len()) {
                best = Some((value, candidate.len()));
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_reads_back() -> Result<(), FunctionError> {
        let local = 1_541_300_400_123;
        for (field, value) in [
            (Field::Year, 2024),
            (Field::Month, 2),
            (Field::DayOfMonth, 28),
            (Field::WeekYear, 2020),
            (Field::Week, 9),
            (Field::DayOfWeek, 7),
            (Field::DayOfYear, 365),
            (Field::ClockHour, 24),
            (Field::ClockHourOfHalf, 12),
            (Field::HalfDay, 1),
            (Field::Milli, 7),
            (Field::Century, 19),
        ] {
            let set = field.set(local, value)?;
            assert_eq!(field.get(set), value, "{}", field.name());
        }
        let february = day_of_date(2025, 2, 1) * DAY;
        let wrong = Field::DayOfMonth
            .set(february, 30)
            .map_err(|e| e.to_string());
        assert_eq!(
            wrong,
            Err("Value 30 for dayOfMonth must be in the range [1,28]".to_owned())
        );
        Ok(())
    }

    #[test]
    fn names() {
        assert_eq!(value_of_text(Field::Month, "dec 2025"), Some((12, 3)));
        assert_eq!(value_of_text(Field::Month, "MARCHx"), Some((3, 5)));
        assert_eq!(value_of_text(Field::HalfDay, "pm"), Some((1, 2)));
        assert_eq!(value_of_text(Field::DayOfWeek, "x"), None);
        assert_eq!(text(Field::DayOfWeek, 1, false), "Mon");
    }
}
