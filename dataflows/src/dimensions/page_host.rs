//! The hosts of products' pages. A host is the shop's once enough views were seen on it; until then its views wait in its row.
//!
//! ```text
//! sightings ──► by host ──┬─ is the shop's ──► names of products
//!                         └─ not yet ────────► wait; a page for products that have no name yet
//! ```
//!
//! Sightings on a host that a worker knows to be the shop's skip this: that worker adds them to the names itself. So
//! which views count for a name does not depend on their order: when a host becomes the shop's, those that waited count
//! too. And a foreign host costs a row of a few views at most, however many it has.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use timely::dataflow::channels::pact::Exchange;

use super::{Attributes, DimensionKey, DimensionUpdate, DimensionUpdates, Page, place, product_name};
use crate::admission::Room;
use crate::model::{Column, ColumnType, DimensionTable, Table, TableRows};
use crate::per_epoch::per_epoch;
use crate::{Cell, Day, Epoch, MemberLimit, Row, RowReader, SharedStr, Text};

/// Views from which on a host counts as the shop's.
pub(super) const OWN_VIEWS_MIN: u8 = 10;

/// The hosts.
pub(crate) fn table() -> Table {
    let key = vec![Column::new("host", ColumnType::Text)];
    let values = vec![Column::new("views", ColumnType::Smallint), Column::nullable("waiting", ColumnType::Text)];
    Table {
        name: "page_hosts".into(),
        key,
        values,
        rows: TableRows::Members(DimensionTable::PageHosts),
        about: "page_hosts".into(),
    }
}

/// The row of these cells.
pub(crate) fn read(cells: &mut RowReader<'_, '_>) -> Option<Row> {
    let host = SharedStr::from(&*cells.text()?);
    let views = cells.small()?;
    let waiting = cells.optional(|cells| cells.text())?;
    let pages = waiting.map_or(Some(Vec::new()), |waiting| waiting.lines().map(Sighting::read).collect())?;
    let hosted = Some(Box::new(Hosted { views, pages }));
    Some(Row::member(DimensionKey::PageHost(host), Attributes { hosted, ..Attributes::default() }))
}

/// The columns of a host.
pub(crate) fn cells<'a>(host: &'a str, attributes: &'a Attributes, give: &mut impl FnMut(Cell<'a>)) {
    give(Cell::from(host));
    let Some(hosted) = &attributes.hosted else { return };
    let lines: Vec<_> = hosted.pages.iter().map(Sighting::line).collect();
    give(Cell::from(&hosted.views));
    give(if lines.is_empty() { Cell::Null } else { Cell::Text(lines.join("\n").into()) });
}

/// What was seen on a host. Of two the greater one knows more.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hosted {
    /// The views of pages that give a product a name, up to those that make the host the shop's.
    pub views: u8,
    /// The pages of a host that is not the shop's, in the order of products and addresses.
    pub pages: Vec<Sighting>,
}

/// Views of a page of a product.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sighting {
    /// The product.
    pub product_id: Text,
    /// The page, without query and fragment.
    pub url: SharedStr,
    /// How many views.
    pub views: u8,
    /// The first day of them.
    pub day: Day,
}

impl Sighting {
    /// As a line of a row, escaped so that no field holds a tab or a line break.
    fn line(&self) -> String {
        let escaped =
            |text: &str| text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r");
        let (product, url) = (escaped(&self.product_id.to_str()), escaped(self.url.as_ref()));
        format!("{product}\t{url}\t{}\t{}", self.views, self.day.0)
    }

    fn read(line: &str) -> Option<Sighting> {
        let mut fields = line.split('\t');
        let (product, url) = (unescaped(fields.next()?)?, unescaped(fields.next()?)?);
        let (views, day) = (fields.next()?.parse().ok()?, Day(fields.next()?.parse().ok()?));
        Some(Sighting { product_id: Text::from(product.as_str()), url: SharedStr::from(url), views, day })
    }
}

fn unescaped(text: &str) -> Option<String> {
    let (mut plain, mut letters) = (String::new(), text.chars());
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next()? {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                letter => letter,
            },
            letter => letter,
        });
    }
    Some(plain)
}

impl Hosted {
    /// Whether the host is the shop's.
    pub fn is_own(&self) -> bool {
        self.views >= OWN_VIEWS_MIN
    }

    /// Adds further sightings.
    fn add(&mut self, seen: Hosted) {
        // A row of the tables may be the shop's already, without the pages.
        self.views = self.views.saturating_add(seen.views).min(OWN_VIEWS_MIN);
        for page in seen.pages {
            let place = self.pages.binary_search_by(|known| {
                (&*known.product_id.to_str(), known.url.as_ref()).cmp(&(&*page.product_id.to_str(), page.url.as_ref()))
            });
            match place {
                Ok(place) => {
                    let known = &mut self.pages[place];
                    known.views = known.views.saturating_add(page.views);
                    known.day = known.day.min(page.day);
                }
                Err(place) => self.pages.insert(place, page),
            }
        }
    }
}

/// What follows from what was seen on hosts: their rows, the names of products, and pages of those that have none.
pub(crate) fn updates(seen: DimensionUpdates<'_>, limit: MemberLimit) -> DimensionUpdates<'_> {
    let (mut hosts, mut room) = (HashMap::new(), Room::new(limit));
    let by_host = Exchange::new(move |((host, _), _, _): &(DimensionUpdate, Epoch, isize)| place(host, limit));
    per_epoch(seen, by_host, "Hosts", move |epoch, seen| {
        let mut facts = Vec::new();
        for (member, attributes) in seen {
            if let (DimensionKey::PageHost(host), Some(hosted)) = (member, attributes.hosted)
                && (hosts.contains_key(&host) || room.admits(&Text::<&str>::from(host.as_ref()), epoch))
            {
                see(&mut hosts, host, *hosted, &mut facts);
            }
        }
        facts
    })
}

fn see(hosts: &mut HashMap<SharedStr, Hosted>, host: SharedStr, seen: Hosted, facts: &mut Vec<DimensionUpdate>) {
    let known = hosts.entry(host.clone()).or_default();
    if known.is_own() {
        facts.extend(seen.pages.iter().filter_map(product_name::fact));
        return;
    }
    known.add(seen);
    if known.is_own() {
        facts.extend(std::mem::take(&mut known.pages).iter().filter_map(product_name::fact));
    } else {
        facts.extend(known.pages.iter().map(stranger));
    }
    let hosted = Some(Box::new(known.clone()));
    facts.push((DimensionKey::PageHost(host), Attributes { hosted, ..Attributes::default() }));
}

/// What a page on a host that is not the shop's says of its product.
fn stranger(page: &Sighting) -> DimensionUpdate {
    let Sighting { product_id, url, views, day } = page;
    let page = Some(Page { is_own: false, views: *views, url: url.clone(), day: *day });
    (DimensionKey::Product(product_id.clone()), Attributes { page, ..Attributes::default() })
}
