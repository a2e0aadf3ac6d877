//! The units of DATETRUNC, TIMESTAMPADD and TIMESTAMPDIFF.
//!
//! Must not know: columns. Invariant: without a zone every operation is integer arithmetic alone.

use super::civil::{
    DAY, FIRST_YEAR, HOUR, LAST_YEAR, MINUTE, SECOND, WEEK, date, day_of_date, days_in_month,
    floor_to, is_leap, millis_of_day, month_start, year_start,
};
use super::field::Field;
use super::zone::Zone;
use crate::FunctionError;

/// A unit of a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampUnit {
    /// 10^-3 s.
    Millisecond,
    /// 1 s.
    Second,
    /// 60 s.
    Minute,
    /// 60 minutes.
    Hour,
    /// A calendar day.
    Day,
    /// An ISO week, from Monday.
    Week,
    /// A calendar month.
    Month,
    /// Three calendar months.
    Quarter,
    /// A calendar year.
    Year,
}

fn overflow<T>() -> Result<T, FunctionError> {
    Err(FunctionError::Evaluation(
        "The calculation caused an overflow".to_owned(),
    ))
}

impl TimestampUnit {
    /// The unit of a name in any case.
    ///
    /// # Errors
    /// Where there is none.
    pub fn parse(name: &str) -> Result<Self, FunctionError> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "millisecond" => Self::Millisecond,
            "second" => Self::Second,
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "quarter" => Self::Quarter,
            "year" => Self::Year,
            _ => {
                return Err(FunctionError::Evaluation(format!(
                    "'{name}' is not a valid Timestamp field"
                )));
            }
        })
    }

    /// Milliseconds of a unit that has always as many; `None` for months and longer.
    fn precise(self) -> Option<i64> {
        Some(match self {
            Self::Millisecond => 1,
            Self::Second => SECOND,
            Self::Minute => MINUTE,
            Self::Hour => HOUR,
            Self::Day => DAY,
            Self::Week => WEEK,
            Self::Month | Self::Quarter | Self::Year => return None,
        })
    }

    /// The start of the unit in which an instant lies, in universal time.
    #[inline]
    #[must_use]
    pub fn truncate_utc(self, millis: i64) -> i64 {
        match self {
            Self::Millisecond => millis,
            Self::Second => floor_to(millis, SECOND),
            Self::Minute => floor_to(millis, MINUTE),
            Self::Hour => floor_to(millis, HOUR),
            Self::Day => floor_to(millis, DAY),
            Self::Week => floor_to(millis.wrapping_add(3 * DAY), WEEK).wrapping_sub(3 * DAY),
            Self::Month => {
                let date = date(millis);
                month_start(date.year, date.month)
            }
            Self::Quarter => {
                let date = date(millis);
                month_start(date.year, (date.month - 1) / 3 * 3 + 1)
            }
            Self::Year => year_start(date(millis).year),
        }
    }

    /// The start of the unit in which an instant lies, in the local time of a zone.
    ///
    /// # Errors
    /// Where local time does not fit.
    pub fn truncate(self, millis: i64, zone: &Zone) -> Result<i64, FunctionError> {
        if zone.is_utc() {
            return Ok(self.truncate_utc(millis));
        }
        match self {
            // Below half a day the offset in force at the instant counts, so that both hours of an overlap stay apart.
            Self::Millisecond | Self::Second | Self::Minute | Self::Hour => {
                let offset = zone.to_local(millis)?.wrapping_sub(millis);
                Ok(self
                    .truncate_utc(millis.wrapping_add(offset))
                    .wrapping_sub(offset))
            }
            Self::Quarter => {
                let local = zone.to_local(millis)?;
                let first = (Field::Month.get(local) - 1) / 3 * 3 + 1;
                let inside = zone.instant_near(Field::Month.set(local, first)?, millis)?;
                Self::Month.truncate(inside, zone)
            }
            _ => zone.instant_near(self.truncate_utc(zone.to_local(millis)?), millis),
        }
    }

    /// An instant so many units later, in universal time; a day beyond its month becomes the month's last.
    ///
    /// # Errors
    /// Where the result does not fit.
    pub fn add(self, millis: i64, count: i64) -> Result<i64, FunctionError> {
        let months = match self {
            Self::Month => Some(count),
            Self::Quarter => count.checked_mul(3),
            Self::Year => count.checked_mul(12),
            _ => {
                let unit = self.precise().unwrap_or(1);
                let sum = count
                    .checked_mul(unit)
                    .and_then(|span| millis.checked_add(span));
                return sum.map_or_else(overflow, Ok);
            }
        };
        let date = date(millis);
        let Some(total) = months.and_then(|m| m.checked_add(date.year * 12 + date.month - 1))
        else {
            return overflow();
        };
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
        if !(FIRST_YEAR..=LAST_YEAR).contains(&year) {
            return Err(FunctionError::Evaluation(format!(
                "Value {year} for year must be in the range [{FIRST_YEAR},{LAST_YEAR}]"
            )));
        }
        let day = date.day.min(days_in_month(year, month));
        Ok(day_of_date(year, month, day) * DAY + millis_of_day(millis))
    }

    /// Whole units from the second instant to the first, in universal time.
    ///
    /// # Errors
    /// Where the difference does not fit.
    pub fn difference(self, later: i64, earlier: i64) -> Result<i64, FunctionError> {
        if let Some(unit) = self.precise() {
            return later
                .checked_sub(earlier)
                .map_or_else(overflow, |span| Ok(span / unit));
        }
        if later < earlier {
            return Ok(-self.difference(earlier, later)?);
        }
        Ok(match self {
            Self::Year => years_between(later, earlier),
            Self::Quarter => months_between(later, earlier) / 3,
            _ => months_between(later, earlier),
        })
    }
}

fn months_between(later: i64, earlier: i64) -> i64 {
    let (a, b) = (date(later), date(earlier));
    let months = (a.year - b.year) * 12 + a.month - b.month;
    // The last day of a month is reached from any later day of the other month.
    let day = if a.day == days_in_month(a.year, a.month) {
        b.day.min(a.day)
    } else {
        b.day
    };
    let rest_a = (a.day, millis_of_day(later));
    let rest_b = (day, millis_of_day(earlier));
    months - i64::from(rest_a < rest_b)
}

fn years_between(later: i64, earlier: i64) -> i64 {
    const FEBRUARY_29: i64 = 59 * DAY;
    let (a, b) = (date(later).year, date(earlier).year);
    let mut rest_a = later.wrapping_sub(year_start(a));
    let mut rest_b = earlier.wrapping_sub(year_start(b));
    if rest_b >= FEBRUARY_29 {
        if is_leap(b) {
            if !is_leap(a) {
                rest_b -= DAY;
            }
        } else if rest_a >= FEBRUARY_29 && is_leap(a) {
            rest_a -= DAY;
        }
    }
    a - b - i64::from(rest_a < rest_b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_truncations() -> Result<(), FunctionError> {
        use TimestampUnit::{Day, Hour, Month, Quarter, Second, Week, Year};
        let paulo = Zone::parse("America/Sao_Paulo")?;
        for (unit, millis, truncated) in [
            (Second, -86_400_001, -86_401_000),
            (Hour, 1_519_000_200_000, 1_518_998_400_000),
            (Day, 1_541_300_400_000, 1_541_300_400_000),
            (Week, -86_400_001, -248_400_000),
            (Week, 1_541_300_400_000, 1_540_782_000_000),
            (Month, 1_541_300_400_000, 1_541_041_200_000),
            (Quarter, 1_541_300_400_000, 1_538_362_800_000),
            (Quarter, 1_519_000_200_000, 1_514_772_000_000),
            (Year, 1_519_000_200_000, 1_514_772_000_000),
        ] {
            assert_eq!(
                unit.truncate(millis, &paulo)?,
                truncated,
                "{unit:?} {millis}"
            );
        }
        assert_eq!(Week.truncate_utc(0), -259_200_000);
        assert_eq!(Quarter.truncate_utc(-1), -7_948_800_000);
        assert_eq!(Year.truncate_utc(-1), -31_536_000_000);
        Ok(())
    }

    #[test]
    fn recorded_sums_and_differences() -> Result<(), FunctionError> {
        use TimestampUnit::{Day, Month, Quarter, Year};
        assert_eq!(Year.add(1_709_164_800_000, 1)?, 1_740_700_800_000);
        assert_eq!(Month.add(1_706_659_200_000, -1)?, 1_703_980_800_000);
        assert_eq!(Month.add(-1, 12)?, 31_535_999_999);
        assert_eq!(Quarter.add(1_709_164_800_001, 2)?, 1_724_889_600_001);
        assert_eq!(Month.difference(1_764_547_200_123, 1_709_164_800_000)?, 21);
        assert_eq!(
            Quarter.difference(1_709_164_800_000, 1_764_547_200_123)?,
            -7
        );
        assert_eq!(Year.difference(1_764_547_200_123, 1_709_164_800_000)?, 1);
        assert_eq!(Day.difference(1_764_547_200_000, 1_709_164_800_001)?, 640);
        assert!(Day.add(i64::MAX, 1).is_err());
        assert!(Year.add(0, i64::MAX).is_err());
        assert!(Month.difference(i64::MAX, i64::MIN).is_ok());
        Ok(())
    }
}
