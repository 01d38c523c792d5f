//! What records tell of members, beyond what their counts tell.

use hashbrown::{HashMap, HashSet};

use super::authority::{authority, host};
use super::{Attributes, Fact, Member, Page, product, referrer};
use crate::{Day, Shared, Text, View};

/// What the records of one worker told: each fact once, as long as it is remembered.
///
/// Facts may be told again, so nothing need be remembered; but hardly any record tells something new, and to find that out
/// here is cheaper than anywhere behind.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The best page of each product.
    pages: HashMap<Text, Known>,
    /// The authorities of referrers that are the shop's own sites, as they are spelt.
    own: HashSet<Box<str>>,
    /// The products whose page is not told yet.
    better: Vec<Text>,
    /// The hosts that are not told yet.
    hosts: Vec<Text>,
    /// What is remembered, and what of it is not told yet, in bytes.
    bytes: usize,
    fresh_bytes: usize,
}

#[derive(Debug)]
struct Known {
    page: Page,
    is_told: bool,
}

/// All is forgotten once it takes so much, in bytes: a shop has tens of thousands of products.
const REMEMBERED: usize = 32 << 20;

impl Told {
    /// Looks whether a view tells something new.
    #[inline]
    pub fn look(&mut self, view: &View<'_>) {
        let Some(url) = view.current_url.as_deref() else { return };
        if let Some(product_id) = &view.product_id {
            self.look_at_page(product_id.borrowed(), view.day, url);
        }
        if let Some(Text::Other(referrer_url)) = &view.referrer_url {
            self.look_at_referrer(referrer_url, url);
        }
    }

    #[inline]
    fn look_at_page(&mut self, product_id: Text<&str>, day: Day, url: &str) {
        let known = self.pages.get_mut(&product_id);
        // Most views are of this page, of a longer one, or of a day before.
        if known.as_ref().is_some_and(|known| known.page.day > day || known.page.begins(url) && known.page.day == day) {
            return;
        }
        let url = product::without_query(url);
        if known.as_ref().is_some_and(|known| known.page.cmp_to(day, url).is_ge()) || !product::is_usable(url) {
            return;
        }
        let page = Page { day, url: Shared::from(url) };
        let is_told = match known {
            Some(known) => {
                known.page = page;
                std::mem::replace(&mut known.is_told, false)
            }
            None => {
                self.pages.insert(product_id.map(Shared::from), Known { page, is_told: false });
                true
            }
        };
        if is_told {
            self.better.push(product_id.map(Shared::from));
        }
        self.add(url.len() + size_of::<(Text, Known, Text)>());
    }

    #[inline]
    fn look_at_referrer(&mut self, referrer_url: &str, url: &str) {
        let (Some(referrer), Some(page)) = (authority(referrer_url), authority(url)) else { return };
        // Nearly always both are spelt alike, or they are not the same.
        if (referrer == page || host(referrer) == host(page)) && !self.own.contains(referrer) {
            self.own.insert(referrer.into());
            self.add(referrer.len() + size_of::<Box<str>>());
            self.hosts.extend(
                host(referrer).filter(|host| referrer::known_kind(host).is_none()).map(|host| Text::from(&*host)),
            );
        }
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.fresh_bytes += bytes;
    }

    /// About how much memory what is not told yet takes, in bytes.
    pub fn fresh_bytes(&self) -> usize {
        self.fresh_bytes
    }

    /// Tells what is new.
    pub fn drain(&mut self) -> Vec<Fact> {
        let Told { pages, own, better, hosts, bytes, fresh_bytes } = self;
        let mut facts: Vec<Fact> = Vec::with_capacity(better.len() + hosts.len());
        for product_id in better.drain(..) {
            if let Some(known) = pages.get_mut(&product_id) {
                known.is_told = true;
                let page = Some(known.page.clone());
                facts.push((Member::Product(product_id), Attributes { page, ..Attributes::default() }));
            }
        }
        let own_site = Attributes { is_own: true, ..Attributes::default() };
        facts.extend(hosts.drain(..).map(|host| (Member::Referrer(host), own_site.clone())));
        *fresh_bytes = 0;
        if *bytes > REMEMBERED {
            pages.clear();
            own.clear();
            *bytes = 0;
        }
        facts
    }
}
