//! The days that have views.

use super::{Attributes, DimensionKey};
use crate::model::{Column, ColumnType, DimensionTable, Table, TableRows};
use crate::{Row, RowReader};

/// The days. Postgres derives the columns of the calendar.
pub(crate) fn table() -> Table {
    let key = vec![Column::new("day", ColumnType::Date)];
    let values = vec![];
    Table {
        name: "dim_date".into(),
        key,
        values,
        rows: TableRows::Members(DimensionTable::Date),
        about: "dim_date".into(),
    }
}

/// The row of these cells.
pub(crate) fn read(cells: &mut RowReader<'_, '_>) -> Option<Row> {
    Some(Row::member(DimensionKey::Date(cells.day()?), Attributes::default()))
}
