//! Report 2: the ten countries with the most views.

use super::{Rows, counted};
use crate::count::Counts;
use crate::{Column, Holds, Key, Kind, List, Row, Table, Text, View, top_k};

const PLACES: usize = 10;

/// Views by day and country.
pub(crate) static COUNTED: Table = Table {
    name: "country_views_daily",
    key: &[Column::new("day", Kind::Date), Column::new("country", Kind::Text)],
    values: &[Column::new("views", Kind::Bigint)],
    holds: Holds::Counts,
    read: |cells| {
        let (day, country) = (cells.day()?, cells.country()?);
        Some(Row::count(Key::Country { day, country }, cells.views()?))
    },
};

/// Views by country over all days.
pub(crate) static TOTALS: Table = Table {
    name: "country_views",
    key: &[Column::new("country", Kind::Text)],
    values: &[Column::new("views", Kind::Bigint)],
    holds: Holds::Derived,
    read: |cells| Some(Row::count(Key::CountryTotal { country: cells.country()? }, cells.views()?)),
};

/// The ranking of each day.
pub(crate) static RANKED: Table = Table {
    name: "top_countries",
    key: &[Column::new("day", Kind::Date), Column::new("rank", Kind::Smallint)],
    values: &[Column::new("country", Kind::Text), Column::new("views", Kind::Bigint)],
    holds: Holds::Derived,
    read: |cells| Some(Row::rank(List::Countries, cells.day()?, cells.small()?, cells.id()?, cells.views()?)),
};

/// What a view counts under.
pub(crate) fn key<'a>(view: &'a View<'_>) -> Option<Key<Text<&'a str>>> {
    Some(Key::Country { day: view.day, country: view.country })
}

/// The changed rows of the three tables.
pub(crate) fn rows<'s>(counts: Counts<'s>, totals: Counts<'s>) -> Rows<'s> {
    let countries = counts.updates.clone().flat_map(|(key, count)| match key {
        Key::Country { day, country } => Some((day, (country, count.views))),
        _ => None,
    });
    let places = top_k(countries, PLACES, |country| Text::from(country.as_str()));
    let ranked = places.map(|(day, rank, country, views)| Row::rank(List::Countries, day, rank, country, views));
    let totals = totals.filter_map(|key, count, _| Some(Row::count(key.map(Text::cloned), count.views)));
    counted(counts).concatenate([ranked, totals])
}
