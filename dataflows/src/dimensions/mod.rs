//! The list of the dimensions: what gives the keys of the counts a name. Each is one file of one shape: its table, the
//! columns of a member, and what new counts tell of members. Of products' pages and of referrers' hosts the records tell.
//!
//! ```text
//! new counts ──► facts ──┐
//!                        ├──► by member: joined with what is known ──► changed rows
//! told by records ───────┘
//! ```
//!
//! What is known of a member is the join of all that was ever told of it: the first, the last, the newest, the most. So
//! neither order nor repetition matters, a row is written only when it says something new, and the tables are all the
//! state there is. Only the views of hosts and names are added up, so each of those is told once.

use std::cmp::{Ordering, Reverse};

use differential_dataflow::{AsCollection, Hashable, VecCollection};
use hashbrown::{DefaultHashBuilder, HashMap};
use indexmap::IndexMap;
use indexmap::map::Entry;
use serde::{Deserialize, Serialize};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::vec::Partition;

use crate::admission::Room;
use crate::count::CountUpdate;
use crate::interner::Interner;
use crate::key::{PackedKey, part};
use crate::model::{DimensionTable, Dimensions, Model, Table};
use crate::per_epoch::per_epoch;
use crate::reports::{Rows, place as place_of};
use crate::{Cell, Country, Day, Epoch, MemberLimit, Row, RowReader, SEED, SharedStr, Text};

mod authority;
pub(crate) mod browser_os;
pub(crate) mod date;
pub(crate) mod page_host;
pub(crate) mod product;
mod product_name;
pub(crate) mod referrer;
mod sightings;
mod sql;
pub(crate) mod store;
mod update_dedup;

pub use authority::host;
pub use page_host::{Hosted, Sighting};
pub use sql::{Lookup, LookupColumn};
pub(crate) use update_dedup::{Interest, UpdateDedup};

/// A member of a dimension: what identifies a row of its table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DimensionKey {
    /// A row of `dim_date`.
    Date(Day),
    /// A row of `dim_product`.
    Product(Text),
    /// A row of `dim_store`.
    Store(Text),
    /// A row of `dim_browser_os`; the text joins the names of browser and operating system.
    BrowserOs(Text),
    /// A row of `dim_referrer`, by its host.
    Referrer(Text),
    /// A row of `product_names`; the text is that of a product and one of its names.
    ProductName(SharedStr),
    /// A row of `page_hosts`.
    PageHost(SharedStr),
}

/// What is known of a member, as far as its dimension asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Attributes {
    /// When it was seen.
    pub seen: Option<Seen>,
    /// Where a product is shown.
    pub page: Option<Page>,
    /// The country that a store is most seen in.
    pub home: Option<Home>,
    /// Whether a referrer is a site of the shop itself.
    pub is_own: bool,
    /// What was seen on a host of pages.
    pub hosted: Option<Box<Hosted>>,
}

/// The first and the last day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub struct Seen {
    pub first: Day,
    pub last: Day,
}

/// A page of a product. The greatest is the one that holds: on a host of the shop's before any other, of the most seen
/// name, of equals the name and then the address that come first. As views only grow, the greatest there ever was is the
/// greatest there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Whether its host is the shop's.
    pub is_own: bool,
    /// How often it was seen, up to a bound: its name, on the shop's hosts; itself, on another.
    pub views: u8,
    /// Its URL, without query and fragment.
    pub url: SharedStr,
    /// The first day of these views.
    pub day: Day,
}

impl Ord for Page {
    fn cmp(&self, other: &Self) -> Ordering {
        let url = |page: &Page| Reverse((page.url.as_ref().len(), page.url.clone()));
        let name = |page: &Page| Reverse(product::name(page.url.as_ref()));
        let seen = (self.is_own, self.views).cmp(&(other.is_own, other.views));
        seen.then_with(|| if self.url == other.url { Ordering::Equal } else { name(self).cmp(&name(other)) })
            .then_with(|| url(self).cmp(&url(other)))
            .then_with(|| other.day.cmp(&self.day))
    }
}

impl PartialOrd for Page {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A country, by the views that a store has in it. The greatest is the one that holds: with the most views, of these the
/// one whose code comes first. As counts only grow, the greatest there ever was is the greatest there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Home {
    views: i64,
    country: Reverse<Country>,
}

impl Home {
    /// This country, with these views.
    pub fn new(country: Country, views: i64) -> Self {
        Home { views, country: Reverse(country) }
    }

    /// The country.
    pub fn country(&self) -> &Country {
        &self.country.0
    }
}

impl Attributes {
    /// Of a member that was seen on this day.
    pub(crate) fn seen(day: Day) -> Self {
        Attributes { seen: Some(Seen { first: day, last: day }), ..Attributes::default() }
    }

    /// This and what else is told of the same member.
    fn join(self, told: Attributes, member: &DimensionKey) -> Self {
        let seen = match (self.seen, told.seen) {
            (Some(a), Some(b)) => Some(Seen { first: a.first.min(b.first), last: a.last.max(b.last) }),
            (a, b) => a.or(b),
        };
        let page = match (self.page, told.page) {
            (Some(a), Some(b)) if matches!(member, DimensionKey::ProductName(_)) => Some(product_name::sum(a, b)),
            (a, b) => a.max(b),
        };
        let (home, hosted) = (self.home.max(told.home), self.hosted.max(told.hosted));
        Attributes { seen, page, home, is_own: self.is_own || told.is_own, hosted }
    }

    /// As a member's table shows it: a country and a product's page without their views.
    fn shown(mut self, member: &DimensionKey) -> Self {
        self.home = self.home.map(|home| Home::new(*home.country(), 0));
        if let (DimensionKey::Product(_), Some(page)) = (member, &mut self.page) {
            (page.is_own, page.views) = (false, 0);
        }
        self
    }
}

impl DimensionKey {
    /// The table that it is a row of.
    pub fn table(&self) -> DimensionTable {
        match self {
            DimensionKey::Date(_) => DimensionTable::Date,
            DimensionKey::Product(_) => DimensionTable::Product,
            DimensionKey::Store(_) => DimensionTable::Store,
            DimensionKey::BrowserOs(_) => DimensionTable::BrowserOs,
            DimensionKey::Referrer(_) => DimensionTable::Referrer,
            DimensionKey::ProductName(_) => DimensionTable::ProductNames,
            DimensionKey::PageHost(_) => DimensionTable::PageHosts,
        }
    }

    /// The columns of its row, in its table's order.
    pub(crate) fn cells<'a>(&'a self, attributes: &'a Attributes, give: &mut impl FnMut(Cell<'a>)) {
        match self {
            DimensionKey::Date(day) => give(Cell::from(day)),
            DimensionKey::Product(id) => product::cells(id, attributes, give),
            DimensionKey::Store(id) => store::cells(id, attributes, give),
            DimensionKey::BrowserOs(names) => browser_os::cells(names, give),
            DimensionKey::Referrer(host) => referrer::cells(host, attributes, give),
            DimensionKey::ProductName(name) => product_name::cells(name.as_ref(), attributes, give),
            DimensionKey::PageHost(host) => page_host::cells(host.as_ref(), attributes, give),
        }
    }
}

impl DimensionTable {
    /// Its description.
    pub(crate) fn table(self) -> Table {
        match self {
            DimensionTable::Date => date::table(),
            DimensionTable::Product => product::table(),
            DimensionTable::Store => store::table(),
            DimensionTable::BrowserOs => browser_os::table(),
            DimensionTable::Referrer => referrer::table(),
            DimensionTable::ProductNames => product_name::table(),
            DimensionTable::PageHosts => page_host::table(),
        }
    }

    /// The row of these cells.
    pub(crate) fn read(self, cells: &mut RowReader<'_>) -> Option<Row> {
        match self {
            DimensionTable::Date => date::read(cells),
            DimensionTable::Product => product::read(cells),
            DimensionTable::Store => store::read(cells),
            DimensionTable::BrowserOs => browser_os::read(cells),
            DimensionTable::Referrer => referrer::read(cells),
            DimensionTable::ProductNames => product_name::read(cells),
            DimensionTable::PageHosts => page_host::read(cells),
        }
    }
}

/// Something told of a member.
pub type DimensionUpdate = (DimensionKey, Attributes);

/// What is told of members, any number of times.
pub type DimensionUpdates<'s> = VecCollection<'s, Epoch, DimensionUpdate, isize>;

/// All that is told of members: by their records, and by new counts.
pub(crate) fn updates<'s>(
    by_records: DimensionUpdates<'s>,
    by_counts: DimensionUpdates<'s>,
    limit: MemberLimit,
) -> DimensionUpdates<'s> {
    let is_of_host = |update: &DimensionUpdate| u64::from(matches!(update.0, DimensionKey::PageHost(_)));
    let mut told = by_records.inner.partition(2, move |update| (is_of_host(&update.0), update)).into_iter();
    let [told, seen_on_hosts] = std::array::from_fn(|_| told.next().expect("two streams").as_collection());
    told.concatenate([page_host::updates(seen_on_hosts, limit), by_counts])
}

/// What new counts tell of members. What is not newer than the seed the dimensions' own rows tell.
pub(crate) struct ToldByCounts {
    by_count: Vec<Telling>,
    /// The days that were told of, each with the earliest epoch that it was told in: where several close at once, the counts
    /// come by their keys.
    days: HashMap<Day, Epoch>,
}

/// What the counts of one kind tell. Fields are places among the count's.
#[derive(Clone, Copy)]
struct Telling {
    fields: usize,
    day: bool,
    product: bool,
    store: Option<usize>,
    browser_os: Option<(usize, usize)>,
    /// The store and its country, of the store's events of all days.
    home: Option<(usize, usize)>,
}

impl Telling {
    fn new(id: usize, Model { counts, dimensions, .. }: &Model) -> Telling {
        let count = &counts[id];
        let place = |field| place_of(&count.members, field);
        let Dimensions { product, store, browser_os, .. } = dimensions;
        Telling {
            fields: count.members.len(),
            day: count.has_day && count.from.is_none(),
            product: product.is_some_and(|product| product.days == id),
            store: store.filter(|store| store.days == id).map(|store| place(store.id)),
            browser_os: browser_os.filter(|pair| pair.counted == id).map(|pair| (place(pair.browser), place(pair.os))),
            home: store.filter(|store| store.totals == id).map(|store| (place(store.id), place(store.country))),
        }
    }
}

impl ToldByCounts {
    pub fn new(model: &Model) -> Self {
        let by_count = (0..model.counts.len()).map(|id| Telling::new(id, model)).collect();
        ToldByCounts { by_count, days: HashMap::new() }
    }

    /// Gives what a changed count tells.
    pub fn tell(
        &mut self,
        key: PackedKey,
        count: CountUpdate,
        epoch: Epoch,
        texts: &Interner,
        mut give: impl FnMut(DimensionUpdate),
    ) {
        let Telling { fields, day, product, store, browser_os, home } = self.by_count[key.count()];
        let member = || texts.resolve(key.member());
        let text = |place| part(&member(), fields, place).map(SharedStr::from);
        if count.is_insert() && epoch > SEED {
            if day && self.days.get(&key.day()).is_none_or(|told| epoch < *told) {
                self.days.insert(key.day(), epoch);
                give(date::update(key.day()));
            }
            if product {
                give(product::seen(member().cloned(), key.day()));
            }
            if let Some(store) = store {
                give(store::seen(text(store), key.day()));
            }
            if let Some((browser, os)) = browser_os {
                give(browser_os::seen(&text(browser).to_str(), &text(os).to_str()));
            }
        }
        if let Some((store, country)) = home
            && let Some(country) = Country::new(&text(country).to_str())
        {
            give(store::home(text(store), country, count.total));
        }
    }
}

/// The changed rows: one for each member of which something new is known.
pub(crate) fn rows(facts: DimensionUpdates<'_>, limit: MemberLimit) -> Rows<'_> {
    let mut known = Known::new(limit);
    let by_member = Exchange::new(move |((member, _), _, _): &(DimensionUpdate, Epoch, isize)| place(member, limit));
    per_epoch(facts, by_member, "Dimensions", move |epoch, told| {
        told.into_iter().for_each(|fact| known.learn(fact, epoch));
        let rows = known.changed_rows();
        // What was told up to here the tables hold already.
        if epoch <= SEED { Vec::new() } else { rows }
    })
}

/// On which worker a member is known: the names of a product where the product is.
pub(crate) fn place(member: &DimensionKey, limit: MemberLimit) -> u64 {
    let shard = match member {
        DimensionKey::Date(day) => return day.hashed(),
        DimensionKey::Product(text)
        | DimensionKey::Store(text)
        | DimensionKey::BrowserOs(text)
        | DimensionKey::Referrer(text) => limit.shard(text),
        DimensionKey::ProductName(name) => limit.shard(&product_name::product_in(name.as_ref())),
        DimensionKey::PageHost(host) => limit.shard(&Text::<&str>::from(host.as_ref())),
    };
    u64::from(shard)
}

/// What is known of the members on this worker.
struct Known {
    members: IndexMap<DimensionKey, Attributes, DefaultHashBuilder>,
    /// Those of which a table shows something else now, by their places, with what it showed before.
    changed: IndexMap<usize, Option<Attributes>, DefaultHashBuilder>,
    /// For those that records alone tell of.
    referrers: Room,
    names: Room,
}

impl Known {
    fn new(limit: MemberLimit) -> Self {
        let (referrers, names) = (Room::new(limit), Room::new(limit));
        Known { members: IndexMap::default(), changed: IndexMap::default(), referrers, names }
    }

    /// Adds what was told of a member, and what follows from a name for its product. A member is admitted when it is told of
    /// first, or never.
    fn learn(&mut self, (member, told): DimensionUpdate, epoch: Epoch) {
        let product = match &member {
            DimensionKey::ProductName(name) => Some(product_name::product_in(name.as_ref())),
            _ => None,
        };
        let entry = self.members.entry(member);
        let place = entry.index();
        let now = match entry {
            Entry::Vacant(new) => {
                let is_admitted = match (new.key(), &product) {
                    (_, Some(product)) => self.names.admits(product, epoch),
                    (DimensionKey::Referrer(host), _) => self.referrers.admits(host, epoch),
                    _ => true,
                };
                if !is_admitted {
                    return;
                }
                self.changed.insert(place, None);
                new.insert(told)
            }
            Entry::Occupied(old) => {
                let joined = old.get().clone().join(told, old.key());
                if joined == *old.get() {
                    return;
                }
                let before = old.get().clone().shown(old.key());
                if joined.clone().shown(old.key()) != before {
                    self.changed.entry(place).or_insert(Some(before));
                }
                *old.into_mut() = joined;
                &mut self.members[place]
            }
        };
        if let Some(product) = product {
            let of_product = Attributes { page: now.page.clone(), ..Attributes::default() };
            self.learn((DimensionKey::Product(product), of_product), epoch);
        }
    }

    /// The row of each member of which a table shows something else than when they were last asked for.
    fn changed_rows(&mut self) -> Vec<Row> {
        let changed = self.changed.drain(..).filter_map(|(place, before)| {
            let (member, now) = self.members.get_index(place)?;
            // Of a product that was never admitted there may be names.
            let is_there =
                |attributes: &Attributes| attributes.seen.is_some() || !matches!(member, DimensionKey::Product(_));
            let (now, before) = (Some(now.clone().shown(member)).filter(is_there)?, before.filter(is_there));
            let is_insert = before.is_none();
            (before.as_ref() != Some(&now)).then(|| Row { is_insert, ..Row::member(member.clone(), now) })
        });
        changed.collect()
    }
}
