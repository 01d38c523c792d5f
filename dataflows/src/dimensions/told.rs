//! What records tell of members, beyond what their counts do.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use indexmap::IndexMap;

use super::authority::Authority;
use super::{Attributes, Fact, Member, Page, product, referrer};
use crate::{Day, Key, Shared, Text, View};

/// What the records of one worker told: each fact once, as long as it is remembered.
///
/// Facts may be told again, so nothing need be remembered; but hardly any record tells something new, and to find that out
/// here is cheaper than anywhere behind.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The best page of each product, none before the first.
    pages: IndexMap<Text, Known, DefaultHashBuilder>,
    /// The hosts of referrers, and whether it is known what kind of site each is: the shop's own, or another.
    hosts: IndexMap<Box<str>, bool, DefaultHashBuilder>,
    /// What is not told yet: pages by their places, and what is new of hosts.
    better: Vec<u32>,
    news: Vec<Fact>,
    /// What is remembered, and what of it is not told yet, in bytes.
    bytes: usize,
    fresh_bytes: usize,
    /// How many workers share what may be remembered; 0 is 1.
    workers: usize,
}

#[derive(Debug, Default)]
struct Known {
    page: Option<Page>,
    /// Of the page's URL, 64 bits by a seed that nobody knows: most views show the page that is known, and this tells without a
    /// look at its text, which lies elsewhere in memory.
    hash: u64,
}

/// What the views of a key are looked at for: the page of a product or whether a referrer's host is the shop's own, by their
/// places, or nothing. A number of 24 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watch(u32);

impl Watch {
    /// How many bits the number has.
    pub const BITS: u32 = 24;
    const NOTHING: Watch = Watch((1 << Watch::BITS) - 1);
    /// From here on they are hosts. An epoch is full, and drained, long before there are so many pages or hosts.
    const HOSTS: u32 = 1 << (Watch::BITS - 1);

    /// Whether there is something to look for.
    pub fn is_on(self) -> bool {
        self != Watch::NOTHING
    }

    /// The number.
    pub fn number(self) -> u32 {
        self.0
    }

    /// What was this number.
    pub fn from_number(number: u32) -> Self {
        Watch(number)
    }
}

/// All is forgotten once it takes a worker's share of so much, in bytes: enough for the pages of over a million products, where a shop has tens
/// of thousands.
const REMEMBERED: usize = 256 << 20;

impl Told {
    /// Nothing yet, in a worker that is one of so many.
    pub fn sharing(workers: usize) -> Self {
        Told { workers, ..Told::default() }
    }

    /// What the views of this key are to be looked at for, until the next drain.
    pub fn watch(&mut self, key: &Key<Text<&str>>) -> Watch {
        match key {
            Key::ProductHour { product_id, .. } => self.page(*product_id),
            Key::Referrer { referrer_url: Text::Other(url), .. } => self.host(url),
            _ => Watch::NOTHING,
        }
    }

    fn page(&mut self, product_id: Text<&str>) -> Watch {
        let place = self.pages.get_index_of(&product_id).unwrap_or_else(|| {
            let product_id = product_id.map(Shared::from);
            let length = if let Text::Other(text) = &product_id { text.as_ref().len() } else { 0 };
            self.add(size_of::<(u64, Text, Known)>() + length);
            self.pages.insert_full(product_id, Known::default()).0
        });
        if place < Watch::HOSTS as usize { Watch(place as u32) } else { Watch::NOTHING }
    }

    /// The host of a referrer, of which is told when it is new.
    fn host(&mut self, referrer_url: &str) -> Watch {
        let Some(host) = Authority::of(referrer_url).and_then(Authority::host) else { return Watch::NOTHING };
        let place = self.hosts.get_index_of(&*host).unwrap_or_else(|| {
            self.add(size_of::<(u64, Box<str>, bool, Fact)>() + 2 * host.len());
            self.news.push((Member::Referrer(Text::from(&*host)), Attributes::default()));
            self.hosts.insert_full((*host).into(), referrer::known_kind(&host).is_some()).0
        });
        let is_far = place >= (Watch::NOTHING.0 - Watch::HOSTS) as usize;
        if is_far || self.hosts[place] { Watch::NOTHING } else { Watch(Watch::HOSTS + place as u32) }
    }

    /// Looks whether a view tells something new; gives what the next one of its key is to be looked at for.
    #[inline]
    pub fn look(&mut self, watch: Watch, view: &View<'_>) -> Watch {
        let Some(url) = view.current_url.as_deref() else { return watch };
        match watch.0.checked_sub(Watch::HOSTS) {
            Some(place) if self.look_at_host(place, url) => Watch::NOTHING,
            Some(_) => watch,
            None => {
                self.look_at_page(watch.0, view.day, url);
                watch
            }
        }
    }

    #[inline]
    fn look_at_page(&mut self, place: u32, day: Day, url: &str) {
        let url = product::without_query(url);
        let hash = self.pages.hasher().hash_one(url);
        let known = &mut self.pages[place as usize];
        let is_better = match &known.page {
            Some(page) if hash == known.hash => page.day < day,
            Some(page) => page.cmp_to(day, url).is_lt(),
            None => true,
        };
        if is_better && product::is_usable(url) {
            *known = Known { page: Some(Page { day, url: Shared::from(url) }), hash };
            self.better.push(place);
            self.add(url.len() + size_of::<u32>());
        }
    }

    /// Gives whether it is known by now what kind of site a host is: the shop's own, once it was that of a page.
    #[inline]
    fn look_at_host(&mut self, place: u32, url: &str) -> bool {
        let Some((host, is_known)) = self.hosts.get_index_mut(place as usize) else { return true };
        if !*is_known && Authority::of(url).and_then(Authority::host).as_deref() == Some(&**host) {
            *is_known = true;
            let own_site = Attributes { is_own: true, ..Attributes::default() };
            self.news.push((Member::Referrer(Text::from(&**host)), own_site));
        }
        *is_known
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.fresh_bytes += bytes;
    }

    /// About how much memory what is not told yet takes, in bytes.
    pub fn fresh_bytes(&self) -> usize {
        self.fresh_bytes
    }

    /// Tells what is new. What is watched until now is no longer to be looked at.
    pub fn drain(&mut self) -> Vec<Fact> {
        let Told { pages, hosts, better, news, bytes, fresh_bytes, workers } = self;
        let mut facts: Vec<Fact> = Vec::with_capacity(better.len() + news.len());
        facts.extend(better.drain(..).filter_map(|place| {
            let (product_id, known) = pages.get_index(place as usize)?;
            let page = known.page.clone();
            Some((Member::Product(product_id.clone()), Attributes { page, ..Attributes::default() }))
        }));
        facts.append(news);
        *fresh_bytes = 0;
        if *bytes > REMEMBERED / (*workers).max(1) {
            pages.clear();
            hosts.clear();
            *bytes = 0;
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BrowserOs, Country, Fold};

    /// What is told by a view of each of so many products, by addresses of this length.
    fn told(fold: &mut Fold, products: u64, length: usize) -> usize {
        let browser_os: BrowserOs = BrowserOs::new("Chrome", "Android");
        for id in 0..products {
            fold.add(&View {
                day: Day(0),
                hour: 0,
                product_id: Some(Text::Number(id)),
                store_id: None,
                referrer_url: None,
                current_url: Some(format!("https://{}", "a".repeat(length - 8)).into()),
                country: Country::UNKNOWN,
                browser_os: browser_os.borrowed(),
            });
        }
        fold.drain().1.len()
    }

    #[test]
    fn a_fact_is_told_once_until_it_is_forgotten() {
        let mut fold = Fold::default();
        assert_eq!(told(&mut fold, 100, 50), 100);
        assert_eq!(told(&mut fold, 100, 50), 0, "told again");
        assert_eq!(told(&mut fold, 100, 40), 100, "shorter ones");
        let many = (REMEMBERED / 2_000) as u64;
        assert_eq!(told(&mut fold, many, 2_000), many as usize - 100, "longer ones of the first");
        assert_eq!(told(&mut fold, many, 2_000), many as usize, "all is forgotten");
    }
}
