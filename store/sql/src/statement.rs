//! What text is accepted at all: one query that only reads, and that is not absurdly large.

use datafusion::execution::SessionState;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;

use crate::error::{SqlError, not_found};

/// Longest query, in bytes.
const QUERY_BYTES_MAX: usize = 256 << 10;

/// Parses and plans a query.
pub(crate) async fn plan(state: &SessionState, sql: &str, memory_bytes: usize) -> Result<LogicalPlan, SqlError> {
    if sql.len() > QUERY_BYTES_MAX {
        return Err(SqlError::invalid(format!("query has {} bytes, at most {QUERY_BYTES_MAX} are allowed", sql.len())));
    }
    let translate = |error| SqlError::of_engine(&error, memory_bytes);
    let dialect = state.config().options().sql_parser.dialect;
    let statement = state.sql_to_statement(sql, &dialect).map_err(translate)?;
    check_reads_only(&statement)?;
    check_tables(state, &statement)?;
    let plan = state.statement_to_plan(statement).await.map_err(translate)?;
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(&plan).map_err(|_| refused("this"))?;
    Ok(plan)
}

fn check_reads_only(statement: &Statement) -> Result<(), SqlError> {
    use ast::Statement as Sql;
    match statement {
        Statement::Explain(explain) => check_reads_only(&explain.statement),
        Statement::Statement(sql) => match **sql {
            Sql::Query(_)
            | Sql::ExplainTable { .. }
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
            return Err(SqlError::invalid(format!("no schema for table {table}; the schemas are public, m and information_schema")));
        };
        if !schema.table_exist(&name) {
            let known = schema.table_names();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            return Err(SqlError::invalid(not_found("table", &name, &known, "tables")));
        }
    }
    Ok(())
}
