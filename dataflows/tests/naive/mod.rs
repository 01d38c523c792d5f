//! The oracle: all tables of some events, recomputed in the plainest way.
#![allow(missing_docs, reason = "there is nobody outside to read them")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use dataflows::{
    Attributes, Country, Day, Home, Hosted, Key, List, Member, OTHERS, Page, RowKey, Seen, Shared, Sighting, Text,
    Value,
};

/// What the tables hold, by row.
pub type Tables = BTreeMap<RowKey, Value>;

/// What a visitor may look at: the URL, its host, the page that may give a name, the name.
pub type Url = (&'static str, Option<&'static str>, Option<(&'static str, &'static str)>);

/// From so many named views on a host is the shop's; and of a name no more are counted.
pub const OWN: usize = 10;
pub const ENOUGH: usize = 20;

/// An event, as the tests make it: small ranges, so that keys meet and counts tie.
#[derive(Clone, Debug)]
pub struct Event {
    pub day: i32,
    pub hour: u8,
    pub product: Option<String>,
    pub store: Option<String>,
    pub referrer: Option<(&'static str, Option<&'static str>)>,
    pub url: Option<Url>,
    pub country: &'static str,
    pub browser_os: (&'static str, &'static str),
}

/// The oracle: everything counted again from nothing, in the plainest way.
pub fn naive(events: &[Event]) -> Tables {
    let mut counts: BTreeMap<Key, i64> = BTreeMap::new();
    for event in events {
        let (day, hour) = (Day(event.day), event.hour);
        let country = Country::new(event.country).expect("a code");
        let browser_os = Text::from(format!("{}\u{1f}{}", event.browser_os.0, event.browser_os.1).as_str());
        let mut count = |key| *counts.entry(key).or_default() += 1;
        count(Key::Country { day, country });
        count(Key::CountryTotal { country });
        count(Key::BrowserOs { day, hour, browser_os });
        if let Some(id) = &event.product {
            count(Key::ProductHour { day, hour, product_id: Text::from(id.as_str()) });
        }
        if let Some(id) = &event.store {
            count(Key::Store { day, country, store_id: Text::from(id.as_str()) });
        }
        if let Some((url, _)) = event.referrer {
            count(Key::Referrer { day, referrer_url: Text::from(url) });
        }
    }
    let mut rankings: BTreeMap<(List, Day), BTreeMap<String, i64>> = BTreeMap::new();
    for (key, views) in &counts {
        let (list, day, item) = match key {
            Key::ProductHour { day, product_id, .. } => (List::Products, *day, product_id.to_string()),
            Key::Country { day, country } => (List::Countries, *day, country.as_str().to_owned()),
            Key::Referrer { day, referrer_url } => (List::Referrers, *day, referrer_url.to_string()),
            _ => continue,
        };
        if item != OTHERS {
            *rankings.entry((list, day)).or_default().entry(item).or_default() += views;
        }
    }
    let counts = counts.into_iter().map(|(key, views)| (RowKey::Count(key), Value::Views(views)));
    let mut tables: Tables = counts.chain(dimensions(events)).collect();
    for ((list, day), items) in rankings {
        let mut items: Vec<_> = items.into_iter().collect();
        items.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.as_bytes().cmp(b.0.as_bytes())));
        let places = if list == List::Referrers { 5 } else { 10 };
        for (place, (item, views)) in items.into_iter().take(places).enumerate() {
            let key = RowKey::Rank { list, day, rank: place as u8 + 1 };
            tables.insert(key, Value::Item { item: Text::from(item.as_str()), views });
        }
    }
    tables
}

/// The dimensions, from all that is told of each member at once.
fn dimensions(events: &[Event]) -> impl Iterator<Item = (RowKey, Value)> {
    let own = own_hosts(events);
    let mut members: BTreeMap<Member, Vec<&Event>> = BTreeMap::new();
    for event in events {
        let (browser, os) = event.browser_os;
        let members_of = [
            Some(Member::Date(Day(event.day))),
            event.product.as_ref().map(|id| Member::Product(Text::from(id.as_str()))),
            event.store.as_ref().map(|id| Member::Store(Text::from(id.as_str()))),
            Some(Member::BrowserOs(Text::from(format!("{browser}\u{1f}{os}").as_str()))),
            event.referrer.and_then(|(_, host)| Some(Member::Referrer(Text::from(host?)))),
            event.page().map(|(_, host, ..)| Member::PageHost(Shared::from(host))),
            event
                .page()
                .filter(|(_, host, ..)| own.contains(host))
                .map(|(product, _, _, name)| Member::ProductName(Shared::from(format!("{product}\0{name}")))),
        ];
        members_of.into_iter().flatten().for_each(|member| members.entry(member).or_default().push(event));
    }
    members.into_iter().map(move |(member, events)| {
        let days = || events.iter().map(|event| Day(event.day));
        let seen = days().min().zip(days().max()).map(|(first, last)| Seen { first, last });
        let attributes = match member {
            Member::Product(_) => {
                let page = product_page(&events, &own);
                Attributes { seen, page, ..Attributes::default() }
            }
            Member::Store(_) => {
                let views = |country| events.iter().filter(|event| event.country == country).count();
                let home = events.iter().map(|event| event.country).min_by_key(|it| (Reverse(views(*it)), *it));
                let home = home.and_then(Country::new).map(|country| Home::new(country, 0));
                Attributes { seen, home, ..Attributes::default() }
            }
            Member::Referrer(_) => {
                let is_own =
                    events.iter().any(|event| event.url.and_then(|url| url.1) == event.referrer.and_then(|it| it.1));
                Attributes { is_own, ..Attributes::default() }
            }
            Member::ProductName(_) => Attributes { page: Some(named(&events)), ..Attributes::default() },
            Member::PageHost(_) => {
                let hosted = Some(Box::new(hosted(&events)));
                Attributes { hosted, ..Attributes::default() }
            }
            Member::Date(_) | Member::BrowserOs(_) => Attributes::default(),
        };
        (RowKey::Member(member), Value::Attributes(Box::new(attributes)))
    })
}

impl Event {
    /// The product, the host, the page and the name, if its page gives one.
    fn page(&self) -> Option<(&str, &'static str, &'static str, &'static str)> {
        let (_, host, page) = self.url?;
        let (url, name) = page?;
        Some((self.product.as_deref()?, host?, url, name))
    }
}

/// The hosts with so many views that they are the shop's.
fn own_hosts(events: &[Event]) -> BTreeSet<&'static str> {
    let mut views: BTreeMap<&str, usize> = BTreeMap::new();
    events.iter().filter_map(Event::page).for_each(|(_, host, ..)| *views.entry(host).or_default() += 1);
    views.into_iter().filter(|(_, views)| *views >= OWN).map(|(host, _)| host).collect()
}

/// The views of one name, on hosts of the shop's.
fn named(events: &[&Event]) -> Page {
    let pages = events.iter().filter_map(|event| event.page());
    let url = pages.map(|(_, _, url, _)| url).min_by_key(|url| (url.len(), *url)).expect("one view");
    let day = events.iter().map(|event| Day(event.day)).min().expect("one view");
    Page { is_own: true, views: events.len().min(ENOUGH) as u8, url: Shared::from(url), day }
}

/// The views on one host.
fn hosted(events: &[&Event]) -> Hosted {
    let mut pages: BTreeMap<(&str, &str), Sighting> = BTreeMap::new();
    for event in events.iter().take_while(|_| events.len() < OWN) {
        let Some((product, _, url, _)) = event.page() else { continue };
        let (product_id, day) = (Text::from(product), Day(event.day));
        let new = Sighting { product_id, url: Shared::from(url), views: 0, day };
        let seen = pages.entry((product, url)).or_insert(new);
        (seen.views, seen.day) = (seen.views + 1, seen.day.min(day));
    }
    Hosted { views: events.len().min(OWN) as u8, pages: pages.into_values().collect() }
}

/// The page of a product: of its most seen name; if it has none on the shop's hosts, the most seen of others.
fn product_page(events: &[&Event], own: &BTreeSet<&str>) -> Option<Page> {
    let pages = || events.iter().filter_map(|event| Some((event.page()?, *event)));
    let mut by_name: BTreeMap<(&'static str, &'static str), Vec<&Event>> = BTreeMap::new();
    let any_own = pages().any(|((_, host, ..), _)| own.contains(host));
    for ((_, _, url, name), event) in pages().filter(|((_, host, ..), _)| own.contains(host) == any_own) {
        by_name.entry((name, if any_own { "" } else { url })).or_default().push(event);
    }
    let key =
        |(name, url): (&'static str, &'static str), views: usize| (Reverse(views.min(ENOUGH)), name, url.len(), url);
    let (_, events) = by_name.into_iter().min_by_key(|(name, events)| key(*name, events.len()))?;
    Some(Page { is_own: false, views: 0, ..named(&events) })
}
