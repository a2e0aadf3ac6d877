//! The times between the steps of completed funnels, for FUNNEL_STEP_DURATION_STATS.
//!
//! Must not know: windows. Invariant: the last step has no next one, so its durations are 0.

use std::collections::VecDeque;

use common::Value;

use super::funnel::Event;

/// What is asked about the durations of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Statistic {
    Average,
    Quantile(f64),
    /// 1 where the step was reached, 0 elsewhere.
    Count,
}

/// Reads `avg,min,max,median,percentile95,count`.
pub(crate) fn parse(text: &str) -> Result<Vec<Statistic>, String> {
    text.split(',').map(|name| one(name.trim())).collect()
}

fn one(name: &str) -> Result<Statistic, String> {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "avg" => Ok(Statistic::Average),
        "min" => Ok(Statistic::Quantile(0.0)),
        "median" => Ok(Statistic::Quantile(0.5)),
        "max" => Ok(Statistic::Quantile(1.0)),
        "count" => Ok(Statistic::Count),
        _ => lower
            .strip_prefix("percentile")
            .and_then(|number| number.parse::<f64>().ok())
            .filter(|percentile| (0.0..=100.0).contains(percentile))
            .map(|percentile| Statistic::Quantile(percentile / 100.0))
            .ok_or_else(|| {
                format!("expects avg, min, max, median, count or percentile0 to percentile100, not `{name}`")
            }),
    }
}

/// What the windows of a group showed.
pub(crate) struct Durations {
    completed: bool,
    reached: Vec<bool>,
    between: Vec<Vec<i64>>,
}

impl Durations {
    pub(crate) fn of(steps: usize) -> Self {
        Self {
            completed: false,
            reached: vec![false; steps],
            between: vec![Vec::new(); steps.saturating_sub(1)],
        }
    }

    /// Adds a window that got that many steps far.
    pub(crate) fn add(&mut self, steps: usize, window: &VecDeque<Event>) {
        for reached in self.reached.iter_mut().take(steps) {
            *reached = true;
        }
        if steps < self.reached.len() {
            return;
        }
        self.completed = true;
        // The first event that is at least one step further, as Pinot takes them.
        let mut times: Vec<i64> = Vec::new();
        for (time, step) in window {
            if usize::try_from(*step).is_ok_and(|step| times.len() <= step) {
                times.push(*time);
            }
        }
        for (durations, pair) in self.between.iter_mut().zip(times.windows(2)) {
            durations.push(pair[1].saturating_sub(pair[0]));
        }
    }

    /// The statistics of each step in turn; nothing where no funnel was completed and no count is asked for.
    pub(crate) fn answers(mut self, statistics: &[Statistic]) -> Vec<Value> {
        let counted = statistics.contains(&Statistic::Count) && self.reached.contains(&true);
        if !self.completed && !counted {
            return Vec::new();
        }
        self.between.iter_mut().for_each(|d| d.sort_unstable());
        let mut answers = Vec::with_capacity(self.reached.len() * statistics.len());
        for (step, reached) in self.reached.iter().enumerate() {
            let durations = self.between.get(step).map_or(&[][..], Vec::as_slice);
            answers.extend(statistics.iter().map(|statistic| {
                Value::Double(match statistic {
                    Statistic::Count => f64::from(u8::from(*reached)),
                    Statistic::Average => average(durations),
                    Statistic::Quantile(q) => quantile(durations, *q),
                })
            }));
        }
        answers
    }
}

fn average(durations: &[i64]) -> f64 {
    if durations.is_empty() {
        return 0.0;
    }
    durations.iter().map(|d| *d as f64).sum::<f64>() / durations.len() as f64
}

fn quantile(sorted: &[i64], quantile: f64) -> f64 {
    let rank = (quantile * sorted.len() as f64) as usize;
    sorted
        .get(rank)
        .or(sorted.last())
        .map_or(0.0, |duration| *duration as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_answers_every_statistic() -> Result<(), String> {
        let mut durations = Durations::of(3);
        durations.add(3, &[(0, 0), (10, 1), (40, 2)].into());
        durations.add(3, &[(0, 0), (20, 1), (30, 2)].into());
        let answers = durations.answers(&parse("avg,max,count")?);
        let expected = [15.0, 20.0, 1.0, 20.0, 30.0, 1.0, 0.0, 0.0, 1.0];
        assert_eq!(answers, expected.map(Value::Double));
        Ok(())
    }

    #[test]
    fn a_funnel_never_completed_answers_nothing_but_counts() -> Result<(), String> {
        let window: VecDeque<Event> = [(0, 0), (10, 1)].into();
        for (text, expected) in [("avg", vec![]), ("count", vec![1.0, 1.0, 0.0])] {
            let mut durations = Durations::of(3);
            durations.add(2, &window);
            let answers = durations.answers(&parse(text)?);
            assert_eq!(
                answers,
                expected.into_iter().map(Value::Double).collect::<Vec<_>>()
            );
        }
        assert!(parse("sum").is_err());
        Ok(())
    }
}
