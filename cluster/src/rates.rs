//! Rates of counters, as meters of Pinot's exporter tell them: the mean since the start, and averages that forget.
//!
//! Must not know: what is counted. Invariant: a rate is brought up to date when it is asked for, so that counting stays one addition.

use std::collections::HashMap;
use std::fmt::Write;

use parking_lot::Mutex;

/// Names and seconds of the averages.
const WINDOWS: [(&str, f64); 3] = [
    ("OneMinuteRate", 60.0),
    ("FiveMinuteRate", 300.0),
    ("FifteenMinuteRate", 900.0),
];
/// Looks that are nearer together than this change nothing, milliseconds.
const NEAREST_MS: i64 = 1_000;

struct Meter {
    first_ms: i64,
    first: u64,
    at_ms: i64,
    count: u64,
    rates: [f64; 3],
}

/// Every meter by its name and labels.
#[derive(Default)]
pub struct Rates(Mutex<HashMap<String, Meter>>);

impl Rates {
    /// Writes a counter with its rates in Prometheus' text form; `labels` with their braces, or empty.
    pub fn write(&self, out: &mut String, (name, labels): (&str, &str), count: u64, now_ms: i64) {
        let mut meters = self.0.lock();
        let meter = meters.entry(format!("{name}{labels}")).or_insert(Meter {
            first_ms: now_ms,
            first: count,
            at_ms: now_ms,
            count,
            rates: [0.0; 3],
        });
        let passed_ms = now_ms.saturating_sub(meter.at_ms);
        if passed_ms >= NEAREST_MS {
            let seconds = passed_ms as f64 / 1000.0;
            let rate = count.saturating_sub(meter.count) as f64 / seconds;
            let first = meter.at_ms == meter.first_ms;
            for (average, (_, window)) in meter.rates.iter_mut().zip(WINDOWS) {
                let share = if first {
                    1.0
                } else {
                    1.0 - (-seconds / window).exp()
                };
                *average += share * (rate - *average);
            }
            meter.at_ms = now_ms;
            meter.count = count;
        }
        let since = now_ms.saturating_sub(meter.first_ms).max(1) as f64 / 1000.0;
        let mean = count.saturating_sub(meter.first) as f64 / since;
        // Writing to a string does not fail.
        let _ = writeln!(out, "{name}_Count{labels} {count}");
        let _ = writeln!(out, "{name}_MeanRate{labels} {mean}");
        for (average, (attribute, _)) in meter.rates.iter().zip(WINDOWS) {
            let _ = writeln!(out, "{name}_{attribute}{labels} {average}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rates;

    #[test]
    fn averages_forget() {
        let rates = Rates::default();
        let mut last = String::new();
        // Ten a second for a minute, then nothing for ten.
        for second in 0..=60_u64 {
            last.clear();
            rates.write(&mut last, ("a", ""), second * 10, second as i64 * 1000);
        }
        let rate = |text: &str, name: &str| {
            text.lines()
                .find_map(|l| l.strip_prefix(name)?.trim().parse::<f64>().ok())
                .unwrap_or(-1.0)
        };
        assert!(
            (rate(&last, "a_OneMinuteRate ") - 10.0).abs() < 0.1,
            "{last}"
        );
        assert!((rate(&last, "a_MeanRate ") - 10.0).abs() < 0.1, "{last}");
        last.clear();
        rates.write(&mut last, ("a", ""), 600, 660_000);
        assert!(rate(&last, "a_OneMinuteRate ") < 0.1, "{last}");
        assert!(rate(&last, "a_FifteenMinuteRate ") > 1.0, "{last}");
        assert_eq!(rate(&last, "a_Count "), 600.0);
    }
}
