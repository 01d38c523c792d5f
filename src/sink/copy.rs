//! New rows, added by COPY: none of them is looked for first, and many go to a page and a record of the log at once.
//! For Postgres that is less than half the work of an upsert.
//!
//! The format is Postgres's binary one, as its documentation of COPY has it: a signature, the rows, each with its number
//! of fields and each field with its length, and a trailer.

use std::io::{self, BufWriter, Write};
use std::ops::Range;

use anyhow::{Context, Result};
use chrono::NaiveDate;
use dataflows::{Cell, Column, Day, Kind, Row, Table};
use postgres::{Statement, Transaction};

use super::columns::{self, EPOCH};
use crate::database::explained;

/// The signature, no flags, no extension of the header.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Stands where a row would begin.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// The day 0 of Postgres's dates.
const POSTGRES_EPOCH: NaiveDate = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a date");

/// Adds rows to a table that holds none of them. `statement` is [`super::statements::copy`] of the table.
pub(super) fn add(
    transaction: &mut Transaction<'_>,
    statement: &Statement,
    table: &'static Table,
    rows: &[&Row],
) -> Result<()> {
    let mut file = File::new(table);
    rows.iter().for_each(|row| file.add(row));
    let mut copy = explained(transaction.copy_in(statement))?;
    match file.write(&mut copy) {
        Ok(()) => explained(copy.finish()).map(drop),
        Err(error) => match error.downcast() {
            Ok(error) => explained(Err(error)),
            Err(error) => Err(error.into()),
        },
    }
    .with_context(|| format!("new rows of {} could not be added", table.name))
}

/// How much is sent at once, in bytes.
const PART: usize = 1 << 18;

/// How much of a row's key decides about its place in the file, in bytes.
const ORDER: usize = 24;

/// The rows of one table, as COPY takes them.
struct File {
    table: &'static Table,
    /// The days between the two day 0.
    epochs: i32,
    bytes: Vec<u8>,
    /// Where each row stands, behind the beginning of its key.
    rows: Vec<([u8; ORDER], Range<usize>)>,
}

impl File {
    fn new(table: &'static Table) -> File {
        let epochs = POSTGRES_EPOCH.signed_duration_since(EPOCH).num_days() as i32;
        File { table, epochs, bytes: Vec::new(), rows: Vec::new() }
    }

    fn add(&mut self, row: &Row) {
        let from = self.bytes.len();
        let is_long = |column: &&Column| column.kind == Kind::LongText;
        let fields = self.table.columns().count() + self.table.columns().filter(is_long).count();
        self.bytes.extend((fields as i16).to_be_bytes());
        let (mut order, mut ordered) = ([0; ORDER], 0);
        let mut columns = self.table.columns().enumerate();
        row.cells(|cell| {
            let Some((index, column)) = columns.next() else { return };
            let field = self.cell(column.kind, &cell);
            if index < self.table.key.len() && ordered < ORDER {
                // A zero, as if it were a text's end, between this field and the next.
                let length = field.len().min(ORDER - ordered);
                order[ordered..ordered + length].copy_from_slice(&self.bytes[field][..length]);
                ordered += length + 1;
            }
        });
        self.rows.push((order, from..self.bytes.len()));
    }

    /// Adds a cell, and gives the field by which a row is found.
    fn cell(&mut self, kind: Kind, cell: &Cell<'_>) -> Range<usize> {
        match cell {
            Cell::Text(text) if kind == Kind::LongText => {
                self.field(text.as_bytes());
                self.field(&columns::digest(text))
            }
            Cell::Text(text) => self.field(text.as_bytes()),
            Cell::Date(Day(day)) => self.field(&(day - self.epochs).to_be_bytes()),
            Cell::Smallint(number) => self.field(&number.to_be_bytes()),
            Cell::Bigint(number) => self.field(&number.to_be_bytes()),
        }
    }

    fn field(&mut self, bytes: &[u8]) -> Range<usize> {
        self.bytes.extend((bytes.len() as i32).to_be_bytes());
        let from = self.bytes.len();
        self.bytes.extend(bytes);
        from..self.bytes.len()
    }

    /// Writes all of it, the rows in about the order of the table's index: so those that meet on a page of it are
    /// neighbours, which is worth a third of Postgres's time.
    fn write(mut self, to: &mut impl Write) -> io::Result<()> {
        self.rows.sort_unstable_by_key(|row| row.0);
        let mut to = BufWriter::with_capacity(PART, to);
        to.write_all(HEADER)?;
        for (_, row) in self.rows {
            to.write_all(&self.bytes[row])?;
        }
        to.write_all(&TRAILER)?;
        to.flush()
    }
}
