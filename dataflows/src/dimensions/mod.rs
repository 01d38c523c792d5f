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

use differential_dataflow::{Hashable, VecCollection};
use hashbrown::DefaultHashBuilder;
use indexmap::IndexMap;
use indexmap::map::Entry;
use serde::{Deserialize, Serialize};
use timely::dataflow::channels::pact::Exchange;

use crate::admission::Room;
use crate::at_close::at_close;
use crate::count::Counts;
use crate::model::{self, DimensionTable};
use crate::reports::Rows;
use crate::{Cell, Country, Day, Epoch, Key, MemberLimit, Row, SEED, Shared, Table, Text};

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
mod told;

pub use authority::host;
pub use page_host::{Hosted, Sighting};
pub use sql::{Lookup, LookupColumn};
pub(crate) use told::{Told, Watch};

/// A member of a dimension: what identifies a row of its table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Member {
    /// A row of `dim_date`.
    Date(Day),
    /// A row of `dim_product`.
    Product(Text),
    /// A row of `dim_store`.
    Store(Text),
    /// A row of `dim_browser_os`; the text is that of a [`BrowserOs`](crate::BrowserOs).
    BrowserOs(Text),
    /// A row of `dim_referrer`, by its host.
    Referrer(Text),
    /// A row of `product_names`; the text is that of a product and one of its names.
    ProductName(Shared),
    /// A row of `page_hosts`.
    PageHost(Shared),
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
    pub url: Shared,
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
    fn join(self, told: Attributes, member: &Member) -> Self {
        let seen = match (self.seen, told.seen) {
            (Some(a), Some(b)) => Some(Seen { first: a.first.min(b.first), last: a.last.max(b.last) }),
            (a, b) => a.or(b),
        };
        let page = match (self.page, told.page) {
            (Some(a), Some(b)) if matches!(member, Member::ProductName(_)) => Some(product_name::sum(a, b)),
            (a, b) => a.max(b),
        };
        let (home, hosted) = (self.home.max(told.home), self.hosted.max(told.hosted));
        Attributes { seen, page, home, is_own: self.is_own || told.is_own, hosted }
    }

    /// As a member's table shows it: a country and a product's page without their views.
    fn shown(mut self, member: &Member) -> Self {
        self.home = self.home.map(|home| Home::new(*home.country(), 0));
        if let (Member::Product(_), Some(page)) = (member, &mut self.page) {
            (page.is_own, page.views) = (false, 0);
        }
        self
    }
}

impl Member {
    /// The table that it is a row of.
    pub fn table(&self) -> &'static Table {
        match self {
            Member::Date(_) => &date::TABLE,
            Member::Product(_) => &product::TABLE,
            Member::Store(_) => &store::TABLE,
            Member::BrowserOs(_) => &browser_os::TABLE,
            Member::Referrer(_) => &referrer::TABLE,
            Member::ProductName(_) => &product_name::TABLE,
            Member::PageHost(_) => &page_host::TABLE,
        }
    }

    /// The columns of its row, in its table's order.
    pub(crate) fn cells<'a>(&'a self, attributes: &'a Attributes, give: &mut impl FnMut(Cell<'a>)) {
        match self {
            Member::Date(day) => give(Cell::from(day)),
            Member::Product(id) => product::cells(id, attributes, give),
            Member::Store(id) => store::cells(id, attributes, give),
            Member::BrowserOs(names) => browser_os::cells(names, give),
            Member::Referrer(host) => referrer::cells(host, attributes, give),
            Member::ProductName(name) => product_name::cells(name.as_ref(), attributes, give),
            Member::PageHost(host) => page_host::cells(host.as_ref(), attributes, give),
        }
    }
}

/// The tables of the dimensions.
pub(crate) const TABLES: [&Table; 7] = [
    &date::TABLE,
    &product::TABLE,
    &store::TABLE,
    &browser_os::TABLE,
    &referrer::TABLE,
    &product_name::TABLE,
    &page_host::TABLE,
];

/// The description of a dimension's table.
pub(crate) fn table(table: DimensionTable) -> model::Table {
    let described = match table {
        DimensionTable::Date => &date::TABLE,
        DimensionTable::Product => &product::TABLE,
        DimensionTable::Store => &store::TABLE,
        DimensionTable::BrowserOs => &browser_os::TABLE,
        DimensionTable::Referrer => &referrer::TABLE,
        DimensionTable::ProductNames => &product_name::TABLE,
        DimensionTable::PageHosts => &page_host::TABLE,
    };
    let column = |column: &crate::Column| model::Column {
        name: column.name.into(),
        kind: match column.kind {
            crate::Kind::Text => model::ColumnType::Text,
            crate::Kind::LongText => model::ColumnType::LongText,
            crate::Kind::Date => model::ColumnType::Date,
            crate::Kind::Smallint => model::ColumnType::Smallint,
            crate::Kind::Bigint => model::ColumnType::Bigint,
        },
        nullable: column.nullable,
    };
    model::Table {
        name: described.name.into(),
        key: described.key.iter().map(column).collect(),
        values: described.values.iter().map(column).collect(),
        rows: model::TableRows::Members(table),
        about: described.name.into(),
    }
}

/// Something told of a member.
pub type Fact = (Member, Attributes);

/// What is told of members, any number of times.
pub type Facts<'s> = VecCollection<'s, Epoch, Fact, isize>;

/// What new counts tell. What is not newer than the seed the dimensions' own rows tell.
fn told_by_new<'s>(
    counts: Counts<'s>,
    mut tell: impl FnMut(Key<Text<&Shared>>) -> Option<Fact> + 'static,
) -> Facts<'s> {
    counts.filter_map(move |key, count, epoch| if count.is_new() && epoch > SEED { tell(key) } else { None })
}

/// The changed rows: one for each member of which something new is known.
pub(crate) fn rows(facts: Facts<'_>, limit: MemberLimit) -> Rows<'_> {
    let mut known = Known::new(limit);
    let by_member = Exchange::new(move |((member, _), _, _): &(Fact, Epoch, isize)| place(member, limit));
    at_close(facts, by_member, "Dimensions", move |epoch, told| {
        told.into_iter().for_each(|fact| known.learn(fact, epoch));
        let rows = known.changed_rows();
        // What was told up to here the tables hold already.
        if epoch <= SEED { Vec::new() } else { rows }
    })
}

/// On which worker a member is known: the names of a product where the product is.
pub(crate) fn place(member: &Member, limit: MemberLimit) -> u64 {
    let shard = match member {
        Member::Date(day) => return day.hashed(),
        Member::Product(text) | Member::Store(text) | Member::BrowserOs(text) | Member::Referrer(text) => {
            limit.shard(text)
        }
        Member::ProductName(name) => limit.shard(&product_name::product_in(name.as_ref())),
        Member::PageHost(host) => limit.shard(&Text::<&str>::from(host.as_ref())),
    };
    u64::from(shard)
}

/// What is known of the members on this worker.
struct Known {
    members: IndexMap<Member, Attributes, DefaultHashBuilder>,
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
    fn learn(&mut self, (member, told): Fact, epoch: Epoch) {
        let product = match &member {
            Member::ProductName(name) => Some(product_name::product_in(name.as_ref())),
            _ => None,
        };
        let entry = self.members.entry(member);
        let place = entry.index();
        let now = match entry {
            Entry::Vacant(new) => {
                let is_admitted = match (new.key(), &product) {
                    (_, Some(product)) => self.names.admits(product, epoch),
                    (Member::Referrer(host), _) => self.referrers.admits(host, epoch),
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
            self.learn((Member::Product(product), of_product), epoch);
        }
    }

    /// The row of each member of which a table shows something else than when they were last asked for.
    fn changed_rows(&mut self) -> Vec<Row> {
        let changed = self.changed.drain(..).filter_map(|(place, before)| {
            let (member, now) = self.members.get_index(place)?;
            // Of a product that was never admitted there may be names.
            let is_there = |attributes: &Attributes| attributes.seen.is_some() || !matches!(member, Member::Product(_));
            let (now, before) = (Some(now.clone().shown(member)).filter(is_there)?, before.filter(is_there));
            let is_new = before.is_none();
            (before.as_ref() != Some(&now)).then(|| Row { is_new, ..Row::member(member.clone(), now) })
        });
        changed.collect()
    }
}
