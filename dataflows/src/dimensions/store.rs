//! The stores, with the country that each is most seen in.

use super::{Attributes, DimensionKey, Seen};
use crate::model::{Column, ColumnType, DimensionTable, Table, TableRows};
use crate::{Cell, Row, RowReader, Text};

/// The stores.
pub(crate) fn table() -> Table {
    let key = vec![Column::new("store_id", ColumnType::Text)];
    let values = vec![
        Column::new("country", ColumnType::Text),
        Column::new("first_day", ColumnType::Date),
        Column::new("last_day", ColumnType::Date),
    ];
    Table {
        name: "dim_store".into(),
        key,
        values,
        rows: TableRows::Members(DimensionTable::Store),
        about: "dim_store".into(),
    }
}

/// The row of these cells.
pub(crate) fn read(cells: &mut RowReader<'_, '_>) -> Option<Row> {
    let (id, country) = (cells.id()?, cells.country()?);
    let seen = Some(Seen { first: cells.day()?, last: cells.day()? });
    let home = Some(country);
    Some(Row::member(DimensionKey::Store(id), Attributes { seen, home, ..Attributes::default() }))
}

/// The columns of a store.
pub(crate) fn cells<'a>(id: &'a Text, attributes: &'a Attributes, give: &mut impl FnMut(Cell<'a>)) {
    give(Cell::from(id));
    give(Cell::or_null(attributes.home.as_ref()));
    give(Cell::or_null(attributes.seen.as_ref().map(|seen| &seen.first)));
    give(Cell::or_null(attributes.seen.as_ref().map(|seen| &seen.last)));
}
