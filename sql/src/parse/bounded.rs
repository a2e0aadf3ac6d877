//! The grammar at hand with an end to its work.
//!
//! Must not know: what a text means. Invariant: what this dialect takes is what `GenericDialect` takes, read alike. Where a name's
//! parts or subscripts leave two readings open, the parser tries one after the other, each with all that follows: unbounded,
//! `a.b.c. .. .(` of 300 bytes would hold a thread for minutes.

use std::any::TypeId;
use std::cell::Cell;

use sqlparser::ast::{self, Expr};
use sqlparser::dialect::{Dialect, GenericDialect};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// Beginnings of expressions that any text may have.
const LEAST: usize = 10_000;
/// Beginnings of expressions for each byte: a text of one reading has less than one.
const PER_BYTE: usize = 32;

/// `GenericDialect` for one text.
#[derive(Debug)]
struct Bounded {
    left: Cell<usize>,
}

impl Bounded {
    fn of(sql: &str) -> Self {
        Self {
            left: Cell::new(LEAST + PER_BYTE * sql.len()),
        }
    }
}

/// The answers of `GenericDialect` that are not the trait's own.
macro_rules! as_generic {
    ($($flag:ident,)*) => {
        $(fn $flag(&self) -> bool {
            GenericDialect.$flag()
        })*
    };
}

impl Dialect for Bounded {
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        GenericDialect.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        GenericDialect.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        GenericDialect.is_identifier_part(ch)
    }

    fn parse_prefix(&self, _: &mut Parser) -> Option<Result<Expr, ParserError>> {
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                None
            }
            // The one error after which the parser tries nothing else.
            None => Some(Err(ParserError::RecursionLimitExceeded)),
        }
    }

    as_generic! {
        supports_unicode_string_literal,
        supports_partition_by_after_order_by,
        supports_array_join_syntax,
        supports_group_by_expr,
        supports_group_by_with_modifier,
        supports_left_associative_joins_without_parens,
        supports_connect_by,
        supports_match_recognize,
        supports_pipe_operator,
        supports_start_transaction_modifier,
        supports_window_function_null_treatment_arg,
        supports_dictionary_syntax,
        supports_window_clause_named_window_reference,
        supports_parenthesized_set_variables,
        supports_select_wildcard_except,
        support_map_literal_syntax,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_extract_comma_syntax,
        supports_create_view_comment_syntax,
        supports_parens_around_table_factor,
        supports_values_as_table_factor,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_limit_comma,
        supports_update_order_by,
        supports_from_first_select,
        supports_projection_trailing_commas,
        supports_asc_desc_in_column_definition,
        supports_try_convert,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_assignment_operator,
        supports_struct_literal,
        supports_empty_projections,
        supports_nested_comments,
        supports_multiline_comment_hints,
        supports_user_host_grantee,
        supports_string_escape_constant,
        supports_array_typedef_with_brackets,
        supports_match_against,
        supports_set_names,
        supports_comma_separated_set_assignments,
        supports_filter_during_aggregation,
        supports_select_wildcard_exclude,
        supports_data_type_signed_suffix,
        supports_interval_options,
        supports_quote_delimited_string,
        supports_select_wildcard_replace,
        supports_select_wildcard_ilike,
        supports_select_wildcard_rename,
        supports_optimize_table,
        supports_install,
        supports_detach,
        supports_prewhere,
        supports_with_fill,
        supports_limit_by,
        supports_interpolate,
        supports_settings,
        supports_select_format,
        supports_comment_optimizer_hint,
        supports_constraint_keyword_without_name,
        supports_key_column_option,
        supports_comma_separated_trim,
        supports_cte_without_as,
        supports_select_item_multi_column_alias,
        supports_xml_expressions,
    }
}

/// Parses a text; `tokens` are its tokens where they are not to be read from it.
///
/// # Errors
/// Where it is not SQL, nests too deeply, or leaves too many readings open.
pub(super) fn statements(
    sql: &str,
    tokens: Option<Vec<TokenWithSpan>>,
) -> Result<Vec<ast::Statement>, ParserError> {
    let dialect = Bounded::of(sql);
    let parser = Parser::new(&dialect);
    let mut parser = match tokens {
        Some(tokens) => parser.with_tokens_with_locations(tokens),
        None => parser.try_with_sql(sql)?,
    };
    parser.parse_statements().map_err(explained)
}

/// Parses one expression, and gives the token after it.
///
/// # Errors
/// As [`statements`].
pub(super) fn expression(text: &str) -> Result<(Expr, Token), ParserError> {
    let dialect = Bounded::of(text);
    let mut parser = Parser::new(&dialect).try_with_sql(text)?;
    let expr = parser.parse_expr().map_err(explained)?;
    Ok((expr, parser.peek_token().token))
}

fn explained(error: ParserError) -> ParserError {
    match error {
        ParserError::RecursionLimitExceeded => ParserError::ParserError(
            "the text nests too deeply, or its names have too many parts to tell how it is meant"
                .to_owned(),
        ),
        other => other,
    }
}
