//! What the tables hold and what a recount gives, side by side.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use super::admitted::Admitted;
use super::names::Names;
use crate::batch::Fingerprint;

/// The key of a row: the texts of its columns, parted by [`PARTED_BY`].
pub type Key = String;

/// U+0000, which no text in Postgres can hold.
pub const PARTED_BY: char = '\0';

/// A table of counts.
pub struct Counted {
    /// Its name.
    pub name: &'static str,
    /// The columns of its key.
    pub columns: &'static [&'static str],
}

/// The tables of counts, in the order of `Ledger::counted`.
pub const COUNTED: [Counted; 5] = [
    Counted { name: "product_views_hourly", columns: &["product_id", "day", "hour"] },
    Counted { name: "country_views_daily", columns: &["day", "country"] },
    Counted { name: "referrer_views_daily", columns: &["day", "referrer_url"] },
    Counted { name: "store_views_daily", columns: &["day", "country", "store_id"] },
    Counted { name: "browser_os_views_hourly", columns: &["day", "hour", "browser", "os"] },
];

/// The places of the tables in [`COUNTED`].
pub const PRODUCTS: usize = 0;
pub const COUNTRIES: usize = 1;
pub const REFERRERS: usize = 2;
pub const STORES: usize = 3;
pub const BROWSERS: usize = 4;

/// A ranking of each day.
pub struct Ranked {
    /// Its name.
    pub name: &'static str,
    /// What is ranked.
    pub item: &'static str,
    /// How many places it has.
    pub places: usize,
    /// The table of counts it follows from, by its place in [`COUNTED`].
    pub from: usize,
}

/// The rankings, in the order of [`Ledger::ranked`].
pub const RANKED: [Ranked; 3] = [
    Ranked { name: "top_products", item: "product_id", places: 10, from: PRODUCTS },
    Ranked { name: "top_countries", item: "country", places: 10, from: COUNTRIES },
    Ranked { name: "top_referrers", item: "referrer_url", places: 5, from: REFERRERS },
];

/// The sums of `country_views_daily` over all days.
pub const COUNTRY_TOTALS: &str = "country_views";

/// A table that describes what is counted.
pub struct Dimension {
    /// Its name.
    pub name: &'static str,
    /// The columns of its key.
    pub key: &'static [&'static str],
    /// The others, but those that Postgres makes of its key.
    pub columns: &'static [&'static str],
}

/// The dimensions, in the order of [`Ledger::dimensions`].
pub const DIMENSIONS: [Dimension; 7] = [
    Dimension { name: "dim_date", key: &["day"], columns: &[] },
    Dimension {
        name: "dim_product",
        key: &["product_id"],
        columns: &["name", "url", "url_day", "first_day", "last_day"],
    },
    Dimension { name: "dim_store", key: &["store_id"], columns: &["country", "first_day", "last_day"] },
    Dimension { name: "dim_browser_os", key: &["browser", "os"], columns: &["category"] },
    Dimension { name: "dim_referrer", key: &["host"], columns: &["kind"] },
    Dimension { name: "product_names", key: &["product_id", "name"], columns: &["views", "url", "first_day"] },
    Dimension { name: "page_hosts", key: &["host"], columns: &["views", "waiting"] },
];

/// The place of one of them.
pub const DIM_REFERRER: usize = 4;
/// And those that tests look at.
#[cfg(test)]
pub const DIM_PRODUCT: usize = 1;
#[cfg(test)]
pub const PRODUCT_NAMES: usize = 5;
#[cfg(test)]
pub const PAGE_HOSTS: usize = 6;

/// The rows of a dimension: by key, the texts of the other columns.
pub type Rows = BTreeMap<Key, Vec<Option<String>>>;

/// The views of one key; 0 where there is no row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Views {
    pub stored: i64,
    pub recounted: i64,
}

/// One of the two.
pub type Side = fn(&Views) -> i64;

/// The side that all else must follow from: what is recounted, or, where a part cannot be, what is stored.
pub fn side(complete: bool) -> Side {
    if complete { |views| views.recounted } else { |views| views.stored }
}

/// The places of a ranking: by day and rank, the item and its views.
pub type Places = BTreeMap<(Key, u64), (Key, i64)>;

/// A line of `progress`, and what was recounted of its partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Partition {
    /// The first offset that the tables include.
    pub first_offset: i64,
    /// The offset after the last one.
    pub next_offset: i64,
    /// consumed, counted, ignored, duplicate and rejected, as stored.
    pub stored: [i64; 5],
    /// The same, recounted.
    pub recounted: [i64; 5],
    /// The last record, as stored.
    pub last: Option<Fingerprint>,
    /// What stands at its offset.
    pub found: Option<Fingerprint>,
    /// The offset of the last record that was recounted.
    pub last_recounted: Option<i64>,
    /// Where the recount could begin; none if nothing of the partition could be recounted.
    pub recounted_from: Option<i64>,
    /// Its offsets were given again since the first of them was read.
    pub given_again: Option<GivenAgain>,
    /// Where the partition ends; none if the topic does not have it.
    pub end: Option<i64>,
}

/// The reason of a gap where a topic was made anew.
pub const ANOTHER_TOPIC: &str = "another topic";

/// Since when other records have the offsets of those that were counted first: a row of `gaps`.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenAgain {
    /// When that was noted.
    pub noted_at: String,
    /// Where reading went on.
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

/// All tables. The counts of both sides stand in one map, which takes half the memory of two.
#[derive(Default)]
pub struct Ledger {
    /// By table, in the order of [`COUNTED`].
    pub counted: [HashMap<Key, Views>; 5],
    /// Which members of them were admitted.
    pub admitted: Admitted,
    /// As stored in [`COUNTRY_TOTALS`], by country.
    pub country_totals: BTreeMap<String, i64>,
    /// As stored, in the order of [`RANKED`].
    pub ranked: [Places; 3],
    /// As stored, in the order of [`DIMENSIONS`].
    pub dimensions: [Rows; 7],
    /// What was recounted of products' names.
    pub names: Names,
    /// The hosts that a recounted view came to from a page of the same host.
    pub own_sites: HashSet<String>,
    /// The hosts, as far as they are stored, of referrers that were left out.
    pub hosts_left_out: HashSet<String>,
    /// How many rejected records are stored.
    pub rejected_rows: usize,
    /// Those that are stored and were not recounted so far, by partition and offset, with their reasons.
    pub rejected: BTreeMap<(i32, i64), String>,
    /// Those that are not stored as they were recounted.
    pub rejected_differing: Vec<String>,
    /// `progress`.
    pub partitions: BTreeMap<i32, Partition>,
}

impl Partition {
    /// How many records may be gone from between those that were recounted, as by compaction. That can only be where
    /// offsets are missing: if fewer are than records, the table has counted too many.
    pub fn compacted(&self) -> i64 {
        let from = self.recounted_from.map_or(self.first_offset, |from| from.min(self.next_offset));
        let missing = self.next_offset - from - self.recounted[0];
        let gone = self.stored[0] - self.recounted[0];
        if from <= self.first_offset && gone > missing { 0 } else { gone.min(missing).max(0) }
    }
}

impl Ledger {
    /// The views of a key, given by its columns. `key` is a buffer.
    pub fn views<'a>(
        &mut self,
        table: usize,
        columns: impl IntoIterator<Item = &'a str>,
        key: &mut String,
    ) -> &mut Views {
        key.clear();
        for (index, column) in columns.into_iter().enumerate() {
            if index > 0 {
                key.push(PARTED_BY);
            }
            key.push_str(column);
        }
        self.counted[table].entry_ref(key.as_str()).or_default()
    }
    /// The keys that one side has in a table: of each the texts of these columns, and its views.
    pub fn keys<const N: usize>(
        &self,
        table: usize,
        columns: [&'static str; N],
        side: Side,
    ) -> impl Iterator<Item = ([&str; N], i64)> {
        let position = |name| COUNTED[table].columns.iter().position(|column| *column == name).unwrap_or_default();
        let places = columns.map(position);
        let counted = self.counted[table].iter().filter(move |(_, views)| side(views) > 0);
        counted.map(move |(key, views)| {
            let cells = places.map(|place| key.split(PARTED_BY).nth(place).unwrap_or_default());
            (cells, side(views))
        })
    }
}
