//! What records tell of members, beyond what their counts do.

use hashbrown::{HashMap, HashSet};

use super::authority::Authority;
use super::{Attributes, Fact, Member, Page, product, referrer};
use crate::{Day, Key, Shared, Text, View};

/// What the records of one worker told: each fact once, as long as it is remembered.
///
/// Facts may be told again, so nothing need be remembered; but hardly any record tells something new, and to find that out
/// here is cheaper than anywhere behind.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Where the page of each product stands.
    places: HashMap<Text, u32>,
    /// The best page of each product, none before the first.
    pages: Vec<Known>,
    /// The hosts of referrers that are the shop's own sites.
    own: HashSet<Box<str>>,
    /// What is not told yet: pages by their places, and hosts.
    better: Vec<u32>,
    hosts: Vec<Text>,
    /// What is remembered, and what of it is not told yet, in bytes.
    bytes: usize,
    fresh_bytes: usize,
}

#[derive(Debug)]
struct Known {
    product_id: Text,
    page: Option<Page>,
    is_told: bool,
}

/// What the views of a key are looked at for: the page of a product, by its place, whether a referrer is the shop's own, or
/// nothing. A number of 24 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watch(u32);

impl Watch {
    /// How many bits the number has.
    pub const BITS: u32 = 24;
    const NOTHING: Watch = Watch((1 << Watch::BITS) - 1);
    const REFERRER: Watch = Watch(Watch::NOTHING.0 - 1);

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

/// All is forgotten once it takes so much, in bytes: a shop has tens of thousands of products.
const REMEMBERED: usize = 32 << 20;

impl Told {
    /// What the views of this key are to be looked at for, until the next drain.
    pub fn watch(&mut self, key: &Key<Text<&str>>) -> Watch {
        match key {
            Key::ProductHour { product_id, .. } => self.place(*product_id),
            Key::Referrer { referrer_url: Text::Other(_), .. } => Watch::REFERRER,
            _ => Watch::NOTHING,
        }
    }

    fn place(&mut self, product_id: Text<&str>) -> Watch {
        if let Some(place) = self.places.get(&product_id) {
            return Watch(*place);
        }
        // An epoch is full, and drained, long before.
        if self.pages.len() as u32 >= Watch::REFERRER.0 {
            return Watch::NOTHING;
        }
        let (place, product_id) = (self.pages.len() as u32, product_id.map(Shared::from));
        self.add(
            size_of::<(Text, u32, Known)>() + if let Text::Other(text) = &product_id { text.as_ref().len() } else { 0 },
        );
        self.pages.push(Known { product_id: product_id.clone(), page: None, is_told: true });
        self.places.insert(product_id, place);
        Watch(place)
    }

    /// Looks whether a view tells something new; gives what the next one of its key is to be looked at for.
    #[inline]
    pub fn look(&mut self, watch: Watch, view: &View<'_>) -> Watch {
        let Some(url) = view.current_url.as_deref() else { return watch };
        if watch != Watch::REFERRER {
            self.look_at_page(watch.0, view.day, url);
            return watch;
        }
        match &view.referrer_url {
            Some(Text::Other(referrer_url)) => self.look_at_referrer(referrer_url, url),
            _ => Watch::NOTHING,
        }
    }

    #[inline]
    fn look_at_page(&mut self, place: u32, day: Day, url: &str) {
        let known = &mut self.pages[place as usize];
        let url = product::without_query(url);
        if known.page.as_ref().is_none_or(|page| page.cmp_to(day, url).is_lt()) && product::is_usable(url) {
            known.page = Some(Page { day, url: Shared::from(url) });
            if std::mem::replace(&mut known.is_told, false) {
                self.better.push(place);
            }
            self.add(url.len() + size_of::<u32>());
        }
    }

    /// Once the host of a referrer was that of a page, or if it has none, nothing more is to be found out.
    #[inline]
    fn look_at_referrer(&mut self, referrer_url: &str, url: &str) -> Watch {
        let Some(referrer) = Authority::of(referrer_url).and_then(Authority::host) else { return Watch::NOTHING };
        if Authority::of(url).and_then(Authority::host).as_ref() != Some(&referrer) {
            return Watch::REFERRER;
        }
        if !self.own.contains(&*referrer) {
            self.own.insert((*referrer).into());
            self.add(referrer.len() + size_of::<Box<str>>());
            // What is known to be another kind of site stays that.
            self.hosts.extend(referrer::known_kind(&referrer).is_none().then(|| Text::from(&*referrer)));
        }
        Watch::NOTHING
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
        let Told { places, pages, own, better, hosts, bytes, fresh_bytes } = self;
        let mut facts: Vec<Fact> = Vec::with_capacity(better.len() + hosts.len());
        facts.extend(better.drain(..).map(|place| {
            let known = &mut pages[place as usize];
            known.is_told = true;
            let page = known.page.clone();
            (Member::Product(known.product_id.clone()), Attributes { page, ..Attributes::default() })
        }));
        let own_site = Attributes { is_own: true, ..Attributes::default() };
        facts.extend(hosts.drain(..).map(|host| (Member::Referrer(host), own_site.clone())));
        *fresh_bytes = 0;
        if *bytes > REMEMBERED {
            places.clear();
            pages.clear();
            own.clear();
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
