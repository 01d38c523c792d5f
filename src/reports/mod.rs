//! The reports of a model, read from the tables for people: in a terminal, and on the page.
//!
//! ```text
//! ReportQuery ──form: how its rows are found──► SQL ──► ReportRows (or NoData: why there are none)
//! ```
//!
//! It knows the tables as the model describes them, and nothing about how they are written.

mod catalogue;
mod compared;
mod form;
mod over;
mod period;
mod picture;
mod query;
mod run;
mod search;
mod share;
mod show;
mod sql;
mod trend;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use chrono::NaiveDate;
use dataflows::STORE_NAMES;
use dataflows::model::Model;
use postgres::types::{ToSql, Type};
use serde::Serialize;

use crate::database::{Target, db_result};
use crate::failure::Failure;
use crate::notify::{Listener, Notice};
use crate::sink;
pub use crate::sink::NoTables;
pub use catalogue::{Values, is_in_all_events};
pub use form::{Parameter, ReportColumn, chosen_fields, columns, parameters, with_name};
pub use over::{columns_over, filters, has_whole, is_list, is_over_days};
pub use period::{Comparison, DAYS_MAX, DayRange, HOURLY_DAYS_MAX, Period, Span, WrongPeriod};
pub use query::{ReportQuery, titled};
pub use run::Run;
use search::Similarity;
pub use show::{CsvCells, Format, Record, Room};
pub use trend::TrendQuery;
pub use whole::{Whole, sites};

/// How long a reader waits for an answer: as long as a person would.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A session in which reports are read.
pub struct Reader {
    tables: sink::Reader,
    /// The model of the tables.
    model: Arc<Model>,
    /// The time limit of a statement.
    patience: Duration,
    /// How similar texts are found, if Postgres has the extension.
    similarity: Option<Similarity>,
}

/// The answer of a report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReportRows {
    /// What it is about, as a line for a person.
    pub title: String,
    /// The days that it sums up, if it is about several.
    pub span: Option<Span>,
    /// The days that they are compared with, if there are any.
    pub compared: Option<Span>,
    /// The columns' names, as in the database.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// How many rows there are in all, if the whole list was asked for.
    pub total: Option<u64>,
    /// Columns that are the same in all rows, as the query selects one value: the title has it.
    pub said: Vec<usize>,
    /// Columns with the name of the value before them, or with the value again where it has no name.
    pub named: Vec<usize>,
}

/// One value of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// A text, which may come from an event and hold anything.
    Text(String),
    /// A rank, an hour or a number of views.
    Number(i64),
    /// A day.
    Day(NaiveDate),
    /// A percentage.
    Percent(f64),
    /// A value that the tables cannot tell.
    Unknown,
}

/// The columns with numbers that a report has, besides ranks and hours.
const NUMBERS: [&str; 4] = ["views", "views_before", "change_percent", "share_percent"];

/// The percentage of a whole, rounded to one decimal.
fn percent(part: i64, whole: i64) -> f64 {
    (part as f64 * 1000.0 / whole as f64).round() / 10.0
}

/// Why a report has no rows, and which queries have some.
#[derive(Debug, thiserror::Error)]
#[error("{what}{}", hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}")))]
pub struct NoData {
    /// What is missing.
    pub what: String,
    /// What there is instead, or the command that lists it.
    pub hint: Option<String>,
    /// The first and the last day that have rows, if only the days of the query have none.
    pub days: Option<(NaiveDate, NaiveDate)>,
    /// Whether nothing is counted at all.
    pub is_everything: bool,
}

impl NoData {
    fn new(what: impl Into<String>, hint: impl Into<Option<String>>) -> NoData {
        NoData { what: what.into(), hint: hint.into(), days: None, is_everything: false }
    }

    /// There are rows on other days.
    fn then(what: impl Into<String>, which: &str, (first, last): (NaiveDate, NaiveDate)) -> NoData {
        let days = Some((first, last));
        NoData { days, ..NoData::new(what, format!("{which} lie between {first} and {last}")) }
    }
}

/// How far the tables are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Position {
    /// The sum of all partitions' next offsets.
    pub next_offsets: i64,
    /// Records read.
    pub consumed: i64,
    /// Those that the reports count.
    pub counted: i64,
    /// Those of collections that are not counted.
    pub ignored: i64,
    /// Those that could not be counted.
    pub rejected: i64,
    /// Those of crawlers that were left out.
    pub bot: i64,
}

impl Position {
    /// The difference from an earlier position.
    pub fn since(self, before: Position) -> Position {
        Position {
            next_offsets: self.next_offsets - before.next_offsets,
            consumed: self.consumed - before.consumed,
            counted: self.counted - before.counted,
            ignored: self.ignored - before.ignored,
            rejected: self.rejected - before.rejected,
            bot: self.bot - before.bot,
        }
    }
}

impl From<&Notice> for Position {
    fn from(notice: &Notice) -> Position {
        let Notice { next_offsets, consumed, counted, ignored, rejected, bot, .. } = *notice;
        Position { next_offsets, consumed, counted, ignored, rejected, bot }
    }
}

impl Reader {
    /// Connects to a database that has the tables of this model. No statement takes longer than `patience`.
    pub fn connect(target: &Target, patience: Duration, model: Arc<Model>) -> Result<Reader> {
        let mut tables = sink::Reader::open(target)?;
        let similarity = Similarity::detect(&mut tables.client)?;
        let mut reader = Reader { tables, patience, model, similarity };
        let there = "SELECT to_regclass('report_day') IS NOT NULL AND to_regclass('progress') IS NOT NULL";
        if reader.snapshot()?.value(there, &[])? != Some(true) {
            bail!(NoTables);
        }
        Ok(reader)
    }

    /// Checks that the tables are those of the model.
    ///
    /// # Errors
    /// If one is missing.
    pub fn check_tables(&mut self) -> Result<()> {
        let names: Vec<_> = self.model.tables.iter().map(|table| table.name.clone()).collect();
        let missing = "SELECT name FROM unnest($1) WITH ORDINALITY AS named (name, place)
            WHERE to_regclass(quote_ident(name)) IS NULL ORDER BY place LIMIT 1";
        let missing: Option<String> = self.snapshot()?.value(missing, &[(&names, Type::TEXT_ARRAY)])?;
        let Some(missing) = missing else { return Ok(()) };
        let what = format!(
            "there is no table {missing} here; an earlier version of Freshet wrote these tables, or a run with"
        );
        bail!(Failure::OtherTables(format!("{what} other reports: use the program and the --reports that wrote them")));
    }

    /// Turns on fuzzy search of names, which needs an extension of Postgres.
    ///
    /// # Errors
    /// If the extension cannot be created; everything else works without it.
    pub fn find_alike(&mut self) -> Result<()> {
        if self.similarity.is_none() {
            Similarity::make(&mut self.tables.client, &self.tables.schema)?;
            self.similarity = Similarity::detect(&mut self.tables.client)?;
        }
        Ok(())
    }

    /// Listens to commits to these tables from now on.
    ///
    /// # Errors
    /// If the session cannot.
    pub fn listen(&mut self) -> Result<Listener> {
        Listener::start(&mut self.tables.client, &self.tables.schema)
    }

    /// The next commit, if there is one within this time.
    ///
    /// # Errors
    /// Those of [`Listener::next`].
    pub fn next_commit(&mut self, listener: &mut Listener, timeout: Duration) -> Result<Option<Notice>> {
        listener.next(&mut self.tables.client, timeout)
    }

    /// A snapshot of all tables.
    pub fn snapshot(&mut self) -> Result<Snapshot<'_>> {
        let mut tables = self.tables.snapshot()?;
        let patience = self.patience.as_millis();
        // JIT compilation takes longer than any query; and further cores are for the writer.
        let limits = "SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0";
        let begin = format!("SET LOCAL statement_timeout = {patience}; {limits}; SAVEPOINT begin");
        db_result(tables.transaction.batch_execute(&begin))?;
        Ok(Snapshot { tables, model: Arc::clone(&self.model), similarity: self.similarity.clone() })
    }
}

/// A snapshot of all tables. Its queries are unnamed statements, which end with the transaction.
pub struct Snapshot<'a> {
    tables: sink::Snapshot<'a>,
    model: Arc<Model>,
    similarity: Option<Similarity>,
}

/// A parameter of a query, and its type.
type Given<'a> = (&'a (dyn ToSql + Sync), Type);

impl Snapshot<'_> {
    /// The model of the tables.
    pub fn model(&self) -> Arc<Model> {
        Arc::clone(&self.model)
    }

    /// Reads a report, up to `limit` rows. The error is [`NoData`] if it has no rows, as for a product that nobody has viewed.
    pub fn read(&mut self, query: &ReportQuery, limit: Option<u32>) -> Result<ReportRows> {
        query.answer(self, limit.map(i64::from))
    }

    /// These columns, without names that were not given.
    fn with_given_names(&mut self, mut columns: Vec<ReportColumn>) -> Result<Vec<ReportColumn>> {
        if columns.iter().any(|column| column.is_given(&self.model)) {
            let query = format!("SELECT EXISTS (SELECT FROM {})", STORE_NAMES.0);
            let are_there: bool = db_result(self.tables.transaction.query_typed_one(&query, &[]))?.get(0);
            columns.retain(|column| are_there || !column.is_given(&self.model));
        }
        Ok(columns)
    }

    /// All views of each of some days, or of each of their hours.
    pub fn trend(&mut self, query: &TrendQuery) -> Result<ReportRows> {
        query.answer(self)
    }

    /// Rolls back after a failed query, so that the same snapshot can be read further.
    ///
    /// # Errors
    /// If the session is lost.
    pub fn recover(&mut self) -> Result<()> {
        db_result(self.tables.transaction.batch_execute("ROLLBACK TO SAVEPOINT begin"))
    }

    /// How far the tables are.
    pub fn position(&mut self) -> Result<Position> {
        let sums = ["next_offset", "consumed", "counted", "ignored", "rejected", "bot"]
            .map(|column| format!("coalesce(sum({column}), 0)::bigint"));
        let query = format!("SELECT {} FROM progress", sums.join(", "));
        let row = db_result(self.tables.transaction.query_typed_one(&query, &[]))?;
        let [next_offsets, consumed, counted, ignored, rejected, bot] = [0, 1, 2, 3, 4, 5].map(|index| row.get(index));
        Ok(Position { next_offsets, consumed, counted, ignored, rejected, bot })
    }

    /// Runs a query, whose columns and rows become the answer.
    fn rows(&mut self, title: String, query: &str, parameters: &[Given<'_>]) -> Result<ReportRows> {
        let rows = db_result(self.tables.transaction.query_typed(query, parameters))?;
        let columns = match rows.first() {
            Some(row) => names(row),
            // The library returns columns only with a row.
            None => {
                let one_row = format!("SELECT asked.* FROM (SELECT) AS one LEFT JOIN ({query}) AS asked ON true");
                names(&db_result(self.tables.transaction.query_typed_one(&one_row, parameters))?)
            }
        };
        let rows = rows.iter().map(|row| (0..row.len()).map(|index| cell(row, index)).collect());
        let rows = db_result(rows.collect::<Result<_, _>>())?;
        Ok(ReportRows { title, columns, rows, ..ReportRows::default() })
    }

    /// One value, if there is one.
    fn value<T>(&mut self, query: &str, parameters: &[Given<'_>]) -> Result<Option<T>>
    where
        T: for<'b> postgres::types::FromSql<'b>,
    {
        Ok(db_result(self.tables.transaction.query_typed_opt(query, parameters))?.and_then(|row| row.get(0)))
    }
}

fn names(row: &postgres::Row) -> Vec<String> {
    row.columns().iter().map(|column| column.name().to_owned()).collect()
}

fn cell(row: &postgres::Row, index: usize) -> Result<Cell, postgres::Error> {
    Ok(match *row.columns()[index].type_() {
        Type::DATE => Cell::Day(row.try_get(index)?),
        Type::INT2 => Cell::Number(row.try_get::<_, i16>(index)?.into()),
        Type::INT8 => Cell::Number(row.try_get(index)?),
        _ => row.try_get::<_, Option<String>>(index)?.map_or(Cell::Unknown, Cell::Text),
    })
}

#[cfg(test)]
mod tests;
