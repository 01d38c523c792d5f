//! A row of one of the tables, typed inside, cells at the boundary.

use serde::{Deserialize, Serialize};

use crate::dimensions::{Attributes, Member};
use crate::reports::{top_countries, top_products, top_referrers};
use crate::{Cell, Day, Key, OTHERS, Table, Text};

/// What identifies a row among all tables. Ordered by table first, so that sorted rows stand together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RowKey {
    /// A count.
    Count(Key),
    /// A place in a ranking, the first being 1.
    Rank {
        /// Which ranking.
        list: List,
        /// Of which day.
        day: Day,
        /// The place.
        rank: u8,
    },
    /// A member of a dimension.
    Member(Member),
}

/// The rankings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum List {
    /// Report 1.
    Products,
    /// Report 2.
    Countries,
    /// Report 3.
    Referrers,
}

/// What a table row holds now: absolute values, so that writing it twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Row {
    /// Which row.
    pub key: RowKey,
    /// What it says.
    pub value: Value,
    /// No table holds it yet: it can be added without looking for it. Never said of a place in a ranking.
    pub is_new: bool,
}

/// What a row says of its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Value {
    /// How often it was viewed.
    Views(i64),
    /// What stands at this place of a ranking.
    Item {
        /// The item.
        item: Text,
        /// How often it was viewed.
        views: i64,
    },
    /// What is known of a member of a dimension, as its table shows it.
    Attributes(Box<Attributes>),
}

impl Row {
    /// The row of a counted key, as a table holds it.
    pub fn count(key: Key, views: i64) -> Row {
        Row { key: RowKey::Count(key), value: Value::Views(views), is_new: false }
    }

    /// A place in a ranking.
    pub fn rank(list: List, day: Day, rank: u8, item: Text, views: i64) -> Row {
        Row { key: RowKey::Rank { list, day, rank }, value: Value::Item { item, views }, is_new: false }
    }

    /// A member of a dimension, as a table holds it.
    pub fn member(member: Member, attributes: Attributes) -> Row {
        Row { key: RowKey::Member(member), value: Value::Attributes(Box::new(attributes)), is_new: false }
    }

    /// Whether it counts the members that were not admitted.
    pub fn is_of_others(&self) -> bool {
        matches!(&self.key, RowKey::Count(key) if key.text().is_some_and(|text| text.borrowed() == Text::Other(OTHERS)))
    }

    /// The table it belongs to; none for a count that no table holds.
    pub fn table(&self) -> Option<&'static Table> {
        match &self.key {
            RowKey::Count(key) => key.table(),
            RowKey::Rank { list: List::Products, .. } => Some(&top_products::TABLE),
            RowKey::Rank { list: List::Countries, .. } => Some(&top_countries::RANKED),
            RowKey::Rank { list: List::Referrers, .. } => Some(&top_referrers::RANKED),
            RowKey::Member(member) => Some(member.table()),
        }
    }

    /// Gives its cells, in the order of its table's columns.
    pub fn cells<'a>(&'a self, mut give: impl FnMut(Cell<'a>)) {
        match &self.key {
            RowKey::Count(key) => key.cells(&mut give),
            RowKey::Rank { day, rank, .. } => {
                give(Cell::from(day));
                give(Cell::from(rank));
            }
            RowKey::Member(_) => {}
        }
        match (&self.value, &self.key) {
            (Value::Views(views), _) => give(Cell::Bigint(*views)),
            (Value::Item { item, views }, _) => {
                give(Cell::from(item));
                give(Cell::Bigint(*views));
            }
            (Value::Attributes(attributes), RowKey::Member(member)) => member.cells(attributes, &mut give),
            (Value::Attributes(_), _) => {}
        }
    }
}
