//! What the tables hold and what a recount gives, side by side.

use std::collections::BTreeMap;
use std::sync::Arc;

use dataflows::model::{Dimension, DimensionTable, Model, TableRows};
use dataflows::{Day, DaysKept};
use hashbrown::{HashMap, HashSet};

use super::admitted::Admitted;
use super::compare::Table;
use super::names::Names;
use super::rejected::Rejections;
use super::retention::Retention;
use crate::batch::{Fingerprint, Totals};

/// The key of a row: the texts of its columns, separated by [`SEPARATOR`].
pub type Key = String;

/// U+0000, which no text in Postgres can hold.
pub const SEPARATOR: char = '\0';

/// The rows of a dimension: by key, the texts of the other columns.
pub type Rows = BTreeMap<Key, Vec<Option<String>>>;

/// The views of one key; 0 where there is no row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Views {
    pub stored: i64,
    pub recounted: i64,
}

/// Selects one of the two.
pub type Side = fn(&Views) -> i64;

/// The side from which everything else is derived: the recount, or, where a part cannot be recounted, what is stored.
pub fn side(complete: bool) -> Side {
    if complete { |views| views.recounted } else { |views| views.stored }
}

/// A ranking: by the texts of its group and the rank, the item and its views.
pub type Places = BTreeMap<(Key, u64), (Key, i64)>;

/// A line of `progress`, and what was recounted of its partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Partition {
    /// The first offset that the tables include.
    pub first_offset: i64,
    /// The offset after the last one.
    pub next_offset: i64,
    /// How many records were read.
    pub consumed: i64,
    /// How many were counted, ignored, rejected and so on, as stored.
    pub stored: Totals,
    /// The same, recounted.
    pub recounted: Totals,
    /// The newest day that was counted, as stored, where days expire.
    pub newest_day: Option<Day>,
    /// The same, recounted.
    pub newest_recounted: Option<Day>,
    /// The last record, as stored.
    pub last: Option<Fingerprint>,
    /// The record that is at its offset now.
    pub found: Option<Fingerprint>,
    /// The offset of the last record that was recounted.
    pub last_recounted: Option<i64>,
    /// Where the recount could begin; none if nothing of the partition could be recounted.
    pub recounted_from: Option<i64>,
    /// Set if its offsets were assigned again since the first of them was read.
    pub given_again: Option<GivenAgain>,
    /// Where the partition ends; none if the topic does not have it.
    pub end: Option<i64>,
}

/// The reason of a gap where a topic was recreated.
pub const ANOTHER_TOPIC: &str = "another topic";

/// Since when other records have the offsets of those that were counted first: a row of `gaps`.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenAgain {
    /// When that was recorded.
    pub noted_at: String,
    /// Where reading resumed.
    pub from: i64,
    /// Why.
    pub reason: String,
}

impl Partition {
    /// Whether all that the tables include was recounted.
    pub fn is_complete(&self) -> bool {
        self.given_again.is_none() && self.recounted_from.is_some_and(|from| from <= self.first_offset)
    }
}

/// All tables. The counts of both sides share one map, which takes half the memory of two.
pub struct Ledger {
    /// The model.
    pub model: Arc<Model>,
    /// By the places of [`Model::counts`]. Of a rollup only the stored side is here.
    pub counted: Vec<HashMap<Key, Views>>,
    /// Which days of them are kept, and how many rows of other days are stored.
    pub retention: Retention,
    pub leaving: usize,
    /// Which members of them were admitted.
    pub admitted: Admitted,
    /// As stored, by the places of [`Model::rankings`].
    pub ranked: Vec<Places>,
    /// As stored, in the order of the model's tables.
    pub dimensions: Vec<(DimensionTable, Rows)>,
    /// The countries, as stored, if the model has any.
    pub countries: Rows,
    /// The report views, and how they compare with their tables.
    pub views: Vec<Table>,
    /// The recounted names of products.
    pub names: Names,
    /// The hosts that a recounted view came to from a page of the same host.
    pub own_sites: HashSet<String>,
    /// The hosts of referrers that were left out, as far as they are stored.
    pub hosts_left_out: HashSet<String>,
    /// Whether copies, or events that were forgotten since, may have described members; stored descriptions are then trusted.
    pub has_copies: bool,
    /// Rejected records, and their counts.
    pub rejected: Rejections,
    /// `progress`.
    pub partitions: BTreeMap<i32, Partition>,
}

impl Partition {
    /// How many records may be gone from between those that were recounted, as by compaction. They can be at most the missing
    /// offsets: if the table has more, it has counted too many.
    pub fn compacted(&self) -> i64 {
        let from = self.recounted_from.map_or(self.first_offset, |from| from.min(self.next_offset));
        let missing = self.next_offset - from - self.recounted.consumed();
        let gone = self.consumed - self.recounted.consumed();
        if from <= self.first_offset && gone > missing { 0 } else { gone.min(missing).max(0) }
    }
}

impl Ledger {
    /// The ledger of empty tables.
    pub fn new(model: Arc<Model>, retain: DaysKept, partitions: BTreeMap<i32, Partition>) -> Ledger {
        let described = model.tables.iter().filter_map(|table| match table.rows {
            TableRows::Members(table) => Some((table, Rows::new())),
            _ => None,
        });
        Ledger {
            counted: model.counts.iter().map(|_| HashMap::new()).collect(),
            retention: Retention::read(&model, retain, &partitions),
            leaving: 0,
            admitted: Admitted::default(),
            ranked: model.rankings.iter().map(|_| Places::new()).collect(),
            dimensions: described.collect(),
            countries: Rows::new(),
            views: Vec::new(),
            names: Names::default(),
            own_sites: HashSet::new(),
            hosts_left_out: HashSet::new(),
            has_copies: false,
            rejected: Rejections::default(),
            partitions,
            model,
        }
    }

    /// The views of a key of a count, given by its texts. `key` is a buffer.
    pub fn views<'a>(
        &mut self,
        count: usize,
        cells: impl IntoIterator<Item = &'a str>,
        key: &mut String,
    ) -> &mut Views {
        key.clear();
        join(cells, key);
        self.counted[count].entry_ref(key.as_str()).or_default()
    }

    /// The sums of one side of a count by some of its dimensions. A rollup is summed from the count that it rolls up.
    pub fn sums(&self, count: usize, by: &[Dimension], side: Side) -> HashMap<Key, i64> {
        self.sums_of_rows(self.model.counts[count].from.unwrap_or(count), by, side)
    }

    /// The same by the rows of its own table.
    pub fn sums_of_rows(&self, count: usize, by: &[Dimension], side: Side) -> HashMap<Key, i64> {
        let places: Vec<_> = by.iter().map(|dimension| place(&self.model.counts[count].by, *dimension)).collect();
        let mut sums = HashMap::new();
        let mut summed = String::new();
        for (key, views) in self.counted[count].iter().filter(|(_, views)| side(views) > 0) {
            summed.clear();
            join(places.iter().map(|place| cell(key, *place)), &mut summed);
            *sums.entry_ref(summed.as_str()).or_default() += side(views);
        }
        sums
    }

    /// Whether only records that count can have described members.
    pub fn is_all_said(&self) -> bool {
        self.retention.is_off() && !self.has_copies
    }

    /// What is stored of a dimension.
    pub fn stored(&self, table: DimensionTable) -> &Rows {
        static NONE: Rows = Rows::new();
        self.dimensions.iter().find(|(of, _)| *of == table).map_or(&NONE, |(_, rows)| rows)
    }
}

/// The place of a dimension among those of a count.
pub fn place(by: &[Dimension], dimension: Dimension) -> usize {
    by.iter().position(|it| *it == dimension).unwrap_or_default()
}

/// One text of a key.
pub fn cell(key: &str, place: usize) -> &str {
    key.split(SEPARATOR).nth(place).unwrap_or_default()
}

/// Adds texts to a key that is empty.
pub fn join<'a>(cells: impl IntoIterator<Item = &'a str>, key: &mut String) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            key.push(SEPARATOR);
        }
        key.push_str(cell);
    }
}
