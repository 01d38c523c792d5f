//! Report 4: views by store for a country.

use super::{Rows, counted};
use crate::count::Counts;
use crate::{Column, Holds, Key, Kind, Row, Table, Text, View};

/// Views by day, country and store.
pub(crate) static TABLE: Table = Table {
    name: "store_views_daily",
    key: &[Column::new("day", Kind::Date), Column::new("country", Kind::Text), Column::new("store_id", Kind::Text)],
    values: &[Column::new("views", Kind::Bigint)],
    holds: Holds::Counts,
    read: |cells| {
        let (day, country, store_id) = (cells.day()?, cells.country()?, cells.id()?);
        Some(Row::count(Key::Store { day, country, store_id }, cells.views()?))
    },
};

/// What a view counts under; nothing without a store.
pub(crate) fn key<'a>(view: &'a View<'_>) -> Option<Key<Text<&'a str>>> {
    let store_id = view.store_id.as_ref()?.borrowed();
    Some(Key::Store { day: view.day, country: view.country, store_id })
}

/// The changed rows.
pub(crate) fn rows(counts: Counts<'_>) -> Rows<'_> {
    counted(counts)
}
