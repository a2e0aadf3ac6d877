//! Lifts per-row kernels to blocks: constants, plain columns, nulls.
//!
//! Must not know: any function. Invariant: the result has as many rows as the arguments; null rows never reach a kernel
//! of a function whose rule is `NullInNullOut`.

use common::{ArrayVec, Block, BytesVec, ColumnType, TextVec, Value, Values};

use crate::FunctionError;

type Fallible<T> = Result<T, FunctionError>;

/// A stored type that kernels work on: how to borrow it from a block's elements and how to collect results.
pub trait Stored {
    /// What a kernel gets for a row.
    type Ref<'a>: Copy;

    /// Borrows all elements; an error names the type that was expected, which only a wrong table row can cause.
    ///
    /// # Errors
    /// Where the block holds another stored type.
    fn view(values: &Values) -> Fallible<View<'_, Self>>
    where
        Self: Sized;

    /// The element at `index`.
    fn get<'a>(view: &View<'a, Self>, index: usize) -> Self::Ref<'a>
    where
        Self: Sized;
}

/// Borrowed elements of one stored type.
#[derive(Debug)]
pub struct View<'a, S: Stored> {
    values: &'a Values,
    marker: std::marker::PhantomData<S>,
}

fn wrong_type<T>(expected: &str) -> Fallible<T> {
    Err(FunctionError::Evaluation(format!(
        "a block of another type than {expected} reached a kernel"
    )))
}

macro_rules! stored {
    ($name:ident, $variant:ident, $ref:ty, $text:literal, |$v:ident, $i:ident| $get:expr, $missing:expr) => {
        #[doc = concat!("Marks ", $text, " values.")]
        #[derive(Debug)]
        pub struct $name;

        impl Stored for $name {
            type Ref<'a> = $ref;

            fn view(values: &Values) -> Fallible<View<'_, Self>> {
                match values {
                    Values::$variant(_) => Ok(View {
                        values,
                        marker: std::marker::PhantomData,
                    }),
                    _ => wrong_type($text),
                }
            }

            #[inline]
            fn get<'a>(view: &View<'a, Self>, index: usize) -> Self::Ref<'a> {
                match view.values {
                    Values::$variant($v) => {
                        let $i = index;
                        $get
                    }
                    _ => $missing,
                }
            }
        }
    };
}

stored!(Int, Int, i32, "INT", |v, i| v[i], 0);
stored!(Long, Long, i64, "LONG", |v, i| v[i], 0);
stored!(Float, Float, f32, "FLOAT", |v, i| v[i], 0.0);
stored!(Double, Double, f64, "DOUBLE", |v, i| v[i], 0.0);
stored!(Text, Text, &'a str, "STRING", |v, i| v.get(i), "");
stored!(Bytes, Bytes, &'a [u8], "BYTES", |v, i| v.get(i), &[]);

/// The elements of a block with its rows mapped onto them (constants to their one element).
#[derive(Debug)]
pub struct Rows<'a, S: Stored> {
    view: View<'a, S>,
    step: usize,
}

impl<'a, S: Stored> Rows<'a, S> {
    /// Borrows a block.
    ///
    /// # Errors
    /// Where the block holds another stored type.
    pub fn of(block: &'a Block) -> Fallible<Self> {
        Ok(Self {
            view: S::view(block.values())?,
            step: usize::from(!block.is_constant()),
        })
    }

    /// The value of a row; for a null row the placeholder.
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize) -> S::Ref<'a> {
        S::get(&self.view, row * self.step)
    }
}

/// Collects results of a kernel into values.
pub trait Collect<T> {
    /// Room for `rows` results.
    fn with_rows(rows: usize) -> Self;
    /// Appends one.
    fn add(&mut self, item: T);
    /// The block values.
    fn finish(self) -> Values;
}

macro_rules! collect_vec {
    ($t:ty, $variant:ident) => {
        impl Collect<$t> for Vec<$t> {
            fn with_rows(rows: usize) -> Self {
                Vec::with_capacity(rows)
            }
            #[inline]
            fn add(&mut self, item: $t) {
                self.push(item);
            }
            fn finish(self) -> Values {
                Values::$variant(self)
            }
        }
    };
}

collect_vec!(i32, Int);
collect_vec!(i64, Long);
collect_vec!(f32, Float);
collect_vec!(f64, Double);
collect_vec!(common::BigDecimal, BigDecimal);

impl Collect<bool> for Vec<i32> {
    fn with_rows(rows: usize) -> Self {
        Vec::with_capacity(rows)
    }
    #[inline]
    fn add(&mut self, item: bool) {
        self.push(i32::from(item));
    }
    fn finish(self) -> Values {
        Values::Int(self)
    }
}

impl<T: AsRef<str>> Collect<T> for TextVec {
    fn with_rows(rows: usize) -> Self {
        TextVec::with_capacity(rows, rows * 8)
    }
    fn add(&mut self, item: T) {
        self.push(item.as_ref());
    }
    fn finish(self) -> Values {
        Values::Text(self)
    }
}

impl<T: AsRef<[u8]>> Collect<T> for BytesVec {
    fn with_rows(rows: usize) -> Self {
        BytesVec::with_capacity(rows, rows * 8)
    }
    fn add(&mut self, item: T) {
        self.push(item.as_ref());
    }
    fn finish(self) -> Values {
        Values::Bytes(self)
    }
}

/// A kernel over one argument: `unary::<Text, TextVec, _>(args, returns, |s| Ok(s.to_uppercase()))`. The kernel's result
/// is any type that the collector takes. Runs over every row, null placeholders never reach it (see the module's head).
///
/// # Errors
/// The kernel's first error.
pub fn unary<A, C, T>(
    args: &[Block],
    returns: impl Into<ColumnType>,
    mut kernel: impl for<'a> FnMut(A::Ref<'a>) -> Fallible<T>,
) -> Fallible<Block>
where
    A: Stored,
    C: Collect<T>,
{
    let rows = args[0].rows();
    let a = Rows::<A>::of(&args[0])?;
    let mut out = C::with_rows(rows);
    for row in 0..rows {
        out.add(kernel(a.get(row))?);
    }
    Ok(Block::new(returns, out.finish()))
}

/// A kernel over two arguments, see [`unary`].
///
/// # Errors
/// The kernel's first error.
pub fn binary<A, B, C, T>(
    args: &[Block],
    returns: impl Into<ColumnType>,
    mut kernel: impl for<'a> FnMut(A::Ref<'a>, B::Ref<'a>) -> Fallible<T>,
) -> Fallible<Block>
where
    A: Stored,
    B: Stored,
    C: Collect<T>,
{
    let rows = args[0].rows();
    let (a, b) = (Rows::<A>::of(&args[0])?, Rows::<B>::of(&args[1])?);
    let mut out = C::with_rows(rows);
    for row in 0..rows {
        out.add(kernel(a.get(row), b.get(row))?);
    }
    Ok(Block::new(returns, out.finish()))
}

/// A kernel over three arguments, see [`unary`].
///
/// # Errors
/// The kernel's first error.
pub fn ternary<A, B, C, O, T>(
    args: &[Block],
    returns: impl Into<ColumnType>,
    mut kernel: impl for<'a> FnMut(A::Ref<'a>, B::Ref<'a>, C::Ref<'a>) -> Fallible<T>,
) -> Fallible<Block>
where
    A: Stored,
    B: Stored,
    C: Stored,
    O: Collect<T>,
{
    let rows = args[0].rows();
    let (a, b, c) = (
        Rows::<A>::of(&args[0])?,
        Rows::<B>::of(&args[1])?,
        Rows::<C>::of(&args[2])?,
    );
    let mut out = O::with_rows(rows);
    for row in 0..rows {
        out.add(kernel(a.get(row), b.get(row), c.get(row))?);
    }
    Ok(Block::new(returns, out.finish()))
}

/// A kernel from any argument to text that writes into the result's buffer: no allocation per row.
///
/// # Errors
/// The kernel's first error.
pub fn unary_into_text<A: Stored>(
    args: &[Block],
    returns: impl Into<ColumnType>,
    mut kernel: impl for<'a> FnMut(A::Ref<'a>, &mut String) -> Fallible<()>,
) -> Fallible<Block> {
    let rows = args[0].rows();
    let a = Rows::<A>::of(&args[0])?;
    let mut out = TextVec::with_capacity(rows, rows * 8);
    for row in 0..rows {
        kernel(a.get(row), out.buffer())?;
        out.end_value();
    }
    Ok(Block::new(returns, Values::Text(out)))
}

/// A kernel over whole values, for functions where speed does not matter or any type may come. `Value::Null` results
/// become nulls; other results must have the type `returns`.
///
/// # Errors
/// The kernel's first error.
pub fn by_value(
    args: &[Block],
    returns: impl Into<ColumnType>,
    rows: usize,
    mut kernel: impl FnMut(&[Value]) -> Fallible<Value>,
) -> Fallible<Block> {
    let mut results = Vec::with_capacity(rows);
    let mut row_values = Vec::with_capacity(args.len());
    for row in 0..rows {
        row_values.clear();
        row_values.extend(args.iter().map(|block| block.value(row)));
        results.push(kernel(&row_values)?);
    }
    Ok(Block::from_values(returns, &results))
}

/// The array column of an argument.
///
/// # Errors
/// Where the block is not multi-value.
pub fn arrays(block: &Block) -> Fallible<&ArrayVec> {
    match block.values() {
        Values::Array(array) => Ok(array),
        _ => wrong_type("array"),
    }
}

/// For each row, whether any argument is null; `None` where no argument has nulls.
#[must_use]
pub fn any_null(args: &[Block]) -> Option<Vec<bool>> {
    args.iter().any(|block| block.nulls().is_some()).then(|| {
        (0..args[0].rows())
            .map(|row| args.iter().any(|block| block.is_null(row)))
            .collect()
    })
}

/// Evaluates the rows without nulls only and puts nulls back between the answers.
pub(super) fn skipping_nulls(
    nulls: &[bool],
    args: &[Block],
    returns: ColumnType,
    eval: impl FnOnce(&[Block]) -> Fallible<Block>,
) -> Fallible<Block> {
    let kept: Vec<u32> = (0..nulls.len() as u32)
        .filter(|row| !nulls[*row as usize])
        .collect();
    let dense: Vec<Block> = args.iter().map(|block| strip(block.take(&kept))).collect();
    let answer = if kept.is_empty() {
        None
    } else {
        Some(eval(&dense)?.flattened())
    };
    let Some(answer) = answer else {
        return Ok(all_null(returns, nulls.len()));
    };
    let mut values = answer.values().empty_like();
    let mut flags = Vec::with_capacity(nulls.len());
    let mut next = 0;
    for null in nulls {
        if *null {
            values.push_placeholder();
            flags.push(true);
        } else {
            values.push_from(answer.values(), next);
            flags.push(answer.is_null(next));
            next += 1;
        }
    }
    Ok(Block::new(returns, values).with_nulls(Some(flags)))
}

fn strip(block: Block) -> Block {
    if block.nulls().is_none() || block.is_constant() {
        return block;
    }
    Block::new(block.column_type(), block.into_values())
}

/// A block of nulls.
#[must_use]
pub fn all_null(column_type: ColumnType, rows: usize) -> Block {
    let mut values = Values::empty_of(column_type);
    (0..rows).for_each(|_| values.push_placeholder());
    Block::new(column_type, values).with_nulls(Some(vec![true; rows]))
}
