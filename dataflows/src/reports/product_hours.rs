//! Report 5: hourly views of a product.

use super::{Rows, counted};
use crate::count::Counts;
use crate::{Column, Holds, Key, Kind, Row, Table, Text, View};

/// Views by product and hour.
pub(crate) static TABLE: Table = Table {
    name: "product_views_hourly",
    key: &[Column::new("product_id", Kind::Text), Column::new("day", Kind::Date), Column::new("hour", Kind::Smallint)],
    values: &[Column::new("views", Kind::Bigint)],
    holds: Holds::Counts,
    read: |cells| {
        let (product_id, day, hour) = (cells.id()?, cells.day()?, cells.small()?);
        Some(Row::count(Key::ProductHour { day, hour, product_id }, cells.views()?))
    },
};

/// What a view counts under; nothing without a product.
pub(crate) fn key<'a>(view: &'a View<'_>) -> Option<Key<Text<&'a str>>> {
    let product_id = view.product_id.as_ref()?.borrowed();
    Some(Key::ProductHour { day: view.day, hour: view.hour, product_id })
}

/// The changed rows.
pub(crate) fn rows(counts: Counts<'_>) -> Rows<'_> {
    counted(counts)
}
