//! The dimensions, which give the keys of the counts a name. Each is one file of one shape: its table and the columns
//! of a member.
//!
//! ```text
//! changed counts ──► which members are there, and since when ──┐
//!                                                              ├──► by member: what is known ──► changed rows
//! records ──► products' pages, referrers' hosts ───────────────┘
//! ```
//!
//! Which members there are, on which days and in which countries follows from the counts, and falls with them. What only records
//! can say is the join of all that they ever said: the best page, whether a host is the shop's own. So neither order nor
//! repetition matters, a row is written only when it says something new, and the tables are all the state there is. Only the
//! views of hosts and names are added up, so each of those is sent once.

use std::cmp::{Ordering, Reverse};

use differential_dataflow::{Hashable, VecCollection};
use serde::{Deserialize, Serialize};

use crate::model::{DimensionTable, Table};
use crate::{Cell, Country, Day, Epoch, MemberLimit, Row, RowReader, SharedStr, Text};

mod authority;
pub(crate) mod browser_os;
mod by_counts;
pub(crate) mod date;
mod days;
mod known;
pub(crate) mod page_host;
pub(crate) mod product;
mod product_name;
pub(crate) mod referrer;
mod sightings;
mod sql;
pub(crate) mod store;
mod update_dedup;

pub use authority::host;
pub(crate) use by_counts::{CountChange, CountChanges, CountedMembers, changes_by_counts};
pub(crate) use known::rows;
pub use page_host::{Hosted, Sighting};
pub use sql::{Lookup, LookupColumn, NameTable, STORE_NAMES, Sites};
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
    pub home: Option<Country>,
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

/// A page of a product. The greatest is the one that is shown: first one on a host of the shop's, then that of the most
/// seen name, on a tie the first by name and address. As views only grow, the greatest there ever was is the greatest
/// there is.
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

impl Attributes {
    /// This and what else a record tells of the same member.
    fn join(self, other: Attributes, member: &DimensionKey) -> Self {
        // A record says nothing of these, the member's row at the start all.
        let (seen, home) = (self.seen.or(other.seen), self.home.or(other.home));
        let page = match (self.page, other.page) {
            (Some(a), Some(b)) if matches!(member, DimensionKey::ProductName(_)) => Some(product_name::sum(a, b)),
            (a, b) => a.max(b),
        };
        Attributes { seen, page, home, is_own: self.is_own || other.is_own, hosted: self.hosted.max(other.hosted) }
    }

    /// As a member's table shows it: a product's page without its views.
    fn shown(mut self, member: &DimensionKey) -> Self {
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
    pub(crate) fn read(self, cells: &mut RowReader<'_, '_>) -> Option<Row> {
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

/// An update of a member.
pub type DimensionUpdate = (DimensionKey, Attributes);

/// Updates of members, each any number of times.
pub type DimensionUpdates<'s> = VecCollection<'s, Epoch, DimensionUpdate, isize>;

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
