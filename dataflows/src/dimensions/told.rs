//! What records tell of members, beyond what their counts do.

use hashbrown::DefaultHashBuilder;
use indexmap::{IndexMap, IndexSet};

use super::authority::host;
use super::sightings::Sightings;
use super::{Attributes, Fact, Member, referrer};
use crate::{Key, Shared, Text, View};

/// What the records of one worker told, as long as it is remembered: each fact once, each view of a product's page as
/// long as it counts for a name.
///
/// Hardly any record tells something new, and to find that out here is cheaper than anywhere behind.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The products, by their places.
    products: IndexSet<Text, DefaultHashBuilder>,
    /// What was seen of their pages.
    sightings: Sightings,
    /// The hosts of referrers, and whether it is known what kind of site each is: the shop's own, or another.
    hosts: IndexMap<Box<str>, bool, DefaultHashBuilder>,
    /// What is new of hosts, and not told yet.
    news: Vec<Fact>,
    /// What is remembered, and what of it is not told yet, in bytes; without the sightings.
    bytes: usize,
    fresh_bytes: usize,
    /// How many workers share what may be remembered; 0 is 1.
    workers: usize,
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
        let place = self.products.get_index_of(&product_id).unwrap_or_else(|| {
            let product_id = product_id.map(Shared::from);
            let length = if let Text::Other(text) = &product_id { text.as_ref().len() } else { 0 };
            self.add(size_of::<(u64, Text)>() + length);
            self.products.insert_full(product_id).0
        });
        if place < Watch::HOSTS as usize { Watch(place as u32) } else { Watch::NOTHING }
    }

    /// The host of a referrer, of which is told when it is new.
    fn host(&mut self, referrer_url: &str) -> Watch {
        let Some(host) = host(referrer_url) else { return Watch::NOTHING };
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
                self.sightings.look(watch.0, view.day, url);
                watch
            }
        }
    }

    /// Gives whether it is known by now what kind of site a host is: the shop's own, once it was that of a page.
    #[inline]
    fn look_at_host(&mut self, place: u32, url: &str) -> bool {
        let Some((known_host, is_known)) = self.hosts.get_index_mut(place as usize) else { return true };
        if !*is_known && host(url).as_deref() == Some(&**known_host) {
            *is_known = true;
            let own_site = Attributes { is_own: true, ..Attributes::default() };
            self.news.push((Member::Referrer(Text::from(&**known_host)), own_site));
        }
        *is_known
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.fresh_bytes += bytes;
    }

    /// About how much memory what is not told yet takes, in bytes.
    pub fn fresh_bytes(&self) -> usize {
        self.fresh_bytes + self.sightings.fresh_bytes()
    }

    /// Tells what is new. What is watched until now is no longer to be looked at.
    pub fn drain(&mut self) -> Vec<Fact> {
        let Told { products, sightings, hosts, news, bytes, fresh_bytes, workers } = self;
        let mut facts = std::mem::take(news);
        sightings.drain(|product| products.get_index(product as usize).cloned(), &mut facts);
        *fresh_bytes = 0;
        if *bytes + sightings.bytes() > REMEMBERED / (*workers).max(1) {
            products.clear();
            sightings.clear();
            hosts.clear();
            *bytes = 0;
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::super::page_host::OWN;
    use super::super::product_name::ENOUGH;
    use super::*;
    use crate::{BrowserOs, Country, Day, Fold};

    /// How many views are told when each of so many products is viewed on a page with a path of this length.
    fn told(fold: &mut Fold, products: u64, length: usize) -> usize {
        let browser_os: BrowserOs = BrowserOs::new("Chrome", "Android");
        for id in 0..products {
            fold.add(&View {
                day: Day(0),
                hour: 0,
                product_id: Some(Text::Number(id)),
                store_id: None,
                referrer_url: None,
                current_url: Some(format!("https://a.de/{}", "a".repeat(length)).into()),
                country: Country::UNKNOWN,
                browser_os: browser_os.borrowed(),
            });
        }
        let views = |(member, attributes): Fact| match (member, attributes.hosted, attributes.page) {
            (Member::PageHost(_), Some(hosted), _) => hosted.pages.iter().map(|page| usize::from(page.views)).sum(),
            (Member::ProductName(_), _, Some(page)) => usize::from(page.views),
            _ => 0,
        };
        fold.drain().1.into_iter().map(views).sum()
    }

    #[test]
    fn views_are_told_until_they_are_enough() {
        let mut fold = Fold::default();
        let enough = usize::from(OWN + ENOUGH);
        assert_eq!((0..1_000).map(|_| told(&mut fold, 1, 1)).sum::<usize>(), enough);
        assert_eq!((0..1_000).map(|_| told(&mut fold, 1, 2)).sum::<usize>(), usize::from(ENOUGH), "of another name");
        let many = (REMEMBERED / 1_000) as u64;
        assert_eq!(told(&mut fold, many, 1_000), many as usize, "others");
        assert!((0..1_000).map(|_| told(&mut fold, 1, 1)).sum::<usize>() >= enough, "all is forgotten");
    }
}
