//! Expressions bound to columns and functions, and their evaluation over a block of rows.
//!
//! Must not know: segments; columns come from a [`Rows`]. Invariant: the result has the type that binding announced.

use common::{Block, ColumnType, DataType, Value, Values};
use functions::aggregate::placed;
use functions::scalar::{self, Argument, BoundScalar, EvalContext, NullRule, Role};
use sql::Expr;

use crate::{QueryError, json_text};

/// An expression bound to its inputs.
#[derive(Debug, Clone)]
pub enum BoundExpr {
    /// The column at that position of the plan.
    Column(usize, ColumnType),
    /// A constant.
    Literal(Value, ColumnType),
    /// A call.
    Call {
        /// The function.
        function: BoundScalar,
        /// Its arguments.
        args: Vec<BoundExpr>,
    },
}

/// Where columns come from.
pub trait Rows {
    /// Number of rows.
    fn rows(&self) -> usize;
    /// A column; `nulls` asks for null flags even where null handling is off.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn column(&mut self, index: usize, nulls: bool) -> Result<Block, QueryError>;
    /// Whether columns come with their nulls unasked.
    fn handles_nulls(&self) -> bool {
        true
    }
}

impl BoundExpr {
    /// The type of the result.
    #[must_use]
    pub fn column_type(&self) -> ColumnType {
        match self {
            Self::Column(_, column_type) | Self::Literal(_, column_type) => *column_type,
            Self::Call { function, .. } => function.returns(),
        }
    }

    /// The column's position, where the expression is just a column.
    #[must_use]
    pub fn as_column(&self) -> Option<usize> {
        match self {
            Self::Column(index, _) => Some(*index),
            _ => None,
        }
    }

    /// Binds an expression. `column` finds a column's position and type.
    ///
    /// # Errors
    /// For unknown columns and functions.
    pub fn bind(
        expr: &Expr,
        role: Role,
        column: &mut impl FnMut(&str) -> Result<(usize, ColumnType), QueryError>,
    ) -> Result<Self, QueryError> {
        match expr {
            Expr::Column(name) => {
                column(name).map(|(index, column_type)| Self::Column(index, column_type))
            }
            Expr::Literal(value) => Ok(Self::Literal(value.clone(), value.column_type())),
            Expr::Star => Err(QueryError::validation("`*` is no expression")),
            Expr::Call(call) => {
                let args = call
                    .args
                    .iter()
                    .map(|arg| Self::bind(arg, role, column))
                    .collect::<Result<Vec<_>, _>>()?;
                let arguments: Vec<Argument> = args.iter().map(Self::as_argument).collect();
                let function = scalar::bind(&call.name, &arguments, role)?;
                match role {
                    Role::Transform => json_text::read(function, args),
                    _ => Ok(Self::Call { function, args }),
                }
            }
        }
    }

    /// The expression as an argument of a function.
    #[must_use]
    pub fn as_argument(&self) -> Argument {
        let literal = match self {
            Self::Literal(value, _) => Some(value.clone()),
            _ => None,
        };
        Argument {
            column_type: self.column_type(),
            literal,
        }
    }

    /// Calls `f` with the position of every column in it.
    pub fn visit_columns(&self, f: &mut impl FnMut(usize)) {
        match self {
            Self::Column(index, _) => f(*index),
            Self::Literal(..) => {}
            Self::Call { args, .. } => args.iter().for_each(|arg| arg.visit_columns(f)),
        }
    }

    /// True for a call in which no function looks at nulls.
    #[must_use]
    pub fn is_blind_to_nulls(&self) -> bool {
        fn blind(expr: &BoundExpr) -> bool {
            match expr {
                BoundExpr::Column(..) | BoundExpr::Literal(..) => true,
                BoundExpr::Call { function, args } => {
                    function.function().nulls != NullRule::Sees && args.iter().all(blind)
                }
            }
        }
        matches!(self, Self::Call { .. }) && blind(self)
    }

    /// True for a call in which a CASE chooses: its nulls are those of what it chose.
    fn chooses(&self) -> bool {
        match self {
            Self::Call { function, args } => is_choice(function) || args.iter().any(Self::chooses),
            _ => false,
        }
    }

    /// Evaluates where only the nulls are asked for. A value that a function refuses is none then.
    ///
    /// # Errors
    /// Where a condition of a CASE fails.
    pub fn evaluate_presence(
        &self,
        rows: &mut dyn Rows,
        context: &EvalContext,
    ) -> Result<Block, QueryError> {
        if !self.is_blind_to_nulls() {
            let evaluated = self.evaluate(rows, context);
            if evaluated.is_ok() || self.chooses() {
                return evaluated;
            }
        }
        if rows.handles_nulls() {
            return self.nulls_alone(rows);
        }
        Ok(Block::constant(DataType::Int, &Value::Int(0), rows.rows()))
    }

    /// Evaluates over rows.
    ///
    /// # Errors
    /// Where a function refuses a value.
    pub fn evaluate(
        &self,
        rows: &mut dyn Rows,
        context: &EvalContext,
    ) -> Result<Block, QueryError> {
        self.evaluate_with(rows, context, false)
    }

    fn evaluate_with(
        &self,
        rows: &mut dyn Rows,
        context: &EvalContext,
        nulls: bool,
    ) -> Result<Block, QueryError> {
        match self {
            Self::Column(index, _) => rows.column(*index, nulls),
            Self::Literal(value, column_type) => {
                Ok(Block::constant(*column_type, value, rows.rows()))
            }
            Self::Call { function, args } => {
                let sees = function.function().nulls.sees_nulls();
                let recorded = nulls && !rows.handles_nulls();
                let wants_nulls = asks_for_null(function) || (recorded && sees);
                if let [tested @ Self::Call { .. }] = args.as_slice()
                    && is_null_test(function)
                {
                    let block = tested.evaluate_with(rows, context, wants_nulls);
                    let block = block.or_else(|_| tested.nulls_alone(rows))?;
                    return Ok(function.call(&[block], rows.rows(), context)?);
                }
                let choice = is_choice(function);
                let results = args.iter().enumerate().map(|(at, arg)| {
                    // Of a CASE the values are recorded as null; its conditions read what stands for nulls.
                    let condition = choice && is_condition(at, args.len());
                    arg.evaluate_with(rows, context, wants_nulls && !condition)
                });
                let blocks = if choice {
                    taken(results.collect(), args, rows.rows())?
                } else {
                    results.collect::<Result<Vec<_>, _>>()?
                };
                let decides = function.function().nulls == NullRule::Sees;
                let blocks = match decides || rows.handles_nulls() || !function.is_transform() {
                    true => blocks,
                    false => read(function, args, blocks),
                };
                let block = function.call(&blocks, rows.rows(), context)?;
                if sees || !recorded {
                    return Ok(block);
                }
                Self::with_recorded_nulls(block, args, rows, context)
            }
        }
    }
}

impl BoundExpr {
    /// True for a call with a literal null among its arguments, or theirs.
    fn has_null(&self) -> bool {
        match self {
            Self::Column(..) => false,
            Self::Literal(value, _) => value.is_null(),
            Self::Call { function, args } => {
                !function.function().nulls.sees_nulls() && args.iter().any(Self::has_null)
            }
        }
    }

    /// The nulls of a call that fails, below a test of nothing else: Pinot reads those of its columns and never calls it.
    fn nulls_alone(&self, rows: &mut dyn Rows) -> Result<Block, QueryError> {
        let mut columns = Vec::new();
        self.visit_columns(&mut |column| columns.push(column));
        let mut flags = vec![self.has_null(); rows.rows()];
        for column in columns {
            let block = rows.column(column, true)?;
            flags
                .iter_mut()
                .enumerate()
                .for_each(|(row, flag)| *flag |= block.is_null(row));
        }
        let values = Values::Int(vec![0; flags.len()]);
        Ok(Block::new(DataType::Int, values).with_nulls(Some(flags)))
    }

    /// Without null handling a call is computed from the values that stand for nulls, yet it counts as null wherever one of its
    /// arguments is recorded as null.
    fn with_recorded_nulls(
        block: Block,
        args: &[Self],
        rows: &mut dyn Rows,
        context: &EvalContext,
    ) -> Result<Block, QueryError> {
        let recorded = args
            .iter()
            .map(|arg| arg.evaluate_with(rows, context, true))
            .collect::<Result<Vec<_>, _>>()?;
        let flags = (0..block.rows())
            .map(|row| recorded.iter().any(|argument| argument.is_null(row)))
            .collect::<Vec<bool>>();
        Ok(if flags.contains(&true) {
            block.flattened().with_nulls(Some(flags))
        } else {
            block
        })
    }
}

impl BoundExpr {
    /// Evaluates as a selection shows and sorts it: without null handling a null that an expression makes is what stands for it.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub(crate) fn evaluate_shown(
        &self,
        rows: &mut dyn Rows,
        context: &EvalContext,
    ) -> Result<Block, QueryError> {
        let shows_nulls = rows.handles_nulls();
        let block = self.evaluate(rows, context)?;
        Ok(match self {
            Self::Call { .. } if !shows_nulls => without_nulls(block),
            _ => block,
        })
    }
}

/// Transforms of numbers that read a literal null as zero; any other function is not called with one.
const READ_AS_ZERO: [&str; 14] = [
    "add", "atan2", "div", "divide", "greatest", "least", "minus", "mod", "mult", "plus", "pow",
    "power", "sub", "times",
];

/// What a transform reads where nulls are not told apart: zero, false or an empty text for a null that an expression made.
fn read(function: &BoundScalar, args: &[BoundExpr], blocks: Vec<Block>) -> Vec<Block> {
    let names = function.function().names;
    let zero = names.iter().any(|name| READ_AS_ZERO.contains(name));
    let read = |(arg, block): (&BoundExpr, Block)| match arg {
        BoundExpr::Literal(Value::Null, _) if zero => {
            Block::constant(DataType::Int, &Value::Int(0), block.rows())
        }
        _ => without_made_nulls(arg, block),
    };
    args.iter().zip(blocks).map(read).collect()
}

/// The block with what stands for nulls in place of those that an expression made.
pub(crate) fn without_made_nulls(expr: &BoundExpr, block: Block) -> Block {
    let made = matches!(expr, BoundExpr::Call { .. }) && !block.column_type().multi;
    if made { placed(block) } else { block }
}

/// True for CASE with conditions.
pub(crate) fn is_choice(function: &BoundScalar) -> bool {
    function.function().names.first() == Some(&"case")
}

/// True where an argument of a CASE is a condition; the others are what it answers, the last one too where their number is odd.
pub(crate) fn is_condition(at: usize, arguments: usize) -> bool {
    at.is_multiple_of(2) && at + 1 < arguments
}

/// The blocks of a CASE: what fails in a branch that no row takes is not asked for.
pub(crate) fn taken(
    results: Vec<Result<Block, QueryError>>,
    args: &[BoundExpr],
    rows: usize,
) -> Result<Vec<Block>, QueryError> {
    if results.iter().all(Result::is_ok) {
        return results.into_iter().collect();
    }
    let parts = results.len();
    let mut open = vec![true; rows];
    let mut blocks: Vec<Block> = Vec::with_capacity(results.len());
    let mut chosen = vec![false; rows];
    for (at, result) in results.into_iter().enumerate() {
        let is_branch = !is_condition(at, parts);
        let otherwise = is_branch && at % 2 == 0;
        let wanted = if otherwise { &open } else { &chosen };
        let block = match result {
            Err(_) if is_branch && !wanted.contains(&true) => {
                Block::constant(args[at].column_type(), &Value::Null, rows)
            }
            result => result?,
        };
        if !is_branch {
            for row in 0..rows {
                let holds = !block.is_null(row) && block.value(row) == Value::Boolean(true);
                chosen[row] = open[row] && holds;
                open[row] &= !holds;
            }
        }
        blocks.push(block);
    }
    Ok(blocks)
}

fn is_null_test(function: &BoundScalar) -> bool {
    matches!(
        function.function().names.first(),
        Some(&("isnull" | "isnotnull"))
    )
}

/// Functions whose whole purpose is null see recorded nulls in either null mode.
fn asks_for_null(function: &BoundScalar) -> bool {
    let row = function.function();
    row.nulls.sees_nulls()
        && matches!(
            row.names.first(),
            Some(&("isnull" | "isnotnull" | "coalesce" | "isdistinctfrom" | "isnotdistinctfrom"))
        )
}

/// A block's values with the placeholders of its nulls, as they show without null handling. An untyped NULL stays null.
#[must_use]
pub fn without_nulls(block: Block) -> Block {
    if block.nulls().is_none() || block.column_type().data_type == DataType::Unknown {
        block
    } else {
        block.with_nulls(None)
    }
}

/// A literal's type where it stands for a column of results: an untyped NULL is UNKNOWN.
#[must_use]
pub fn literal_type(value: &Value) -> ColumnType {
    if value.is_null() {
        ColumnType::sv(DataType::Unknown)
    } else {
        value.column_type()
    }
}
