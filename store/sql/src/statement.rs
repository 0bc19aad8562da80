//! What text is accepted at all: one query that only reads, and that is not absurdly large.

use datafusion::execution::SessionState;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::{SqlError, not_found};
use crate::plugins;

/// Longest query, in bytes.
const QUERY_BYTES_MAX: usize = 256 << 10;
/// Most operators and keywords in a query. A chain of so many fits a thread's stack of 2 MiB.
const LINKS_MAX: usize = 300;

/// Parses and plans a query.
pub(crate) async fn plan(state: &SessionState, sql: &str, memory_bytes: usize) -> Result<LogicalPlan, SqlError> {
    if sql.len() > QUERY_BYTES_MAX {
        return Err(SqlError::invalid(format!("query has {} bytes, at most {QUERY_BYTES_MAX} are allowed", sql.len())));
    }
    let translate = |error| SqlError::of_engine(&error, memory_bytes);
    let mut statements = DFParser::parse_sql(sql).map_err(translate)?;
    let statement = statements.pop_front().ok_or_else(|| SqlError::invalid("query is empty"))?;
    if !statements.is_empty() {
        return Err(SqlError::invalid("only one statement at a time is answered"));
    }
    check_reads_only(&statement)?;
    check_size(sql)?;
    check_tables(state, &statement)?;
    let plan = state.statement_to_plan(statement).await.map_err(translate)?;
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(&plan).map_err(|_| refused("a change inside a query"))?;
    plugins::bind(plan).map_err(translate)
}

/// Refuses long chains such as `1+1+1+…`: every link makes the plan one level deeper, and the engine recurses into it.
/// Names, literals, commas and parentheses do not chain (the parser bounds the nesting of parentheses itself).
fn check_size(sql: &str) -> Result<(), SqlError> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize();
    let tokens = tokens.map_err(|error| SqlError::invalid(format!("sql syntax: {error}")))?;
    let links = tokens.iter().filter(|token| is_link(token)).count();
    if links > LINKS_MAX {
        return Err(SqlError::invalid(format!(
            "query has {links} operators and keywords, at most {LINKS_MAX} are allowed: use IN for a long list"
        )));
    }
    Ok(())
}

fn is_link(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.keyword != Keyword::NoKeyword && word.quote_style.is_none(),
        Token::Whitespace(_)
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Comma
        | Token::LParen
        | Token::RParen
        | Token::Period => false,
        _ => true,
    }
}

fn check_reads_only(statement: &Statement) -> Result<(), SqlError> {
    use ast::Statement as Sql;
    match statement {
        Statement::Explain(explain) => check_reads_only(&explain.statement),
        Statement::Statement(sql) => match **sql {
            Sql::Query(ref query) if !writes(&query.body) => Ok(()),
            Sql::ExplainTable { .. }
            | Sql::ShowTables { .. }
            | Sql::ShowColumns { .. }
            | Sql::ShowFunctions { .. }
            | Sql::ShowVariable { .. } => Ok(()),
            _ => Err(refused(&first_words(&sql.to_string()))),
        },
        other => Err(refused(&first_words(&other.to_string()))),
    }
}

fn refused(what: &str) -> SqlError {
    SqlError::invalid(format!(
        "{what} is not allowed: sql only reads, with SELECT, WITH, EXPLAIN, SHOW or DESCRIBE; use the write and delete endpoints to change data"
    ))
}

/// Whether a query only wraps a change: `WITH … INSERT …`.
fn writes(body: &ast::SetExpr) -> bool {
    use ast::SetExpr::{Delete, Insert, Merge, Update};
    matches!(body, Insert(_) | Update(_) | Delete(_) | Merge(_))
}

/// The capital words that a statement starts with: `CREATE EXTERNAL TABLE`.
fn first_words(text: &str) -> String {
    let is_keyword = |word: &&str| word.chars().all(|c| c.is_ascii_uppercase());
    let words: Vec<&str> = text.split_whitespace().take(3).take_while(is_keyword).collect();
    if words.is_empty() { "this".to_owned() } else { words.join(" ") }
}

/// Names a table that is not there, with what may have been meant.
fn check_tables(state: &SessionState, statement: &Statement) -> Result<(), SqlError> {
    let Ok(tables) = state.resolve_table_references(statement) else { return Ok(()) };
    for table in tables {
        let name = table.table().to_owned();
        let Ok(schema) = state.schema_for_ref(table.clone()) else {
            return Err(SqlError::invalid(format!(
                "no schema for table {table}; the schemas are public, m and information_schema"
            )));
        };
        if !schema.table_exist(&name) {
            let known = schema.table_names();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            return Err(SqlError::invalid(not_found("table", &name, &known, "tables")));
        }
    }
    Ok(())
}
