//! Report 6: hourly views by browser and operating system.

use super::{Rows, counted};
use crate::count::Counts;
use crate::{BrowserOs, Column, Holds, Key, Kind, Row, Table, Text, View};

/// Views by hour, browser and operating system.
pub(crate) static TABLE: Table = Table {
    name: "browser_os_views_hourly",
    key: &[
        Column::new("day", Kind::Date),
        Column::new("hour", Kind::Smallint),
        Column::new("browser", Kind::Text),
        Column::new("os", Kind::Text),
    ],
    values: &[Column::new("views", Kind::Bigint)],
    holds: Holds::Counts,
    read: |cells| {
        let (day, hour) = (cells.day()?, cells.small()?);
        let browser_os = BrowserOs::new(&cells.text()?, &cells.text()?).into_text();
        Some(Row::count(Key::BrowserOs { day, hour, browser_os }, cells.views()?))
    },
};

/// What a view counts under.
pub(crate) fn key<'a>(view: &'a View<'_>) -> Option<Key<Text<&'a str>>> {
    Some(Key::BrowserOs { day: view.day, hour: view.hour, browser_os: view.browser_os.into_text() })
}

/// The changed rows.
pub(crate) fn rows(counts: Counts<'_>) -> Rows<'_> {
    counted(counts)
}
