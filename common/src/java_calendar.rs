//! Java's calendar: Gregorian from 1582-10-15 on, Julian before.
//!
//! Must not know: times of day, zones. Invariant: [`days`] of what [`date`] answers is the day again; years before the
//! first are 0, -1 and so on.

/// 1582-10-15, in days since the epoch.
const CUTOVER: i64 = -141_427;

/// Year, month and day of a day since the epoch.
#[must_use]
pub(crate) fn date(days: i64) -> (i64, i64, i64) {
    if days >= CUTOVER {
        // Years begin in March, so that the leap day is the last of four hundred years.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        return from_march(year + era * 400, of_year);
    }
    let shifted = days + 719_470;
    let year = (4 * i128::from(shifted) + 3).div_euclid(1461) as i64;
    let of_year = shifted - (1461 * i128::from(year)).div_euclid(4) as i64;
    from_march(year, of_year)
}

fn from_march(year: i64, day_of_year: i64) -> (i64, i64, i64) {
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + i64::from(month <= 2), month, day)
}

/// The day since the epoch of a year (below ten thousand), month and day; days beyond the month roll over.
#[must_use]
pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let julian = year * 365 + year.div_euclid(4) + of_year - 719_470;
    let gregorian = julian - year.div_euclid(100) + year.div_euclid(400) + 2;
    if gregorian >= CUTOVER {
        gregorian
    } else {
        julian
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(CUTOVER), (1582, 10, 15));
        assert_eq!(date(CUTOVER - 1), (1582, 10, 4));
        for day in (-800_000..2_000_000).step_by(97) {
            let (year, month, of_month) = date(day);
            assert_eq!(
                days(year, month, of_month),
                day,
                "{year}-{month}-{of_month}"
            );
        }
    }
}
