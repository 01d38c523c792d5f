//! The six reports, read from the tables for people: in a terminal, and wherever else they look.
//!
//! It knows the report tables and views of `schema.sql`, and nothing of how they are kept.

mod catalogue;
mod commits;
mod picture;
mod query;
mod show;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, bail};
use chrono::NaiveDate;
use postgres::types::{ToSql, Type};
use postgres::{Client, Statement, Transaction};
use serde::Serialize;

use crate::database::{Target, connect, explained, snapshot};
use crate::failure::Failure;
use crate::notice::Notice;
pub use commits::Commits;
pub use query::{NAMES, Query};
pub use show::{Format, Record, Shape};

/// A reader waits no longer for an answer than a person would.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A session that can only read.
pub struct Reader {
    client: Client,
    /// What was asked before, as it may be asked again and again.
    prepared: HashMap<String, Statement>,
}

/// What a report says.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What it is about, as a line for a person.
    pub title: String,
    /// The columns' names, as in the database.
    pub columns: Vec<String>,
    /// The rows; `views` is the last column of each.
    pub rows: Vec<Vec<Cell>>,
}

/// One value of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// A text, which may come out of an event: anything may stand in it.
    Text(String),
    /// A rank, an hour or a number of views.
    Number(i64),
    /// A day.
    Day(NaiveDate),
}

/// Why a report has no rows, as a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Nothing(String);

/// A database without tables of Freshet.
#[derive(Debug, thiserror::Error)]
#[error("there are no tables of Freshet in this database; `freshet run` makes them, or --database-url is wrong")]
pub struct NoTables;

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
}

impl Position {
    /// What came after an earlier one.
    pub fn since(self, before: Position) -> Position {
        Position {
            next_offsets: self.next_offsets - before.next_offsets,
            consumed: self.consumed - before.consumed,
            counted: self.counted - before.counted,
            ignored: self.ignored - before.ignored,
            rejected: self.rejected - before.rejected,
        }
    }
}

impl From<&Notice> for Position {
    fn from(notice: &Notice) -> Position {
        let Notice { next_offsets, consumed, counted, ignored, rejected, .. } = *notice;
        Position { next_offsets, consumed, counted, ignored, rejected }
    }
}

impl Reader {
    /// Connects to a database that has the tables. No statement takes longer than `patience`.
    pub fn connect(target: &Target, patience: Duration) -> Result<Reader> {
        let mut client = connect(target)?;
        let patience = patience.as_millis();
        explained(
            client
                .batch_execute(&format!("SET default_transaction_read_only = on; SET statement_timeout = {patience}")),
        )?;
        let there = "SELECT to_regclass('report_day') IS NOT NULL AND to_regclass('progress') IS NOT NULL,
            to_regclass('dim_product') IS NOT NULL";
        let there = explained(client.query_one(there, &[]))?;
        if !there.get::<_, bool>(0) {
            bail!(NoTables);
        }
        if !there.get::<_, bool>(1) {
            let what = "these tables are of an earlier version of Freshet, without names of products";
            bail!(Failure::OtherTables(format!("{what}; use the program that wrote them")));
        }
        Ok(Reader { client, prepared: HashMap::new() })
    }

    /// All tables as of one moment.
    pub fn snapshot(&mut self) -> Result<Snapshot<'_>> {
        Ok(Snapshot { transaction: snapshot(&mut self.client)?, prepared: &mut self.prepared })
    }
}

/// All tables as of one moment.
pub struct Snapshot<'a> {
    transaction: Transaction<'a>,
    prepared: &'a mut HashMap<String, Statement>,
}

impl Snapshot<'_> {
    /// What a report says. The error is [`Nothing`] where it says nothing, as about a product that nobody has viewed.
    pub fn read(&mut self, query: &Query) -> Result<Answer> {
        query.answer(self)
    }

    /// How far the tables are.
    pub fn position(&mut self) -> Result<Position> {
        let sums = ["next_offset", "consumed", "counted", "ignored", "rejected"]
            .map(|column| format!("coalesce(sum({column}), 0)::bigint"));
        let query = format!("SELECT {} FROM progress", sums.join(", "));
        let statement = self.prepare(&query)?;
        let row = explained(self.transaction.query_one(&statement, &[]))?;
        let [next_offsets, consumed, counted, ignored, rejected] = [0, 1, 2, 3, 4].map(|index| row.get(index));
        Ok(Position { next_offsets, consumed, counted, ignored, rejected })
    }

    /// Runs a query, whose result becomes the answer as it is.
    fn rows(&mut self, title: String, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Answer> {
        let statement = self.prepare(query)?;
        let columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let rows = explained(self.transaction.query(&statement, parameters))?;
        let rows = rows.iter().map(|row| (0..row.len()).map(|index| cell(row, index)).collect());
        Ok(Answer { title, columns, rows: explained(rows.collect::<Result<_, _>>())? })
    }

    /// One value, if there is one.
    fn value<T>(&mut self, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Option<T>>
    where
        T: for<'b> postgres::types::FromSql<'b>,
    {
        let statement = self.prepare(query)?;
        Ok(explained(self.transaction.query_opt(&statement, parameters))?.and_then(|row| row.get(0)))
    }

    /// A query, which the session knows once it was asked.
    fn prepare(&mut self, query: &str) -> Result<Statement> {
        if let Some(known) = self.prepared.get(query) {
            return Ok(known.clone());
        }
        let statement = explained(self.transaction.prepare(query))?;
        self.prepared.insert(query.to_owned(), statement.clone());
        Ok(statement)
    }
}

fn cell(row: &postgres::Row, index: usize) -> Result<Cell, postgres::Error> {
    Ok(match *row.columns()[index].type_() {
        Type::DATE => Cell::Day(row.try_get(index)?),
        Type::INT2 => Cell::Number(row.try_get::<_, i16>(index)?.into()),
        Type::INT8 => Cell::Number(row.try_get(index)?),
        _ => Cell::Text(row.try_get(index)?),
    })
}
