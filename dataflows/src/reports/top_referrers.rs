//! Report 3: the five referrer URLs with the most views of a day.

use super::{Rows, counted};
use crate::count::Counts;
use crate::dictionary::OTHERS_NUMBER;
use crate::{Column, Holds, Key, Kind, List, Row, Table, Text, View, top_k};

const PLACES: usize = 5;

/// Views by day and referrer.
pub(crate) static COUNTED: Table = Table {
    name: "referrer_views_daily",
    key: &[Column::new("day", Kind::Date), Column::new("referrer_url", Kind::LongText)],
    values: &[Column::new("views", Kind::Bigint)],
    holds: Holds::Counts,
    read: |cells| {
        let (day, referrer_url) = (cells.day()?, cells.id()?);
        Some(Row::count(Key::Referrer { day, referrer_url }, cells.views()?))
    },
};

/// The ranking of each day.
pub(crate) static RANKED: Table = Table {
    name: "top_referrers",
    key: &[Column::new("day", Kind::Date), Column::new("rank", Kind::Smallint)],
    values: &[Column::new("referrer_url", Kind::Text), Column::new("views", Kind::Bigint)],
    holds: Holds::Derived,
    read: |cells| Some(Row::rank(List::Referrers, cells.day()?, cells.small()?, cells.id()?, cells.views()?)),
};

/// What a view counts under; nothing for direct traffic.
pub(crate) fn key<'a>(view: &'a View<'_>) -> Option<Key<Text<&'a str>>> {
    let referrer_url = view.referrer_url.as_ref()?.borrowed();
    Some(Key::Referrer { day: view.day, referrer_url })
}

/// The changed rows of both tables.
pub(crate) fn rows(counts: Counts<'_>) -> Rows<'_> {
    let text = counts.text();
    let referrers = counts.updates.clone().flat_map(|(key, count)| match key {
        Key::Referrer { day, referrer_url } if referrer_url != OTHERS_NUMBER => {
            Some((day, (referrer_url, count.views)))
        }
        _ => None,
    });
    let places = top_k(referrers, PLACES, text);
    let ranked = places.map(|(day, rank, url, views)| Row::rank(List::Referrers, day, rank, url, views));
    counted(counts).concat(ranked)
}
