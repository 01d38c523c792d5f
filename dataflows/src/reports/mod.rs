//! The list of the reports. Each is one file of one shape: its tables, its key of a view, its rows.

use differential_dataflow::{AsCollection, VecCollection};
use timely::dataflow::operators::vec::Partition;

use crate::count::{self, Counts, count};
use crate::dimensions::{self, Fact, Facts, Member, browser_os, date, page_host, product, store};
use crate::{Epoch, Key, MemberLimit, Row, RowKey, SEED, Table, Text, View};

pub(crate) mod browser_os_hours;
pub(crate) mod product_hours;
pub(crate) mod store_views;
pub(crate) mod top_countries;
pub(crate) mod top_products;
pub(crate) mod top_referrers;

/// Folded views: each key as often as it was viewed.
pub type Views<'s> = VecCollection<'s, Epoch, Key, i64>;

/// Changed rows with what they hold now.
pub type Rows<'s> = VecCollection<'s, Epoch, Row, isize>;

/// How many kinds of keys views are counted by.
pub(crate) const KINDS: usize = 5;

/// The keys that one view counts under, one of each kind at most.
pub(crate) fn keys<'a>(view: &'a View<'_>) -> [Option<Key<Text<&'a str>>>; KINDS] {
    [
        product_hours::key(view),
        top_countries::key(view),
        top_referrers::key(view),
        store_views::key(view),
        browser_os_hours::key(view),
    ]
}

/// The tables that are kept: counts before what follows from them, then the dimensions.
pub fn tables() -> [&'static Table; 16] {
    let [dates, products, stores, browsers, referrers, product_names, page_hosts] = dimensions::TABLES;
    [
        &product_hours::TABLE,
        &top_countries::COUNTED,
        &top_referrers::COUNTED,
        &store_views::TABLE,
        &browser_os_hours::TABLE,
        &top_products::TABLE,
        &top_countries::TOTALS,
        &top_countries::RANKED,
        &top_referrers::RANKED,
        dates,
        products,
        stores,
        browsers,
        referrers,
        product_names,
        page_hosts,
    ]
}

/// All six reports and the dimensions: from folded views, and what their records tell of members, to changed rows. The
/// views and facts of the epochs up to [`SEED`] are what the tables hold already; of these only the rows of derived tables
/// come out.
pub fn reports<'s>(views: Views<'s>, told: Facts<'s>, limit: MemberLimit) -> Rows<'s> {
    let [product_hours, product_days, countries, country_totals, referrers, stores, store_countries, browsers] =
        by_kind(count(views, limit));
    let is_of_host = |fact: &Fact| u64::from(matches!(fact.0, Member::PageHost(_)));
    let mut told = told.inner.partition(2, move |update| (is_of_host(&update.0), update)).into_iter();
    let [told, seen_on_hosts] = std::array::from_fn(|_| told.next().expect("two streams").as_collection());
    let facts = told.concatenate([
        page_host::facts(seen_on_hosts, limit),
        date::facts(countries.clone()),
        product::facts(product_days.clone()),
        store::facts(stores.clone(), store_countries),
        browser_os::facts(browsers.clone()),
    ]);
    dimensions::rows(facts, limit).concatenate([
        product_hours::rows(product_hours),
        top_products::rows(product_days),
        top_countries::rows(countries, country_totals),
        top_referrers::rows(referrers),
        store_views::rows(stores),
        browser_os_hours::rows(browsers),
    ])
}

/// On which of so many workers a row that follows from no other is kept, so that it can be seeded there.
pub fn worker(key: &RowKey, workers: usize, limit: MemberLimit) -> usize {
    let place = match key {
        RowKey::Count(key) => count::place(key, limit),
        RowKey::Member(member) => dimensions::place(member, limit),
        RowKey::Rank { .. } => 0,
    };
    (place % workers as u64) as usize
}

/// Parts the counts by what they count, in the order that [`reports`] takes them in.
fn by_kind(Counts { updates, texts }: Counts<'_>) -> [Counts<'_>; 8] {
    let kind = |key: &Key<u32>| match key {
        Key::ProductHour { .. } => 0,
        Key::ProductDay { .. } => 1,
        Key::Country { .. } => 2,
        Key::CountryTotal { .. } => 3,
        Key::Referrer { .. } => 4,
        Key::Store { .. } => 5,
        Key::StoreCountry { .. } => 6,
        Key::BrowserOs { .. } => 7,
    };
    let mut parts = updates.inner.partition(8, move |update| (kind(&update.0.0), update)).into_iter();
    std::array::from_fn(|_| {
        let updates = parts.next().expect("one stream for each kind of key").as_collection();
        Counts { updates, texts: texts.clone() }
    })
}

/// The counts as rows of their table, without those that the table holds from the start.
fn counted(counts: Counts<'_>) -> Rows<'_> {
    counts.filter_map(|key, count, epoch| {
        (epoch > SEED).then(|| Row { is_new: count.is_new(), ..Row::count(key.map(Text::cloned), count.views) })
    })
}
