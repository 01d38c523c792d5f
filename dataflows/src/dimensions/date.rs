//! The days that have views.

use super::{Attributes, Facts, Member, told_by_new};
use crate::count::Counts;
use crate::{Column, Holds, Key, Kind, Row, Table};

/// The days. What belongs to a day by the calendar, Postgres makes of it.
pub(crate) static TABLE: Table = Table {
    name: "dim_date",
    key: &[Column::new("day", Kind::Date)],
    values: &[],
    holds: Holds::Members,
    read: |cells| Some(Row::member(Member::Date(cells.day()?), Attributes::default())),
};

/// What is told, by the counts of countries: every view has one.
pub(crate) fn facts(countries: Counts<'_>) -> Facts<'_> {
    told_by_new(countries, |key| match key {
        Key::Country { day, .. } => Some((Member::Date(day), Attributes::default())),
        _ => None,
    })
}
