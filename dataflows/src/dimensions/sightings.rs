//! The views of products' pages that a worker saw, as far as they may still count for a name.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use indexmap::IndexMap;

use super::authority;
use super::page_host::{Hosted, OWN_VIEWS_MIN, Sighting};
use super::product_name::{self, NAME_VIEWS_MAX, is_better};
use super::{Attributes, DimensionKey, DimensionUpdate, Page, product};
use crate::{Day, SharedStr, Text};

/// What was seen of the pages of products, by the products' places.
///
/// Views are added up downstream, so none may be sent twice; but all may be forgotten: from then on a few are sent that
/// no longer count.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    hasher: DefaultHashBuilder,
    /// The pages.
    pages: HashTable<Known>,
    /// What pages on the shop's hosts call their products, by the last part of the address and the product.
    names: IndexMap<u64, Named, DefaultHashBuilder>,
    /// The names with something not sent yet, by their places.
    fresh: Vec<u32>,
    hosts: IndexMap<SharedStr, Host, DefaultHashBuilder>,
    bytes: usize,
    fresh_bytes: usize,
}

/// A page.
#[derive(Debug)]
struct Known {
    /// Of the product and the address, 64 bits with a random seed: most views show a known page, and this finds it
    /// without touching its text, which lies elsewhere in memory.
    hash: u64,
    /// From this day on its views tell nothing new.
    settled: Day,
    /// The place of its name.
    name: u32,
}

/// A name of a product.
#[derive(Debug)]
struct Named {
    product: u32,
    /// With the product's id, once it was sent.
    joined: Option<SharedStr>,
    is_fresh: bool,
    /// The views, and how many of them were sent.
    views: u8,
    sent: u8,
    /// The first day of them.
    day: Day,
    /// The page that is shown.
    url: SharedStr,
}

/// A host of pages.
#[derive(Debug, Default)]
struct Host {
    /// The views that were sent, or are about to be: once they are enough, it is the shop's, whatever others saw.
    views: u8,
    /// Those that are about to be sent: the pages with the products' places.
    fresh: Vec<(u32, SharedStr, Day)>,
}

/// A day before all, and one after all.
const ALWAYS: Day = Day(i32::MIN);
const NEVER: Day = Day(i32::MAX);

impl Sightings {
    /// Looks at a view of this product on this page.
    #[inline]
    pub fn look(&mut self, product: u32, day: Day, url: &str) {
        let url = product::without_query(url);
        let hash = self.hasher.hash_one((product, url));
        match self.pages.find(hash, |page| page.hash == hash) {
            Some(page) if page.settled <= day => {}
            Some(page) => {
                let settled = self.view_again(page.name, day);
                if let Some(page) = self.pages.find_mut(hash, |page| page.hash == hash) {
                    page.settled = settled;
                }
            }
            None => self.meet(hash, product, day, url),
        }
    }

    /// Counts a view of a name; returns the day from which on another adds nothing new.
    fn view_again(&mut self, place: u32, day: Day) -> Day {
        let name = &mut self.names[place as usize];
        let is_news = name.views < NAME_VIEWS_MAX || day < name.day;
        name.views = (name.views + 1).min(NAME_VIEWS_MAX);
        name.day = name.day.min(day);
        if is_news && !std::mem::replace(&mut name.is_fresh, true) {
            self.fresh.push(place);
            self.fresh_bytes += size_of::<(u32, Sighting)>();
        }
        if name.views < NAME_VIEWS_MAX { NEVER } else { name.day }
    }

    /// Looks at a page that is not known.
    #[inline(never)]
    fn meet(&mut self, hash: u64, product: u32, day: Day, url: &str) {
        let host = if product::is_usable(url) { authority::host(url) } else { None };
        let (Some(host), Some(part)) = (host, product::last_part(url)) else {
            return self.know(Known { hash, settled: ALWAYS, name: 0 });
        };
        let host_place = match self.hosts.get_index_of(&*host) {
            Some(place) => place,
            None if product::name(url).is_none() => return self.know(Known { hash, settled: ALWAYS, name: 0 }),
            None => {
                self.add(size_of::<(u64, SharedStr, Host)>() + host.len());
                self.hosts.insert_full(SharedStr::from(&*host), Host::default()).0
            }
        };
        if self.hosts[host_place].views < OWN_VIEWS_MIN {
            return self.wait(host_place, product, day, url, hash);
        }
        let key = self.hasher.hash_one((product, part));
        let place = match self.names.get_index_of(&key) {
            Some(place) => place,
            None if product::name(url).is_none() => return self.know(Known { hash, settled: ALWAYS, name: 0 }),
            None => {
                let url = SharedStr::from(url);
                self.add(size_of::<(u64, u64, Named)>() + url.as_ref().len());
                let name = Named { product, joined: None, is_fresh: false, views: 0, sent: 0, day: NEVER, url };
                self.names.insert_full(key, name).0
            }
        };
        if is_better(url, self.names[place].url.as_ref()) {
            self.show(place, url);
        }
        let settled = self.view_again(place as u32, day);
        self.know(Known { hash, settled, name: place as u32 });
    }

    /// Notes a view on a host that may not be the shop's.
    fn wait(&mut self, host: usize, product: u32, day: Day, url: &str, hash: u64) {
        if product::name(url).is_none() {
            return self.know(Known { hash, settled: ALWAYS, name: 0 });
        }
        self.hosts[host].views += 1;
        self.hosts[host].fresh.push((product, SharedStr::from(url), day));
        self.fresh_bytes += size_of::<(u32, SharedStr, Sighting)>() + url.len();
    }

    /// From now on a name shows another page.
    fn show(&mut self, place: usize, url: &str) {
        let name = &mut self.names[place];
        name.url = SharedStr::from(url);
        if !std::mem::replace(&mut name.is_fresh, true) {
            self.fresh.push(place as u32);
        }
        self.add(url.len());
    }

    fn know(&mut self, page: Known) {
        let hash = page.hash;
        if let Entry::Vacant(place) = self.pages.entry(hash, |known| known.hash == hash, |known| known.hash) {
            place.insert(page);
            self.bytes += size_of::<Known>() + 1;
        }
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.fresh_bytes += bytes;
    }

    /// Approximate memory of what is remembered, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The part of it that is not sent yet.
    pub fn fresh_bytes(&self) -> usize {
        self.fresh_bytes
    }

    /// Sends what is new: the views of names on the shop's hosts, and those on hosts that may become the shop's.
    pub fn drain(&mut self, product: impl Fn(u32) -> Option<Text>, facts: &mut Vec<DimensionUpdate>) {
        let Sightings { names, fresh, hosts, fresh_bytes, .. } = self;
        *fresh_bytes = 0;
        for (name, host) in hosts.iter_mut().filter(|(_, host)| !host.fresh.is_empty()) {
            let views = host.fresh.len().try_into().unwrap_or(OWN_VIEWS_MIN);
            let seen = host.fresh.drain(..);
            let sighting = |(place, url, day)| Some(Sighting { product_id: product(place)?, url, views: 1, day });
            let hosted = Some(Box::new(Hosted { views, pages: seen.filter_map(sighting).collect() }));
            facts.push((DimensionKey::PageHost(name.clone()), Attributes { hosted, ..Attributes::default() }));
        }
        facts.extend(fresh.drain(..).filter_map(|place| {
            let name = &mut names[place as usize];
            name.is_fresh = false;
            if name.joined.is_none() {
                name.joined = product_name::name_of(&product(name.product)?, name.url.as_ref());
            }
            let views = name.views - std::mem::replace(&mut name.sent, name.views);
            let page = Some(Page { is_own: true, views, url: name.url.clone(), day: name.day });
            Some((DimensionKey::ProductName(name.joined.clone()?), Attributes { page, ..Attributes::default() }))
        }));
    }

    /// Forgets everything; all must have been sent.
    pub fn clear(&mut self) {
        self.pages.clear();
        self.names.clear();
        self.hosts.clear();
        self.bytes = 0;
    }
}
