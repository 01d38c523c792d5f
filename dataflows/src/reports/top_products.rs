//! Report 1: the ten products with the most views of a day.

use super::Rows;
use crate::count::Counts;
use crate::dictionary::OTHERS_NUMBER;
use crate::{Column, Holds, Key, Kind, List, Row, Table, top_k};

const PLACES: usize = 10;

/// The ranking of each day.
pub(crate) static TABLE: Table = Table {
    name: "top_products",
    key: &[Column::new("day", Kind::Date), Column::new("rank", Kind::Smallint)],
    values: &[Column::new("product_id", Kind::Text), Column::new("views", Kind::Bigint)],
    holds: Holds::Derived,
    read: |cells| Some(Row::rank(List::Products, cells.day()?, cells.small()?, cells.id()?, cells.views()?)),
};

/// The changed places, from the products' views by day.
pub(crate) fn rows(counts: Counts<'_>) -> Rows<'_> {
    let text = counts.text();
    let products = counts.updates.flat_map(|(key, count)| match key {
        Key::ProductDay { day, product_id } if product_id != OTHERS_NUMBER => Some((day, (product_id, count.views))),
        _ => None,
    });
    top_k(products, PLACES, text)
        .map(|(day, rank, product_id, views)| Row::rank(List::Products, day, rank, product_id, views))
}
