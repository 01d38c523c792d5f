//! The stores, with the country that each is most seen in.

use super::{Attributes, Facts, Home, Member, Seen, told_by_new};
use crate::count::Counts;
use crate::{Cell, Column, Holds, Key, Kind, Row, Table, Text};

/// The stores.
pub(crate) static TABLE: Table = Table {
    name: "dim_store",
    key: &[Column::new("store_id", Kind::Text)],
    values: &[
        Column::new("country", Kind::Text),
        Column::new("first_day", Kind::Date),
        Column::new("last_day", Kind::Date),
    ],
    holds: Holds::Members,
    read: |cells| {
        let (id, country) = (cells.id()?, cells.country()?);
        let seen = Some(Seen { first: cells.day()?, last: cells.day()? });
        let home = Some(Home::new(country, 0));
        Some(Row::member(Member::Store(id), Attributes { seen, home, ..Attributes::default() }))
    },
};

/// The columns of a store.
pub(crate) fn cells<'a>(id: &'a Text, attributes: &'a Attributes, give: &mut impl FnMut(Cell<'a>)) {
    give(Cell::from(id));
    give(Cell::of(attributes.home.as_ref().map(Home::country)));
    give(Cell::of(attributes.seen.as_ref().map(|seen| &seen.first)));
    give(Cell::of(attributes.seen.as_ref().map(|seen| &seen.last)));
}

/// What is told, by the counts of stores of each day and of all days. The latter are of use from the seed on, as no table
/// has them.
pub(crate) fn facts<'s>(days: Counts<'s>, countries: Counts<'s>) -> Facts<'s> {
    let seen = told_by_new(days, |key| match key {
        Key::Store { day, store_id, .. } => Some((Member::Store(store_id.cloned()), Attributes::seen(day))),
        _ => None,
    });
    let homes = countries.filter_map(|key, count, _| match key {
        Key::StoreCountry { country, store_id } => {
            let home = Some(Home::new(country, count.views));
            Some((Member::Store(store_id.cloned()), Attributes { home, ..Attributes::default() }))
        }
        _ => None,
    });
    seen.concat(homes)
}
