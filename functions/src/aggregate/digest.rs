//! Approximate percentiles: PERCENTILEEST, PERCENTILETDIGEST, PERCENTILEKLL, their RAW forms and PERCENTILESMARTTDIGEST.
//!
//! Must not know: how digests work. Invariant: the multi-value forms do not look at nulls, as in Pinot.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Block, ColumnType, DataType, Value, Values};
use datasketches::common::SearchCriteria;
use datasketches::kll::{KllFloat, KllSketch};
use datasketches::tdigest::TDigestMut;

use super::approximate::setting;
use super::percentile::{percentile_of, select};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;
use crate::sketch::merging_digest::MergingDigest;
use crate::sketch::quantile_digest::QuantileDigest;

type Bound = Result<Box<dyn AggregateFunction>, FunctionError>;

const fn row(
    names: &'static [&'static str],
    doc: &'static str,
    bind: fn(&AggregateCall<'_>) -> Bound,
) -> AggregateRow {
    AggregateRow {
        names,
        numbered: true,
        doc,
        bind,
    }
}

pub(crate) static ROWS: &[AggregateRow] = &[
    row(
        &["percentileest", "percentileestmv"],
        "Approximate percentile of whole numbers.",
        |call| bind::<QuantileDigest>(call, DataType::Long, false),
    ),
    row(
        &["percentilerawest", "percentilerawestmv"],
        "The digest of PERCENTILEEST, as hex.",
        |call| bind::<QuantileDigest>(call, DataType::String, false),
    ),
    row(
        &["percentiletdigest", "percentiletdigestmv"],
        "Approximate percentile by t-digest, parameter compression = 100.",
        |call| bind::<TDigest>(call, DataType::Double, true),
    ),
    row(
        &["percentilerawtdigest", "percentilerawtdigestmv"],
        "The t-digest, as hex.",
        |call| bind::<TDigest>(call, DataType::String, true),
    ),
    row(
        &["percentilekll", "percentilekllmv"],
        "Approximate percentile by KLL sketch, parameter k = 200.",
        |call| bind::<Kll>(call, DataType::Double, false),
    ),
    row(
        &["percentilerawkll", "percentilerawkllmv"],
        "The KLL sketch, as base64.",
        |call| bind::<Kll>(call, DataType::String, false),
    ),
    row(
        &["percentilesmarttdigest"],
        "Exact percentile up to a threshold of values, then by t-digest.",
        |call| bind::<Smart>(call, DataType::Double, false),
    ),
];

#[derive(Clone, Copy)]
struct Setup {
    /// Compression or k, 0 for the default.
    size: u16,
    threshold: usize,
}

trait Digest: Sized + Send + Sync + 'static {
    /// What the error of a NaN calls the digest, where it takes none.
    const REFUSES_NAN: Option<&'static str> = None;

    fn sized(setup: Setup) -> Self;
    fn add(&mut self, x: f64);
    fn absorb(&mut self, other: Self, setup: Setup) -> bool;
    /// The value at a percentile, `None` of nothing.
    fn at(&self, percentile: f64) -> Option<f64>;
    fn save(&self) -> Vec<u8>;
    fn read(bytes: &[u8], setup: Setup) -> Option<Self>;
    fn heap_bytes(&self) -> usize;
    /// The raw form as text.
    fn raw(&self) -> String {
        hex::encode(self.save())
    }
    /// The answer of nothing.
    fn nothing(null_handling: bool, multi_stage: bool) -> Value;
}

impl Digest for QuantileDigest {
    fn sized(_setup: Setup) -> Self {
        Self::default()
    }

    fn add(&mut self, x: f64) {
        Self::add(self, x as i64);
    }

    fn absorb(&mut self, other: Self, _setup: Setup) -> bool {
        self.merge(&other);
        true
    }

    fn at(&self, percentile: f64) -> Option<f64> {
        self.quantile(percentile / 100.0).map(|x| x as f64)
    }

    fn save(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn read(bytes: &[u8], _setup: Setup) -> Option<Self> {
        Self::from_bytes(bytes)
    }

    fn heap_bytes(&self) -> usize {
        Self::heap_bytes(self)
    }

    fn nothing(null_handling: bool, multi_stage: bool) -> Value {
        if null_handling || multi_stage {
            Value::Null
        } else {
            Value::Long(i64::MIN)
        }
    }
}

struct TDigest(MergingDigest);

impl TDigest {
    /// The digest of bytes that earlier versions wrote.
    fn earlier(bytes: &[u8]) -> Option<MergingDigest> {
        let digest = TDigestMut::deserialize(bytes).ok()?;
        let (min, max) = (digest.min_value()?, digest.max_value()?);
        if digest.total_weight() < 2 {
            return Some(MergingDigest::of_centroids(
                100.0,
                (min, max),
                [(min, 1.0)].into_iter(),
            ));
        }
        // Behind the header, with the number of centroids and the extremes, means with weights.
        let compression = f64::from(digest.k());
        let bytes = digest.clone().serialize();
        let centroids = bytes
            .get(32..)?
            .chunks_exact(16)
            .map(|pair| {
                let (mean, weight) = pair.split_at(8);
                let mean = f64::from_le_bytes(mean.try_into().ok()?);
                let weight = u64::from_le_bytes(weight.try_into().ok()?);
                Some((mean, weight as f64))
            })
            .collect::<Option<Vec<_>>>()?;
        Some(MergingDigest::of_centroids(
            compression,
            (min, max),
            centroids.into_iter(),
        ))
    }
}

impl Digest for TDigest {
    const REFUSES_NAN: Option<&'static str> = Some("t-digest");

    fn sized(setup: Setup) -> Self {
        let compression = if setup.size == 0 { 100 } else { setup.size };
        Self(MergingDigest::new(compression.into()))
    }

    fn add(&mut self, x: f64) {
        self.0.add(x);
    }

    fn absorb(&mut self, other: Self, _setup: Setup) -> bool {
        self.0.merge(other.0);
        true
    }

    fn at(&self, percentile: f64) -> Option<f64> {
        self.0.quantile(percentile / 100.0)
    }

    fn save(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    fn read(bytes: &[u8], _setup: Setup) -> Option<Self> {
        MergingDigest::from_bytes(bytes)
            .or_else(|| Self::earlier(bytes))
            .map(Self)
    }

    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    fn nothing(_null_handling: bool, _multi_stage: bool) -> Value {
        Value::Double(f64::NAN)
    }
}

struct Kll(Option<KllSketch<KllFloat<f64>>>);

impl Digest for Kll {
    fn sized(setup: Setup) -> Self {
        let k = if setup.size == 0 { 200 } else { setup.size };
        Self(KllSketch::new(k.max(8)).ok())
    }

    fn add(&mut self, x: f64) {
        if let (Some(sketch), Ok(x)) = (&mut self.0, KllFloat::<f64>::new(x)) {
            sketch.update(x);
        }
    }

    fn absorb(&mut self, other: Self, _setup: Setup) -> bool {
        match (&mut self.0, &other.0) {
            (Some(into), Some(from)) => into.merge(from).is_ok(),
            _ => true,
        }
    }

    fn at(&self, percentile: f64) -> Option<f64> {
        let found = self
            .0
            .as_ref()?
            .quantile(percentile / 100.0, SearchCriteria::Inclusive)
            .ok()??;
        Some(found.into_inner())
    }

    fn save(&self) -> Vec<u8> {
        self.0.as_ref().map_or_else(Vec::new, KllSketch::serialize)
    }

    fn read(bytes: &[u8], _setup: Setup) -> Option<Self> {
        KllSketch::deserialize(bytes)
            .ok()
            .map(|sketch| Self(Some(sketch)))
    }

    fn heap_bytes(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |sketch| sketch.num_retained() * 8)
    }

    fn raw(&self) -> String {
        STANDARD.encode(self.save())
    }

    fn nothing(_null_handling: bool, _multi_stage: bool) -> Value {
        Value::Null
    }
}

/// Exact numbers until there are too many.
enum Smart {
    Exact(Vec<f64>, Setup),
    Digest(TDigest),
}

impl Digest for Smart {
    fn sized(setup: Setup) -> Self {
        Self::Exact(Vec::new(), setup)
    }

    fn add(&mut self, x: f64) {
        match self {
            Self::Digest(digest) => digest.add(x),
            Self::Exact(numbers, setup) => {
                numbers.push(x);
                if numbers.len() > setup.threshold {
                    let mut digest = TDigest::sized(*setup);
                    numbers.iter().for_each(|x| digest.add(*x));
                    *self = Self::Digest(digest);
                }
            }
        }
    }

    fn absorb(&mut self, mut other: Self, setup: Setup) -> bool {
        if matches!((&*self, &other), (Self::Exact(..), Self::Digest(_))) {
            std::mem::swap(self, &mut other);
        }
        match other {
            Self::Exact(numbers, _) => numbers.into_iter().for_each(|x| self.add(x)),
            Self::Digest(from) => {
                if let Self::Digest(into) = self {
                    return into.absorb(from, setup);
                }
            }
        }
        true
    }

    fn at(&self, percentile: f64) -> Option<f64> {
        match self {
            Self::Exact(numbers, _) => select(&mut numbers.clone(), percentile),
            Self::Digest(digest) => digest.at(percentile),
        }
    }

    fn save(&self) -> Vec<u8> {
        match self {
            Self::Exact(numbers, _) => {
                let mut out = vec![0];
                numbers.iter().for_each(|x| out.extend(x.to_le_bytes()));
                out
            }
            Self::Digest(digest) => {
                let mut out = vec![1];
                out.extend(digest.save());
                out
            }
        }
    }

    fn read(bytes: &[u8], setup: Setup) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        if *kind == 1 {
            return TDigest::read(rest, setup).map(Self::Digest);
        }
        let (numbers, left) = rest.as_chunks::<8>();
        let numbers = numbers.iter().map(|x| f64::from_le_bytes(*x)).collect();
        left.is_empty().then_some(Self::Exact(numbers, setup))
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Exact(numbers, _) => numbers.capacity() * 8,
            Self::Digest(digest) => digest.heap_bytes(),
        }
    }

    fn nothing(null_handling: bool, _multi_stage: bool) -> Value {
        if null_handling {
            Value::Null
        } else {
            Value::Double(f64::NEG_INFINITY)
        }
    }
}

struct Approximate<D> {
    percentile: f64,
    setup: Setup,
    returns: DataType,
    /// The size is shown in the column name.
    shows_size: bool,
    named_multi: bool,
    null_handling: bool,
    multi_stage: bool,
    digest: std::marker::PhantomData<fn() -> D>,
}

fn bind<D: Digest>(call: &AggregateCall<'_>, returns: DataType, shows_size: bool) -> Bound {
    arguments::expect_count(call, 1..=3)?;
    let (percentile, next) = percentile_of(call)?;
    let mut setup = Setup {
        size: 0,
        threshold: 100_000,
    };
    let settings = call
        .arguments
        .get(next)
        .and_then(|a| a.literal.as_ref())
        .and_then(Value::as_str);
    match settings {
        Some(text) if text.parse::<f64>().is_err() => {
            setup.size = setting(text, &["compression"]).unwrap_or(0.0) as u16;
            setup.threshold = setting(text, &["threshold"]).unwrap_or(100_000.0) as usize;
        }
        _ => setup.size = arguments::whole(call, next, 0, 0..=i64::from(u16::MAX))? as u16,
    }
    let named_multi = arguments::named_multi(call);
    Ok(erased(Approximate::<D> {
        percentile,
        setup,
        returns,
        shows_size: shows_size && call.arguments.len() > next,
        named_multi,
        null_handling: call.null_handling && !named_multi,
        multi_stage: arguments::multi_stage(call) && !named_multi,
        digest: std::marker::PhantomData,
    }))
}

fn unmerged() -> FunctionError {
    FunctionError::Evaluation("the bytes are not a digest of this function".to_owned())
}

impl<D: Digest> Aggregate for Approximate<D> {
    type State = Option<D>;

    fn returns(&self) -> ColumnType {
        self.returns.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn sees_nulls(&self) -> bool {
        !self.named_multi
    }

    fn start(&self) -> Option<D> {
        None
    }

    fn update(
        &self,
        states: &mut [Option<D>],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let block = if self.named_multi {
            rows::filled(&inputs[0])
        } else {
            std::borrow::Cow::Borrowed(&inputs[0])
        };
        if let Values::Bytes(v) = block.values() {
            let mut merged = Ok(());
            rows::each_row(&block, groups, |group, row| {
                let digest = D::read(v.get(block.at(row)), self.setup);
                let fits = digest
                    .is_some_and(|digest| self.merge(&mut states[group], Some(digest)).is_ok());
                if !fits {
                    merged = Err(unmerged());
                }
            });
            return merged;
        }
        let mut nan = false;
        rows::each_number(&block, groups, |group, x| {
            nan |= x.is_nan();
            states[group]
                .get_or_insert_with(|| D::sized(self.setup))
                .add(x);
        })?;
        match D::REFUSES_NAN.filter(|_| nan) {
            Some(digest) => Err(FunctionError::Evaluation(format!(
                "Cannot add NaN to {digest}"
            ))),
            None => Ok(()),
        }
    }

    fn merge(&self, into: &mut Option<D>, from: Option<D>) -> Result<(), FunctionError> {
        match (into.as_mut(), from) {
            (_, None) => Ok(()),
            (None, from) => {
                *into = from;
                Ok(())
            }
            (Some(held), Some(from)) => held
                .absorb(from, self.setup)
                .then_some(())
                .ok_or_else(unmerged),
        }
    }

    fn save(&self, state: &Option<D>, out: &mut Vec<u8>) {
        if let Some(digest) = state {
            out.extend(digest.save());
        }
    }

    fn load(&self, bytes: &[u8]) -> Result<Option<D>, FunctionError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        D::read(bytes, self.setup).map(Some).ok_or_else(unmerged)
    }

    fn finish(&self, state: &Option<D>) -> Value {
        if self.returns == DataType::String {
            return Value::String(match state {
                Some(digest) => digest.raw(),
                None => D::sized(self.setup).raw(),
            });
        }
        match state.as_ref().and_then(|digest| digest.at(self.percentile)) {
            Some(x) => arguments::number_as(x, self.returns),
            None => D::nothing(self.null_handling, self.multi_stage),
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        if !self.shows_size {
            return label::percentile(name, arguments, self.percentile);
        }
        let shown = match arguments {
            [argument, _] => format!("{argument}, {}", self.setup.size),
            [argument, ..] => {
                let percentile = common::java_text::double_text(self.percentile);
                format!("{argument}, {percentile}, {}", self.setup.size)
            }
            [] => String::new(),
        };
        format!("{name}({shown})")
    }

    fn heap_bytes(&self, state: &Option<D>) -> usize {
        state.as_ref().map_or(0, Digest::heap_bytes)
    }
}
