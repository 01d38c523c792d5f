//! The list of the reports. Each is one file of one shape: its tables, its key of a view, its rows.

use differential_dataflow::{AsCollection, VecCollection};
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::vec::{Filter, Partition};

use crate::count::count;
use crate::{Epoch, Key, Row, SEED, Table, Text, View};

pub(crate) mod browser_os_hours;
pub(crate) mod product_hours;
pub(crate) mod store_views;
pub(crate) mod top_countries;
pub(crate) mod top_products;
pub(crate) mod top_referrers;

/// Folded views: each key as often as it was viewed.
pub type Views<'s> = VecCollection<'s, Epoch, Key, i64>;

/// Each key's views, given anew whenever they changed.
pub type Counts<'s> = VecCollection<'s, Epoch, (Key, Count), isize>;

/// How often a key was viewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Count {
    /// The views, of all time.
    pub views: i64,
    /// It was never viewed before.
    pub is_new: bool,
}

/// Changed rows with what they hold now.
pub type Rows<'s> = VecCollection<'s, Epoch, Row, isize>;

/// The keys that one view counts under.
pub(crate) fn keys<'a>(view: &'a View<'_>) -> [Option<Key<Text<&'a str>>>; 5] {
    [
        product_hours::key(view),
        top_countries::key(view),
        top_referrers::key(view),
        store_views::key(view),
        browser_os_hours::key(view),
    ]
}

/// The tables that the reports keep, counts before the rankings that follow from them.
pub fn tables() -> [&'static Table; 8] {
    [
        &product_hours::TABLE,
        &top_countries::COUNTED,
        &top_referrers::COUNTED,
        &store_views::TABLE,
        &browser_os_hours::TABLE,
        &top_products::TABLE,
        &top_countries::RANKED,
        &top_referrers::RANKED,
    ]
}

/// All six reports: from folded views to changed rows. The views of the epochs up to [`SEED`] are what the tables
/// hold already; of these only the rows of derived tables come out.
pub fn reports(views: Views<'_>) -> Rows<'_> {
    let product_days = top_products::days(views.clone());
    let mut counts = by_kind(count(views.concat(product_days))).into_iter();
    let mut next = || counts.next().expect("one stream for each kind of key");
    let rows = [
        product_hours::rows(next()),
        top_products::rows(next()),
        top_countries::rows(next()),
        top_referrers::rows(next()),
        store_views::rows(next()),
        browser_os_hours::rows(next()),
    ];
    let [first, rest @ ..] = rows;
    first.concatenate(rest)
}

/// Parts the counts by what they count, in the order of [`reports`].
fn by_kind(counts: Counts<'_>) -> Vec<Counts<'_>> {
    let kind = |key: &Key| match key {
        Key::ProductHour { .. } => 0,
        Key::ProductDay { .. } => 1,
        Key::Country { .. } => 2,
        Key::Referrer { .. } => 3,
        Key::Store { .. } => 4,
        Key::BrowserOs { .. } => 5,
    };
    let streams = counts.inner.partition(6, move |update| (kind(&update.0.0), update));
    streams.into_iter().map(AsCollection::as_collection).collect()
}

/// The counts as rows of their table, without those that the table holds from the start.
fn counted(counts: Counts<'_>) -> Rows<'_> {
    let changed = counts.inner.filter(|(_, epoch, _)| *epoch > SEED).as_collection();
    changed.map(|(key, Count { views, is_new })| Row { is_new, ..Row::count(key, views) })
}
