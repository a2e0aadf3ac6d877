//! Time zones: offsets, and how a local time inside a gap or an overlap becomes an instant.
//!
//! Joda-Time's rules: names of the zone database in any case, `UTC`, `GMT`, `Z`, and fixed offsets (`+03:00`, `UTC-3`).
//! Must not know: dates beyond what the 28-year cycle of rules needs.
//! Invariant: a zone's offsets and transitions are tabled once per process; look-ups do not allocate.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{OffsetName, TZ_VARIANTS, Tz};

use super::civil::{DAY, HOUR, MINUTE, date, day_of_date, day_of_week, epoch_day, is_leap};
use crate::FunctionError;

/// A time zone.
#[derive(Debug, Clone)]
pub struct Zone(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Fixed { id: Arc<str>, offset_ms: i64 },
    Named(Arc<Table>),
}

/// The offsets of a zone of the database.
#[derive(Debug)]
struct Table {
    id: String,
    zone: Tz,
    /// The offset before the first transition.
    first_ms: i64,
    /// Instants at which an offset begins, ascending.
    starts: Vec<i64>,
    /// The offsets that begin there.
    offsets_ms: Vec<i64>,
}

/// The instants between which the database is read; before, local mean time holds, after, years repeat.
const FIRST_DAY: i64 = -54_786; // 1820-01-01
const REPEATS_FROM_YEAR: i64 = 2_070;
const REPEATS_TO_YEAR: i64 = 2_097;

fn overflow<T>(doing: &str) -> Result<T, FunctionError> {
    Err(FunctionError::Evaluation(format!(
        "{doing} time zone offset caused overflow"
    )))
}

impl Zone {
    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self(Kind::Fixed {
            id: Arc::from("UTC"),
            offset_ms: 0,
        })
    }

    /// The zone of a name.
    ///
    /// # Errors
    /// Where no zone has that name.
    pub fn parse(id: &str) -> Result<Self, FunctionError> {
        Self::find(id).ok_or_else(|| {
            FunctionError::Evaluation(format!("The datetime zone id '{id}' is not recognised"))
        })
    }

    /// The zone of a name, or none.
    #[must_use]
    pub fn find(id: &str) -> Option<Self> {
        if id.eq_ignore_ascii_case("UTC") || matches!(id, "UT" | "GMT" | "Z" | "Etc/UTC") {
            return Some(Self::utc());
        }
        if let Some(zone) = named(id) {
            return Some(Self(Kind::Named(table(zone))));
        }
        let digits = ["UTC", "GMT", "UT"]
            .iter()
            .find_map(|prefix| id.strip_prefix(prefix))
            .unwrap_or(id);
        fixed(digits).map(|offset_ms| {
            if offset_ms == 0 {
                return Self::utc();
            }
            let mut id = String::new();
            write_offset(&mut id, offset_ms, true);
            Self(Kind::Fixed {
                id: Arc::from(id),
                offset_ms,
            })
        })
    }

    /// True where local time is universal time, so that no conversion is needed.
    #[inline]
    #[must_use]
    pub fn is_utc(&self) -> bool {
        matches!(self.0, Kind::Fixed { offset_ms: 0, .. })
    }

    /// The name.
    #[must_use]
    pub fn id(&self) -> &str {
        match &self.0 {
            Kind::Fixed { id, .. } => id,
            Kind::Named(table) => &table.id,
        }
    }

    /// Offset from universal time at an instant, in milliseconds.
    #[inline]
    #[must_use]
    pub fn offset_ms(&self, instant: i64) -> i64 {
        match &self.0 {
            Kind::Fixed { offset_ms, .. } => *offset_ms,
            Kind::Named(table) => table.offset(instant),
        }
    }

    /// Local milliseconds of an instant.
    ///
    /// # Errors
    /// Where they do not fit.
    #[inline]
    pub fn to_local(&self, instant: i64) -> Result<i64, FunctionError> {
        match instant.checked_add(self.offset_ms(instant)) {
            Some(local) => Ok(local),
            None => overflow("Adding"),
        }
    }

    /// The instant of local milliseconds that came from `original` by a change of fields: keeps its offset where that is
    /// possible, and takes a time inside a gap as if the clock had not jumped.
    ///
    /// # Errors
    /// Where it does not fit.
    pub fn instant_near(&self, local: i64, original: i64) -> Result<i64, FunctionError> {
        let offset = self.offset_ms(original);
        match local.checked_sub(offset) {
            Some(instant) if self.offset_ms(instant) == offset => Ok(instant),
            _ => self.instant_lenient(local),
        }
    }

    /// The instant of local milliseconds; the earlier one of an overlap, and inside a gap as if the clock had not jumped.
    fn instant_lenient(&self, local: i64) -> Result<i64, FunctionError> {
        let assumed = self.offset_ms(local);
        let mut offset = self.offset_ms(local.wrapping_sub(assumed));
        if assumed != offset && assumed < 0 {
            let a = self.next_transition(local.wrapping_sub(assumed));
            let b = self.next_transition(local.wrapping_sub(offset));
            if a != b {
                offset = assumed;
            }
        }
        match local.checked_sub(offset) {
            Some(instant) => Ok(instant),
            None => overflow("Subtracting"),
        }
    }

    /// The instant of local milliseconds that were read from text; `None` inside a gap.
    #[must_use]
    pub fn instant_strict(&self, local: i64) -> Option<i64> {
        let offset = self.offset_of_local(local);
        let instant = local.checked_sub(offset)?;
        (self.offset_ms(instant) == offset).then_some(instant)
    }

    fn offset_of_local(&self, local: i64) -> i64 {
        let assumed = self.offset_ms(local);
        let adjusted = local.wrapping_sub(assumed);
        let offset = self.offset_ms(adjusted);
        if assumed != offset {
            if assumed < offset {
                let a = self.next_transition(adjusted);
                let b = self.next_transition(local.wrapping_sub(offset));
                if a != b {
                    return assumed;
                }
            }
        } else if assumed >= 0 {
            let previous = self.previous_transition(adjusted);
            if previous < adjusted {
                let before = self.offset_ms(previous);
                if adjusted.wrapping_sub(previous) <= before - assumed {
                    return before;
                }
            }
        }
        offset
    }

    /// The next instant at which another offset begins; the greatest number without one.
    fn next_transition(&self, instant: i64) -> i64 {
        match &self.0 {
            Kind::Fixed { .. } => i64::MAX,
            Kind::Named(table) => {
                let shift = table.shift(instant);
                let at = table
                    .starts
                    .partition_point(|s| *s <= instant.wrapping_sub(shift));
                table
                    .starts
                    .get(at)
                    .map_or(i64::MAX, |s| s.wrapping_add(shift))
            }
        }
    }

    /// The last millisecond of the offset before the one in force; `instant` itself without one.
    fn previous_transition(&self, instant: i64) -> i64 {
        match &self.0 {
            Kind::Fixed { .. } => instant,
            Kind::Named(table) => {
                let shift = table.shift(instant);
                let at = table
                    .starts
                    .partition_point(|s| *s <= instant.wrapping_sub(shift));
                at.checked_sub(1)
                    .and_then(|i| table.starts.get(i))
                    .map_or(instant, |s| s.wrapping_add(shift).wrapping_sub(1))
            }
        }
    }

    /// The abbreviation in force at an instant (`UTC`, `EST`), or the offset where the zone has none.
    #[must_use]
    pub fn short_name(&self, instant: i64) -> String {
        match &self.0 {
            Kind::Fixed { id, .. } => id.to_string(),
            Kind::Named(table) => table.short_name(instant),
        }
    }
}

impl Table {
    #[inline]
    fn offset(&self, instant: i64) -> i64 {
        let instant = instant.wrapping_sub(self.shift(instant));
        match self.starts.partition_point(|s| *s <= instant) {
            0 => self.first_ms,
            at => self.offsets_ms[at - 1],
        }
    }

    /// How far beyond the table an instant lies, in whole years of the same shape; 0 within.
    #[inline]
    fn shift(&self, instant: i64) -> i64 {
        const LAST: i64 = 4_039_372_800_000; // 2098-01-01
        if instant < LAST || self.starts.last().is_none_or(|s| *s < LAST - 731 * DAY) {
            return 0;
        }
        let year = date(instant).year;
        let weekday = day_of_week(day_of_date(year, 1, 1));
        let like = (REPEATS_FROM_YEAR..=REPEATS_TO_YEAR)
            .find(|y| is_leap(*y) == is_leap(year) && day_of_week(day_of_date(*y, 1, 1)) == weekday)
            .unwrap_or(REPEATS_TO_YEAR);
        (day_of_date(year, 1, 1) - day_of_date(like, 1, 1)).wrapping_mul(DAY)
    }

    fn short_name(&self, instant: i64) -> String {
        let within = instant.wrapping_sub(self.shift(instant));
        let day = epoch_day(within).clamp(FIRST_DAY, 47_000);
        let time = DateTime::from_timestamp_millis(if day == epoch_day(within) {
            within
        } else {
            day * DAY
        })
        .unwrap_or_default();
        let offset = self.zone.offset_from_utc_datetime(&time.naive_utc());
        let name = offset.abbreviation().unwrap_or_default();
        if name.starts_with(char::is_alphabetic) {
            return name.to_owned();
        }
        let offset_ms = self.offset(instant);
        let usual = super::zone_names::short_name(&self.id, offset_ms, self.standard(instant));
        usual.map_or_else(
            || {
                let mut text = String::new();
                write_offset(&mut text, offset_ms, true);
                text
            },
            str::to_owned,
        )
    }

    /// The smaller of the offsets around an instant: standard time where the other is daylight saving.
    fn standard(&self, instant: i64) -> i64 {
        let half_year = 182 * DAY;
        self.offset(instant)
            .min(self.offset(instant.saturating_add(half_year)))
            .min(self.offset(instant.saturating_sub(half_year)))
    }
}

fn named(id: &str) -> Option<Tz> {
    id.parse().ok().or_else(|| {
        TZ_VARIANTS
            .iter()
            .copied()
            .find(|tz| tz.name().eq_ignore_ascii_case(id))
    })
}

fn table(zone: Tz) -> Arc<Table> {
    static TABLES: RwLock<Option<HashMap<Tz, Arc<Table>>>> = RwLock::new(None);
    let known = TABLES.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(table) = known.as_ref().and_then(|tables| tables.get(&zone)) {
        return Arc::clone(table);
    }
    drop(known);
    let table = Arc::new(scan(zone));
    TABLES
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert_default()
        .insert(zone, Arc::clone(&table));
    table
}

/// Reads a zone's transitions day by day, then to the second.
fn scan(zone: Tz) -> Table {
    let at = |second: i64| {
        let time = DateTime::from_timestamp(second, 0).unwrap_or_default();
        i64::from(
            zone.offset_from_utc_datetime(&time.naive_utc())
                .fix()
                .local_minus_utc(),
        ) * 1_000
    };
    let end_day = day_of_date(REPEATS_TO_YEAR + 2, 1, 1);
    let first_ms = at(FIRST_DAY * 86_400);
    let mut table = Table {
        id: zone.name().to_owned(),
        zone,
        first_ms,
        starts: Vec::new(),
        offsets_ms: Vec::new(),
    };
    let mut last = first_ms;
    for day in FIRST_DAY..end_day {
        let (from, to) = (day * 86_400, (day + 1) * 86_400);
        let next = at(to);
        if next == last {
            continue;
        }
        let (mut low, mut high) = (from, to);
        while high - low > 1 {
            let middle = low.midpoint(high);
            if at(middle) == last {
                low = middle
            } else {
                high = middle
            }
        }
        table.starts.push(high * 1_000);
        table.offsets_ms.push(next);
        last = next;
    }
    table
}

/// A fixed offset: `+3`, `-03`, `+0300`, `+03:00`, `+03:00:15`.
fn fixed(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let digits: String = rest.chars().filter(|c| *c != ':').collect();
    if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = if digits.len() == 1 {
        format!("0{digits}")
    } else {
        digits
    };
    let part = |i: usize| -> Option<i64> {
        match digits.get(i..i + 2) {
            Some(pair) => pair.parse().ok(),
            None => (digits.len() <= i).then_some(0),
        }
    };
    let (hours, minutes, seconds) = (part(0)?, part(2)?, part(4)?);
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    Some(sign * (hours * HOUR + minutes * MINUTE + seconds * 1_000))
}

/// Writes `+0300` or `+03:00`; seconds only where there are some and the separator is asked for (zone names).
pub(crate) fn write_offset(out: &mut String, offset_ms: i64, separator: bool) {
    out.push(if offset_ms < 0 { '-' } else { '+' });
    let offset = offset_ms.abs();
    super::write_padded(out, offset / HOUR, 2);
    if separator {
        out.push(':');
    }
    super::write_padded(out, offset / MINUTE % 60, 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_offsets() -> Result<(), FunctionError> {
        let paulo = Zone::parse("america/sao_paulo")?;
        assert_eq!(paulo.id(), "America/Sao_Paulo");
        assert_eq!(paulo.offset_ms(1_541_300_400_000), -2 * HOUR);
        assert_eq!(paulo.offset_ms(1_764_547_200_000), -3 * HOUR);
        assert_eq!(
            Zone::parse("Asia/Kolkata")?.offset_ms(i64::MIN) / MINUTE % 60,
            53
        );
        assert_eq!(Zone::parse("+03:00")?.offset_ms(0), 3 * HOUR);
        assert_eq!(Zone::parse("UTC-3")?.id(), "-03:00");
        assert_eq!(Zone::parse("EST")?.offset_ms(0), -5 * HOUR);
        assert!(Zone::parse("Nowhere/City").is_err());
        assert!(Zone::parse("+99:00").is_err());
        Ok(())
    }

    #[test]
    fn gaps_and_far_years() -> Result<(), FunctionError> {
        let paulo = Zone::parse("America/Sao_Paulo")?;
        let midnight = 1_541_289_600_000; // 2018-11-04T00:00 local, which did not exist
        assert_eq!(paulo.instant_strict(midnight + 30 * MINUTE), None);
        assert_eq!(
            paulo.instant_near(midnight, 1_541_300_400_000)?,
            1_541_300_400_000
        );
        let london = Zone::parse("Europe/London")?;
        let july_3000 = day_of_date(3000, 7, 1) * DAY;
        assert_eq!(london.offset_ms(july_3000), HOUR);
        assert_eq!(london.offset_ms(july_3000 - 170 * DAY), 0);
        assert!(paulo.to_local(i64::MIN).is_err());
        Ok(())
    }
}
