//! What records say of members, beyond what their counts do.

use hashbrown::DefaultHashBuilder;
use indexmap::{IndexMap, IndexSet};

use super::authority::host;
use super::sightings::Sightings;
use super::{Attributes, DimensionKey, DimensionUpdate, referrer};
use crate::model::Dimensions;
use crate::{Day, Event, SharedStr, Text};

/// Filters what the records of one worker say of members, as far as it remembers: each update passes once, each view of
/// a product's page as long as it counts for a name.
///
/// Hardly any record says something new, and finding that out here is cheaper than anywhere downstream.
#[derive(Debug, Default)]
pub(crate) struct UpdateDedup {
    dimensions: Dimensions,
    /// The products, by their places.
    products: IndexSet<Text, DefaultHashBuilder>,
    /// What was seen of their pages.
    sightings: Sightings,
    /// The hosts of referrers, and whether it is known what kind of site each is: the shop's own, or another.
    hosts: IndexMap<Box<str>, bool, DefaultHashBuilder>,
    /// What is new of hosts, and not sent yet.
    news: Vec<DimensionUpdate>,
    /// What is remembered, and what of it is not sent yet, in bytes; without the sightings.
    bytes: usize,
    fresh_bytes: usize,
    /// How many workers share what may be remembered; 0 is 1.
    workers: usize,
    /// The first day of each count that is kept; empty where all are.
    first_kept: Vec<Day>,
}

/// What the views of a key are looked at for: the page of a product or whether a referrer's host is the shop's own, by their
/// places, or nothing. A number of 24 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest(u32);

impl Interest {
    /// How many bits the number has.
    pub const BITS: u32 = 24;
    const NOTHING: Interest = Interest((1 << Interest::BITS) - 1);
    /// From here on they are hosts. An epoch is full, and drained, long before there are so many pages or hosts.
    const HOSTS: u32 = 1 << (Interest::BITS - 1);

    /// Whether there is something to look for.
    pub fn is_on(self) -> bool {
        self != Interest::NOTHING
    }

    /// The number.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The interest with this number.
    pub fn from_number(number: u32) -> Self {
        Interest(number)
    }
}

/// Memory of all workers, in bytes; a worker forgets everything once it takes its share. Enough for the pages of over a
/// million products, where a shop has tens of thousands.
const REMEMBERED_BYTES_MAX: usize = 256 << 20;

impl UpdateDedup {
    /// Remembers nothing yet, on one of this many workers.
    pub fn new(dimensions: Dimensions, workers: usize) -> Self {
        UpdateDedup { dimensions, workers, ..UpdateDedup::default() }
    }

    /// What the events of a key of this count are to be looked at for, until the next drain; `event` is the first of them.
    pub fn interest(&mut self, count: usize, event: &Event<'_>) -> Interest {
        // Nothing is remembered of an expired day: its members may go with it, and come back.
        let leaves = self.first_kept.get(count).is_some_and(|first| event.day < *first);
        if let Some(product) = self.dimensions.product.filter(|product| product.counted == count) {
            let id = event.fields[product.id].as_ref().filter(|_| !leaves);
            return id.map_or(Interest::NOTHING, |id| self.page(id.borrowed()));
        }
        if let Some(referrer) = self.dimensions.referrer.filter(|referrer| referrer.counted == count)
            && let Some(Text::Other(url)) = &event.fields[referrer.url]
        {
            return if leaves { self.host_for_now(url) } else { self.host(url) };
        }
        Interest::NOTHING
    }

    fn page(&mut self, product_id: Text<&str>) -> Interest {
        let place = self.products.get_index_of(&product_id).unwrap_or_else(|| {
            let product_id = product_id.map(SharedStr::from);
            let length = if let Text::Other(text) = &product_id { text.as_ref().len() } else { 0 };
            self.add(size_of::<(u64, Text)>() + length);
            self.products.insert_full(product_id).0
        });
        if place < Interest::HOSTS as usize { Interest(place as u32) } else { Interest::NOTHING }
    }

    /// The host of a referrer, which is reported if it is new.
    fn host(&mut self, referrer_url: &str) -> Interest {
        let Some(host) = host(referrer_url) else { return Interest::NOTHING };
        let place = self.hosts.get_index_of(&*host).unwrap_or_else(|| {
            self.add(size_of::<(u64, Box<str>, bool, DimensionUpdate)>() + 2 * host.len());
            self.news.push(is_there(&host));
            self.hosts.insert_full((*host).into(), referrer::known_kind(&host).is_some()).0
        });
        let is_far = place >= (Interest::NOTHING.0 - Interest::HOSTS) as usize;
        if is_far || self.hosts[place] { Interest::NOTHING } else { Interest(Interest::HOSTS + place as u32) }
    }

    /// Reports the host of a referrer without remembering it.
    fn host_for_now(&mut self, referrer_url: &str) -> Interest {
        if let Some(host) = host(referrer_url) {
            self.fresh_bytes += size_of::<DimensionUpdate>() + host.len();
            self.news.push(is_there(&host));
        }
        Interest::NOTHING
    }

    /// Checks whether a view says something new; returns what the next one of its key is to be looked at for.
    #[inline]
    pub fn look(&mut self, watch: Interest, event: &Event<'_>) -> Interest {
        let Some(url) = event.page.as_deref() else { return watch };
        match watch.0.checked_sub(Interest::HOSTS) {
            Some(place) if self.look_at_host(place, url) => Interest::NOTHING,
            Some(_) => watch,
            None => {
                self.sightings.look(watch.0, event.day, url);
                watch
            }
        }
    }

    /// Whether it is known by now what kind of site a host is: the shop's own, once it was that of a page.
    #[inline]
    fn look_at_host(&mut self, place: u32, url: &str) -> bool {
        let Some((known_host, is_known)) = self.hosts.get_index_mut(place as usize) else { return true };
        if !*is_known && host(url).as_deref() == Some(&**known_host) {
            *is_known = true;
            let own_site = Attributes { is_own: true, ..Attributes::default() };
            self.news.push((DimensionKey::Referrer(Text::from(&**known_host)), own_site));
        }
        *is_known
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.fresh_bytes += bytes;
    }

    /// Approximate memory of what is not sent yet, in bytes.
    pub fn fresh_bytes(&self) -> usize {
        self.fresh_bytes + self.sightings.fresh_bytes()
    }

    /// Returns what is new. Interests given out before it must not be used any more.
    pub fn drain(&mut self) -> Vec<DimensionUpdate> {
        let UpdateDedup { products, sightings, news, fresh_bytes, .. } = self;
        let mut facts = std::mem::take(news);
        sightings.drain(|product| products.get_index(product as usize).cloned(), &mut facts);
        *fresh_bytes = 0;
        if self.bytes + self.sightings.bytes() > REMEMBERED_BYTES_MAX / self.workers.max(1) {
            self.forget();
        }
        facts
    }

    /// From now on, days before these expire, by count, and their members with them: those that are kept, or come back,
    /// are reported again.
    pub fn keep_from(&mut self, first: Vec<Day>) {
        self.first_kept = first;
        self.forget();
    }

    /// Forgets what it sent. All must have been drained.
    fn forget(&mut self) {
        self.products.clear();
        self.sightings.clear();
        self.hosts.clear();
        self.bytes = 0;
    }
}

/// That a host is one of a referrer.
fn is_there(host: &str) -> DimensionUpdate {
    (DimensionKey::Referrer(Text::from(host)), Attributes::default())
}

#[cfg(test)]
mod tests {
    use super::super::page_host::OWN_VIEWS_MIN;
    use super::super::product_name::NAME_VIEWS_MAX;
    use super::*;
    use crate::PreAggregator;
    use crate::model::Model;

    /// How many views are sent when each of so many products is viewed on a page with a path of this length.
    fn sent(events: &mut PreAggregator, products: u64, length: usize) -> usize {
        let model = Model::builtin();
        for id in 0..products {
            let fields = (0..model.fields.len()).map(|field| (field == 0).then_some(Text::Number(id))).collect();
            let page = Some(format!("https://a.de/{}", "a".repeat(length)).into());
            events.add(&Event { day: Day(0), hour: 0, time: 0, id: None, passes: 1, fields, page });
        }
        let views = |(member, attributes): DimensionUpdate| match (member, attributes.hosted, attributes.page) {
            (DimensionKey::PageHost(_), Some(hosted), _) => {
                hosted.pages.iter().map(|page| usize::from(page.views)).sum()
            }
            (DimensionKey::ProductName(_), _, Some(page)) => usize::from(page.views),
            _ => 0,
        };
        events.drain().1.into_iter().map(views).sum()
    }

    #[test]
    fn views_are_sent_until_they_are_enough() {
        let mut events = PreAggregator::new(Model::builtin(), 1);
        let enough = usize::from(OWN_VIEWS_MIN + NAME_VIEWS_MAX);
        assert_eq!((0..1_000).map(|_| sent(&mut events, 1, 1)).sum::<usize>(), enough);
        assert_eq!(
            (0..1_000).map(|_| sent(&mut events, 1, 2)).sum::<usize>(),
            usize::from(NAME_VIEWS_MAX),
            "of another name"
        );
        let many = (REMEMBERED_BYTES_MAX / 1_000) as u64;
        assert_eq!(sent(&mut events, many, 1_000), many as usize, "others");
        assert!((0..1_000).map(|_| sent(&mut events, 1, 1)).sum::<usize>() >= enough, "all is forgotten");
    }
}
