//! The cells of rows, as writers and readers of tables see them.

use std::borrow::Cow;
use std::iter::Peekable;
use std::vec::Drain;

use crate::{Country, Day, Text};

/// The value of one column in one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// For [`crate::model::ColumnType::Text`] and [`crate::model::ColumnType::LongText`].
    Text(Cow<'a, str>),
    /// For [`crate::model::ColumnType::Date`].
    Date(Day),
    /// For [`crate::model::ColumnType::Smallint`].
    Smallint(i16),
    /// For [`crate::model::ColumnType::Bigint`].
    Bigint(i64),
    /// No value, in a nullable column.
    Null,
}

impl<'a> Cell<'a> {
    /// The cell of a value, if there is one.
    pub(crate) fn or_null<T>(value: Option<T>) -> Self
    where
        Cell<'a>: From<T>,
    {
        value.map_or(Cell::Null, Cell::from)
    }
}

impl<'a> From<&'a Text> for Cell<'a> {
    fn from(text: &'a Text) -> Self {
        Cell::Text(text.to_str())
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Cell::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a Country> for Cell<'a> {
    fn from(country: &'a Country) -> Self {
        Cell::from(country.as_str())
    }
}

impl From<&Day> for Cell<'_> {
    fn from(day: &Day) -> Self {
        Cell::Date(*day)
    }
}

impl From<&u8> for Cell<'_> {
    fn from(number: &u8) -> Self {
        Cell::Smallint(i16::from(*number))
    }
}

/// The cells of one row, read one after the other; each call is none if the next cell is of another kind.
#[derive(Debug)]
pub struct RowReader<'b, 'a>(Peekable<Drain<'b, Cell<'a>>>);

impl<'b, 'a> RowReader<'b, 'a> {
    /// Begins to read these cells; leaves their memory for those of the next row.
    pub fn new(cells: &'b mut Vec<Cell<'a>>) -> Self {
        RowReader(cells.drain(..).peekable())
    }

    /// The next cell as `read` reads it; `Some(None)` if it is null.
    pub fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.0.next_if_eq(&Cell::Null) {
            Some(_) => Some(None),
            None => read(self).map(Some),
        }
    }

    /// The next cell, a text.
    pub fn text(&mut self) -> Option<Cow<'a, str>> {
        match self.0.next()? {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The next cell, an id or URL.
    pub fn id(&mut self) -> Option<Text> {
        self.text().map(|text| Text::from(&*text))
    }

    /// The next cell, a country's code.
    pub fn country(&mut self) -> Option<Country> {
        Country::new(&self.text()?)
    }

    /// The next cell, a day.
    pub fn day(&mut self) -> Option<Day> {
        match self.0.next()? {
            Cell::Date(day) => Some(day),
            _ => None,
        }
    }

    /// The next cell, an hour or a rank.
    pub fn small(&mut self) -> Option<u8> {
        match self.0.next()? {
            Cell::Smallint(number) => u8::try_from(number).ok(),
            _ => None,
        }
    }

    /// The next cell, a number of events.
    pub fn total(&mut self) -> Option<i64> {
        match self.0.next()? {
            Cell::Bigint(total) => Some(total),
            _ => None,
        }
    }
}
