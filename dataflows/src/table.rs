//! How a table looks to whoever writes and reads it.

use std::borrow::Cow;
use std::iter::Peekable;

use crate::{Country, Day, Row, Text};

/// One of the tables that are kept: the description that SQL is built from.
#[derive(Debug)]
pub struct Table {
    /// Its name in Postgres.
    pub name: &'static str,
    /// The columns that identify a row.
    pub key: &'static [Column],
    /// The columns that say what the row holds now.
    pub values: &'static [Column],
    /// What its rows are.
    pub holds: Holds,
    /// Makes a row of a table row's cells, given in the order of `key`, then `values`; none if they do not fit.
    pub read: fn(&mut Cells<'_>) -> Option<Row>,
}

impl Table {
    /// All columns, the key's first.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> {
        self.key.iter().chain(self.values)
    }
}

/// What the rows of a [`Table`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Counts.
    Counts,
    /// Places in rankings, or sums. They follow from the counts, and so are set right at a start.
    Derived,
    /// Members of a dimension.
    Members,
}

/// A column of a [`Table`].
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may hold nothing.
    pub nullable: bool,
}

impl Column {
    /// A column of this name and kind.
    pub const fn new(name: &'static str, kind: Kind) -> Column {
        Column { name, kind, nullable: false }
    }

    /// The same of one that may hold nothing.
    pub const fn nullable(name: &'static str, kind: Kind) -> Column {
        Column { name, kind, nullable: true }
    }
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `text`
    Text,
    /// `text` that may be longer than a B-tree row can be (about 2,690 bytes): a row is found by a digest of it.
    LongText,
    /// `date`
    Date,
    /// `smallint`
    Smallint,
    /// `bigint`
    Bigint,
}

/// The value of one column in one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// For [`Kind::Text`] and [`Kind::LongText`].
    Text(Cow<'a, str>),
    /// For [`Kind::Date`].
    Date(Day),
    /// For [`Kind::Smallint`].
    Smallint(i16),
    /// For [`Kind::Bigint`].
    Bigint(i64),
    /// Nothing, in a column that may hold that.
    Null,
}

impl<'a> Cell<'a> {
    /// The cell of a value, if there is one.
    pub(crate) fn of<T>(value: Option<T>) -> Self
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
pub struct Cells<'a>(Peekable<std::vec::IntoIter<Cell<'a>>>);

impl<'a> Cells<'a> {
    /// Begins to read these cells.
    pub fn new(cells: Vec<Cell<'a>>) -> Self {
        Cells(cells.into_iter().peekable())
    }

    /// The next cell as `read` gives it, or that it is null.
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

    /// The next cell, a number of views.
    pub fn views(&mut self) -> Option<i64> {
        match self.0.next()? {
            Cell::Bigint(views) => Some(views),
            _ => None,
        }
    }
}
