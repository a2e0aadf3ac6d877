//! VARPOP, VARSAMP, STDDEVPOP, STDDEVSAMP, SKEWNESS and KURTOSIS.
//!
//! Must not know: pairs, see COVAR. Invariant: moments about the mean are kept, never sums of powers, so that large means
//! lose no digits; parts merge by Pébay's formulas.

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
        bind(call, Answer::VarPop)
    }),
    row(&["varsamp", "variance"], "Variance of a sample.", |call| {
        bind(call, Answer::VarSamp)
    }),
    row(
        &["stddevpop"],
        "Standard deviation of the population.",
        |call| bind(call, Answer::DevPop),
    ),
    row(
        &["stddevsamp", "stddev"],
        "Standard deviation of a sample.",
        |call| bind(call, Answer::DevSamp),
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
    VarPop,
    VarSamp,
    DevPop,
    DevSamp,
    Skewness,
    Kurtosis,
}

struct Statistic {
    answer: Answer,
    null_handling: bool,
    multi_stage: bool,
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
    Ok(erased(Statistic {
        answer,
        null_handling: call.null_handling,
        multi_stage: arguments::multi_stage(call),
    }))
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
        !matches!(self.answer, Answer::Skewness | Answer::Kurtosis)
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
        if self.sees_nulls() {
            rows::each_number(&inputs[0], groups, |group, x| states[group].add(x))
        } else {
            rows::each_number(&rows::filled(&inputs[0]), groups, |group, x| {
                states[group].add(x)
            })
        }
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
        let nothing = state.n == 0.0 && self.null_handling;
        let fewest = if matches!(self.answer, Answer::VarPop | Answer::DevPop) {
            1.0
        } else {
            2.0
        };
        Value::Double(match self.answer {
            Answer::Skewness => state.skewness(),
            Answer::Kurtosis => state.kurtosis(),
            _ if nothing => return Value::Null,
            _ if state.n < fewest => f64::NEG_INFINITY,
            Answer::VarPop => state.m2 / state.n,
            Answer::VarSamp => state.m2 / (state.n - 1.0),
            Answer::DevPop => (state.m2 / state.n).sqrt(),
            Answer::DevSamp => (state.m2 / (state.n - 1.0)).sqrt(),
        })
    }

    fn finish_group(&self, state: &Moments) -> Value {
        let of_squares = !matches!(self.answer, Answer::Skewness | Answer::Kurtosis);
        if of_squares && state.n == 0.0 && self.multi_stage {
            return Value::Null;
        }
        if of_squares && state.n == 0.0 && !self.null_handling {
            return Value::Double(0.0);
        }
        self.finish(state)
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }
}
