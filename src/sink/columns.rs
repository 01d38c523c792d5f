//! Rows turned into columns: arrays that Postgres's `unnest` turns into rows again.

use std::borrow::Cow;

use dataflows::model::ColumnType;
use dataflows::{Cell, Model};
use postgres::types::ToSql;

use super::date::Date;
use super::indexed::Indexed;

/// One column of several rows.
#[derive(Debug)]
pub(super) enum Column<'a> {
    Text(Vec<Option<Cow<'a, str>>>),
    LongText(Vec<Cow<'a, str>>, Vec<&'a [u8]>),
    Date(Vec<Option<Date>>),
    Smallint(Vec<i16>),
    Bigint(Vec<i64>),
}

impl<'a> Column<'a> {
    fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Text => Column::Text(Vec::new()),
            ColumnType::LongText => Column::LongText(Vec::new(), Vec::new()),
            ColumnType::Date => Column::Date(Vec::new()),
            ColumnType::Smallint => Column::Smallint(Vec::new()),
            ColumnType::Bigint => Column::Bigint(Vec::new()),
        }
    }

    fn push(&mut self, cell: Cell<'a>, digest: &'a [u8]) {
        match (self, cell) {
            (Column::Text(column), Cell::Text(text)) => column.push(Some(text)),
            (Column::Text(column), Cell::Null) => column.push(None),
            (Column::LongText(column, digests), Cell::Text(text)) => {
                digests.push(digest);
                column.push(text);
            }
            (Column::Date(column), Cell::Date(day)) => column.push(Some(Date(day))),
            (Column::Date(column), Cell::Null) => column.push(None),
            (Column::Smallint(column), Cell::Smallint(number)) => column.push(number),
            (Column::Bigint(column), Cell::Bigint(number)) => column.push(number),
            (column, cell) => unreachable!("a cell {cell:?} in {column:?}: a table's description is wrong"),
        }
    }

    /// The arrays in which Postgres gets this column.
    fn arrays<'b>(&'b self, give: &mut Vec<&'b (dyn ToSql + Sync)>) {
        match self {
            Column::Text(column) => give.push(column),
            Column::LongText(column, digests) => give.extend([column as &(dyn ToSql + Sync), digests]),
            Column::Date(column) => give.push(column),
            Column::Smallint(column) => give.push(column),
            Column::Bigint(column) => give.push(column),
        }
    }
}

/// These columns of these rows.
pub(super) fn of_rows<'a, 'c>(
    model: &Model,
    columns: impl Iterator<Item = &'c dataflows::model::Column>,
    rows: &'a [Indexed<'a>],
) -> Vec<Column<'a>> {
    let mut columns: Vec<_> = columns.map(|column| Column::new(column.kind)).collect();
    for Indexed { row, digest, .. } in rows {
        let mut column = columns.iter_mut();
        row.cells(model, |cell| {
            if let Some(column) = column.next() {
                column.push(cell, digest);
            }
        });
    }
    columns
}

/// The columns as parameters of a statement.
pub(super) fn parameters<'a>(columns: &'a [Column<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    let mut parameters = Vec::new();
    columns.iter().for_each(|column| column.arrays(&mut parameters));
    parameters
}
