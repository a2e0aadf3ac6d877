//! VARPOP, VARSAMP, STDDEVPOP, STDDEVSAMP, SKEWNESS and KURTOSIS.
//!
//! Must not know: pairs, see COVAR. Invariant: moments about the mean are kept, never sums of powers, so that large means
//! lose no digits; parts merge by Pébay's formulas. Variances keep count, sum and squared distances, and take a block's rows
//! without groups together, but those of groups one by one: numbers of all magnitudes lose the digits that Pinot loses.

use common::{Block, ColumnType, DataType, Value};

use super::bytes::{Reader, put_f64};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

const fn row(
    names: &'static [&'static str],
    doc: &'static str,
    bind: fn(&AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError>,
) -> AggregateRow {
    AggregateRow {
        names,
        numbered: false,
        doc,
        bind,
    }
}

pub(crate) static ROWS: &[AggregateRow] = &[
    row(&["varpop"], "Variance of the population.", |call| {
        spread(call, 0.0, false)
    }),
    row(&["varsamp", "variance"], "Variance of a sample.", |call| {
        spread(call, 1.0, false)
    }),
    row(
        &["stddevpop"],
        "Standard deviation of the population.",
        |call| spread(call, 0.0, true),
    ),
    row(
        &["stddevsamp", "stddev"],
        "Standard deviation of a sample.",
        |call| spread(call, 1.0, true),
    ),
    row(&["skewness"], "Skewness of a sample.", |call| {
        bind(call, Answer::Skewness)
    }),
    row(&["kurtosis"], "Excess kurtosis of a sample.", |call| {
        bind(call, Answer::Kurtosis)
    }),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Skewness,
    Kurtosis,
}

struct Statistic {
    answer: Answer,
}

/// A variance, or its root.
struct Variance {
    /// Taken off the count: 1 for a sample.
    less: f64,
    root: bool,
    null_handling: bool,
    multi_stage: bool,
}

/// Count, sum, and sum of the squared distances to the mean.
#[derive(Default, Clone, Copy)]
struct Spread {
    n: f64,
    sum: f64,
    m2: f64,
}

impl Spread {
    fn of(x: f64) -> Self {
        Self {
            n: 1.0,
            sum: x,
            m2: 0.0,
        }
    }

    fn add(&mut self, x: f64) {
        self.n += 1.0;
        self.sum += x;
        if self.n > 1.0 {
            let distance = self.n * x - self.sum;
            self.m2 += distance * distance / (self.n * (self.n - 1.0));
        }
    }

    fn merge(&mut self, b: &Self) {
        if b.n == 0.0 {
            return;
        }
        if self.n == 0.0 {
            *self = *b;
            return;
        }
        let delta = b.sum / b.n - self.sum / self.n;
        self.m2 += b.m2 + delta * delta * b.n * self.n / (b.n + self.n);
        self.n += b.n;
        self.sum += b.sum;
    }
}

/// Count, mean, and sums of the second to fourth powers of the distances to the mean.
#[derive(Default, Clone, Copy)]
struct Moments {
    n: f64,
    mean: f64,
    m2: f64,
    m3: f64,
    m4: f64,
}

impl Moments {
    fn add(&mut self, x: f64) {
        let before = self.n;
        self.n += 1.0;
        let delta = x - self.mean;
        let step = delta / self.n;
        let term = delta * step * before;
        self.mean += step;
        self.m4 += term * step * step * (self.n * self.n - 3.0 * self.n + 3.0)
            + 6.0 * step * step * self.m2
            - 4.0 * step * self.m3;
        self.m3 += term * step * (self.n - 2.0) - 3.0 * step * self.m2;
        self.m2 += term;
    }

    fn merge(&mut self, b: &Self) {
        if b.n == 0.0 {
            return;
        }
        if self.n == 0.0 {
            *self = *b;
            return;
        }
        let a = *self;
        let n = a.n + b.n;
        let d = b.mean - a.mean;
        let (d2, d3, d4) = (d * d, d * d * d, d * d * d * d);
        self.n = n;
        self.mean = a.mean + d * b.n / n;
        self.m2 = a.m2 + b.m2 + d2 * a.n * b.n / n;
        self.m3 = a.m3
            + b.m3
            + d3 * a.n * b.n * (a.n - b.n) / (n * n)
            + 3.0 * d * (a.n * b.m2 - b.n * a.m2) / n;
        self.m4 = a.m4
            + b.m4
            + d4 * a.n * b.n * (a.n * a.n - a.n * b.n + b.n * b.n) / (n * n * n)
            + 6.0 * d2 * (a.n * a.n * b.m2 + b.n * b.n * a.m2) / (n * n)
            + 4.0 * d * (a.n * b.m3 - b.n * a.m3) / n;
    }

    fn skewness(&self) -> f64 {
        let n = self.n;
        if n < 3.0 {
            return f64::NAN;
        }
        let variance = self.m2 / (n - 1.0);
        if variance < 1e-19 {
            return 0.0;
        }
        n * self.m3 / ((n - 1.0) * (n - 2.0) * variance.sqrt() * variance)
    }

    fn kurtosis(&self) -> f64 {
        let n = self.n;
        if n < 4.0 {
            return f64::NAN;
        }
        let variance = self.m2 / (n - 1.0);
        if variance < 1e-19 {
            return 0.0;
        }
        (n * (n + 1.0) * self.m4 / (variance * variance) / (n - 1.0) - 3.0 * (n - 1.0) * (n - 1.0))
            / ((n - 2.0) * (n - 3.0))
    }
}

fn bind(
    call: &AggregateCall<'_>,
    answer: Answer,
) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=1)?;
    arguments::expect_readable(call, 0)?;
    arguments::expect_no_decimal(call, 0)?;
    Ok(erased(Statistic { answer }))
}

fn spread(
    call: &AggregateCall<'_>,
    less: f64,
    root: bool,
) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=1)?;
    arguments::expect_readable(call, 0)?;
    arguments::expect_no_decimal(call, 0)?;
    Ok(erased(Variance {
        less,
        root,
        null_handling: call.null_handling,
        multi_stage: arguments::multi_stage(call),
    }))
}

impl Aggregate for Variance {
    type State = Spread;

    fn returns(&self) -> ColumnType {
        DataType::Double.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn start(&self) -> Spread {
        Spread::default()
    }

    fn update(
        &self,
        states: &mut [Spread],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        match groups {
            Groups::One(_) => {
                let mut own = Spread::default();
                rows::each_number(&inputs[0], groups, |_, x| own.add(x))?;
                states[0].merge(&own);
                Ok(())
            }
            Groups::Each(_) => rows::each_number(&inputs[0], groups, |group, x| {
                states[group].merge(&Spread::of(x))
            }),
        }
    }

    fn merge(&self, into: &mut Spread, from: Spread) -> Result<(), FunctionError> {
        into.merge(&from);
        Ok(())
    }

    fn save(&self, state: &Spread, out: &mut Vec<u8>) {
        for x in [state.n, state.sum, state.m2] {
            put_f64(out, x);
        }
    }

    fn load(&self, bytes: &[u8]) -> Result<Spread, FunctionError> {
        let mut reader = Reader::new(bytes);
        let state = Spread {
            n: reader.f64()?,
            sum: reader.f64()?,
            m2: reader.f64()?,
        };
        reader.end(state)
    }

    fn finish(&self, state: &Spread) -> Value {
        if state.n == 0.0 && self.null_handling {
            return Value::Null;
        }
        if state.n == 0.0 || state.n - self.less <= 0.0 {
            return Value::Double(f64::NEG_INFINITY);
        }
        let variance = state.m2 / (state.n - self.less);
        if variance.is_nan() {
            // One NaN, above all numbers: what infinite numbers leave has a sign, which orders it below them.
            return Value::Double(f64::NAN);
        }
        Value::Double(if self.root { variance.sqrt() } else { variance })
    }

    fn finish_group(&self, state: &Spread) -> Value {
        if state.n == 0.0 && self.multi_stage {
            return Value::Null;
        }
        if state.n == 0.0 && !self.null_handling {
            return Value::Double(0.0);
        }
        self.finish(state)
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }
}

impl Aggregate for Statistic {
    type State = Moments;

    fn returns(&self) -> ColumnType {
        DataType::Double.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn sees_nulls(&self) -> bool {
        false
    }

    fn start(&self) -> Moments {
        Moments::default()
    }

    fn update(
        &self,
        states: &mut [Moments],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        rows::each_number(&rows::filled(&inputs[0]), groups, |group, x| {
            states[group].add(x)
        })
    }

    fn merge(&self, into: &mut Moments, from: Moments) -> Result<(), FunctionError> {
        into.merge(&from);
        Ok(())
    }

    fn save(&self, state: &Moments, out: &mut Vec<u8>) {
        for x in [state.n, state.mean, state.m2, state.m3, state.m4] {
            put_f64(out, x);
        }
    }

    fn load(&self, bytes: &[u8]) -> Result<Moments, FunctionError> {
        let mut reader = Reader::new(bytes);
        let state = Moments {
            n: reader.f64()?,
            mean: reader.f64()?,
            m2: reader.f64()?,
            m3: reader.f64()?,
            m4: reader.f64()?,
        };
        reader.end(state)
    }

    fn finish(&self, state: &Moments) -> Value {
        Value::Double(match self.answer {
            Answer::Skewness => state.skewness(),
            Answer::Kurtosis => state.kurtosis(),
        })
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }
}
