//! A row of one of the tables, typed inside, cells at the boundary.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

use crate::dimensions::{Attributes, DimensionKey};
use crate::key::{join, spelled};
use crate::model::{Dimension, MEMBERS_MAX, Model, Table, TableRows, fields};
use crate::reports::{Group, place};
use crate::{Cell, Day, Key, RowReader, SharedStr, Text};

/// What identifies a row among all tables. Ordered by table first, so that sorted rows stand together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RowKey {
    /// A count.
    Count(Key),
    /// A place in a ranking, the first being 1.
    Rank {
        /// Which ranking.
        group: Group,
        /// The place.
        rank: u8,
    },
    /// A member of a dimension.
    Member(DimensionKey),
}

/// What a table row holds now, or that there is none: absolute values, so that writing it twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Row {
    /// Which row.
    pub key: RowKey,
    /// What it says.
    pub value: Value,
    /// No table holds it yet: it can be added without looking for it. Never set for a derived row.
    pub is_insert: bool,
}

/// What a row says of its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Value {
    /// How many events it has.
    Total(i64),
    /// What stands at this place of a ranking.
    Item {
        /// The item.
        item: Text,
        /// How many events it has.
        total: i64,
    },
    /// What is known of a member of a dimension, as its table shows it.
    Attributes(Box<Attributes>),
    /// Nothing: there is no such row any more.
    Absent,
}

/// What is known of a member that is not there.
static NOTHING: Attributes = Attributes { seen: None, page: None, home: None, is_own: false, hosted: None };

impl Row {
    /// The row of a counted key, as a table holds it.
    pub fn count(key: Key, total: i64) -> Row {
        Row { key: RowKey::Count(key), value: Value::Total(total), is_insert: false }
    }

    /// A place in a ranking.
    pub fn rank(group: Group, rank: u8, item: Text, total: i64) -> Row {
        Row { key: RowKey::Rank { group, rank }, value: Value::Item { item, total }, is_insert: false }
    }

    /// A member of a dimension, as a table holds it.
    pub fn member(member: DimensionKey, attributes: Attributes) -> Row {
        Row { key: RowKey::Member(member), value: Value::Attributes(Box::new(attributes)), is_insert: false }
    }

    /// A row that is no longer there.
    pub fn absent(key: RowKey) -> Row {
        Row { key, value: Value::Absent, is_insert: false }
    }

    /// Whether it counts the members that were not admitted.
    pub fn is_of_others(&self, model: &Model) -> bool {
        matches!(&self.key, RowKey::Count(key) if model.counts[usize::from(key.count)].is_others(&key.member))
    }

    /// The place in [`Model::tables`] of the table that it belongs to; none for a count that no table holds.
    pub fn table(&self, model: &Model) -> Option<usize> {
        match &self.key {
            RowKey::Count(key) => model.counts[usize::from(key.count)].table,
            RowKey::Rank { group, .. } => Some(model.rankings[usize::from(group.ranking)].table),
            RowKey::Member(member) => {
                let rows = TableRows::Members(member.table());
                model.tables.iter().position(|table| table.rows == rows)
            }
        }
    }

    /// Gives its cells, in the order of its table's columns; of one that is not there at least those of its key.
    pub fn cells<'a>(&'a self, model: &Model, mut give: impl FnMut(Cell<'a>)) {
        match &self.key {
            RowKey::Count(key) => {
                let count = &model.counts[usize::from(key.count)];
                let cell = |field| field_cell(&key.member, &count.members, field);
                count.by.iter().for_each(|dimension| give(dimension_cell(*dimension, key.day, key.hour, cell)));
            }
            RowKey::Rank { group, rank } => {
                let ranking = &model.rankings[usize::from(group.ranking)];
                let fields: Vec<_> = fields(&ranking.by).collect();
                let cell = |field| field_cell(&group.member, &fields, field);
                ranking.by.iter().for_each(|dimension| give(dimension_cell(*dimension, group.day, group.hour, cell)));
                give(Cell::from(rank));
            }
            RowKey::Member(_) => {}
        }
        match (&self.value, &self.key) {
            (Value::Total(total), _) => give(Cell::Bigint(*total)),
            (Value::Item { item, total }, _) => {
                give(Cell::from(item));
                give(Cell::Bigint(*total));
            }
            (Value::Attributes(attributes), RowKey::Member(member)) => member.cells(attributes, &mut give),
            (Value::Absent, RowKey::Member(member)) => member.cells(&NOTHING, &mut give),
            (Value::Attributes(_) | Value::Absent, _) => {}
        }
    }

    /// The row of a table whose cells these are, in the order of its columns; none if they do not fit.
    pub fn read(model: &Model, table: &Table, cells: &mut RowReader<'_, '_>) -> Option<Row> {
        match table.rows {
            TableRows::Count(id) => {
                let count = &model.counts[id];
                let (day, hour, member) = read_key(&count.by, &count.members, cells)?;
                Some(Row::count(Key { count: id as u16, hour, day, member }, cells.total()?))
            }
            TableRows::Ranking(id) => {
                let ranking = &model.rankings[id];
                let fields: Vec<_> = fields(&ranking.by).collect();
                let (day, hour, member) = read_key(&ranking.by, &fields, cells)?;
                let (group, rank) = (Group { ranking: id as u16, hour, day, member }, cells.small()?);
                Some(Row::rank(group, rank, cells.id()?, cells.total()?))
            }
            TableRows::Members(dimension) => dimension.read(cells),
        }
    }
}

fn dimension_cell<'a>(dimension: Dimension, day: Day, hour: u8, field: impl Fn(usize) -> Cell<'a>) -> Cell<'a> {
    match dimension {
        Dimension::Day => Cell::Date(day),
        Dimension::Hour => Cell::Smallint(i16::from(hour)),
        Dimension::Field(id) => field(id),
    }
}

/// The text of one field of a member with these fields.
fn field_cell<'a>(member: &'a Text, fields: &[usize], field: usize) -> Cell<'a> {
    match member {
        // As it is spelled: no need to parse a number only to format it.
        Text::Other(joined) if fields.len() > 1 => Cell::from(spelled(joined.as_ref(), place(fields, field))),
        member => Cell::from(member),
    }
}

/// The day, the hour and the joined `fields` of a row with these dimensions.
fn read_key(by: &[Dimension], fields: &[usize], cells: &mut RowReader<'_, '_>) -> Option<(Day, u8, Text)> {
    let (mut day, mut hour) = (Day(0), 0);
    let mut texts: SmallVec<[_; MEMBERS_MAX]> = smallvec![Cow::Borrowed(""); fields.len()];
    for dimension in by {
        match dimension {
            Dimension::Day => day = cells.day()?,
            Dimension::Hour => hour = cells.small()?,
            Dimension::Field(field) => texts[place(fields, *field)] = cells.text()?,
        }
    }
    let member = match &*texts {
        [] => Text::Number(0),
        [text] => Text::from(&**text),
        texts => Text::Other(SharedStr::from(join(texts))),
    };
    Some((day, hour, member))
}
