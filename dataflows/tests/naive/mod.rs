//! The oracle: all tables of some events, recomputed in the plainest way.
#![allow(missing_docs, dead_code, reason = "there is nobody outside to read them, and not every test uses all")]

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use dataflows::model::TableRows;
use dataflows::{
    Attributes, Country, Day, DimensionKey as Member, Group, Hosted, Key, Model, OTHERS, Page, RowKey, Seen, SharedStr,
    Sighting, Text, Value,
};

/// What the tables hold, by row.
pub type Tables = BTreeMap<RowKey, Value>;

/// What a visitor may look at: the URL, its host, the page that may give a name, the name.
pub type Url = (&'static str, Option<&'static str>, Option<(&'static str, &'static str)>);

/// From so many named views on a host is the shop's; and of a name no more are counted.
pub const OWN: usize = 10;
pub const NAME_VIEWS_MAX: usize = 20;

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

/// What the rows of a table of the default model are.
fn rows_of(table: &str) -> TableRows {
    let model = Model::builtin();
    let table = model.tables.iter().find(|known| known.name == table);
    table.unwrap_or_else(|| panic!("a table of the default model")).rows
}

/// The key of a row of this table of counts.
pub fn counted(table: &str, day: i32, hour: u8, member: &str) -> Key {
    let TableRows::Count(count) = rows_of(table) else { panic!("{table} is no table of counts") };
    Key { count: count as u16, hour, day: Day(day), member: Text::from(member) }
}

/// The key of a place in the ranking of this table.
pub fn ranked(table: &str, day: i32, rank: u8) -> RowKey {
    let TableRows::Ranking(ranking) = rows_of(table) else { panic!("{table} is no ranking") };
    let group = Group { ranking: ranking as u16, hour: 0, day: Day(day), member: Text::Number(0) };
    RowKey::Rank { group, rank }
}

/// An event as the default model has it.
pub fn counted_event(model: &Model, event: &Event) -> dataflows::Event<'static> {
    let text = |name: &'static str, value: Option<&str>| (name, value.map(|value| Text::from(value).map(owned)));
    let (browser, os) = event.browser_os;
    let texts = BTreeMap::from([
        text("product_id", event.product.as_deref()),
        text("store_id", event.store.as_deref()),
        text("referrer_url", event.referrer.map(|(url, _)| url)),
        text("country", Some(event.country)),
        text("browser", Some(browser)),
        text("os", Some(os)),
    ]);
    let fields = model.fields.iter().map(|field| texts[&*field.name].clone()).collect();
    let page = event.url.map(|(url, ..)| url.into());
    dataflows::Event { day: Day(event.day), hour: event.hour, time: 0, id: None, passes: 1, fields, page }
}

fn owned(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

/// The oracle: everything counted again from nothing, in the plainest way.
pub fn naive(events: &[Event]) -> Tables {
    let mut counts: BTreeMap<Key, i64> = BTreeMap::new();
    let mut rankings: BTreeMap<(&str, i32), BTreeMap<String, i64>> = BTreeMap::new();
    for Event { day, hour, product, store, referrer, country, browser_os: (browser, os), .. } in events {
        let mut count = |table, day, hour, member: &str| {
            *counts.entry(counted(table, day, hour, member)).or_default() += 1;
        };
        let mut rank = |table, item: &str| {
            if item != OTHERS {
                *rankings.entry((table, *day)).or_default().entry(item.to_owned()).or_default() += 1;
            }
        };
        count("country_views_daily", *day, 0, country);
        count("country_views", 0, 0, country);
        rank("top_countries", country);
        count("browser_os_views_hourly", *day, *hour, &format!("{browser}\0{os}"));
        if let Some(id) = product {
            count("product_views_hourly", *day, *hour, id);
            count("product_views_daily", *day, 0, id);
            rank("top_products", id);
        }
        if let Some(id) = store {
            count("store_views_daily", *day, 0, &format!("{country}\0{id}"));
        }
        if let Some((url, _)) = referrer {
            count("referrer_views_daily", *day, 0, url);
            rank("top_referrers", url);
        }
    }
    let counts = counts.into_iter().map(|(key, total)| (RowKey::Count(key), Value::Total(total)));
    let mut tables: Tables = counts.chain(dimensions(events)).collect();
    for ((table, day), items) in rankings {
        let mut items: Vec<_> = items.into_iter().collect();
        items.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.as_bytes().cmp(b.0.as_bytes())));
        let places = if table == "top_referrers" { 5 } else { 10 };
        for (place, (item, total)) in items.into_iter().take(places).enumerate() {
            let item = Text::from(item.as_str());
            tables.insert(ranked(table, day, place as u8 + 1), Value::Item { item, total });
        }
    }
    tables
}

/// The dimensions, from all updates of each member at once.
fn dimensions(events: &[Event]) -> impl Iterator<Item = (RowKey, Value)> {
    let own = own_hosts(events);
    let mut members: BTreeMap<Member, Vec<&Event>> = BTreeMap::new();
    for event in events {
        let (browser, os) = event.browser_os;
        let members_of = [
            Some(Member::Date(Day(event.day))),
            event.product.as_ref().map(|id| Member::Product(Text::from(id.as_str()))),
            event.store.as_ref().map(|id| Member::Store(Text::from(id.as_str()))),
            Some(Member::BrowserOs(Text::from(format!("{browser}\0{os}").as_str()))),
            event.referrer.and_then(|(_, host)| Some(Member::Referrer(Text::from(host?)))),
            event.page().map(|(_, host, ..)| Member::PageHost(SharedStr::from(host))),
            event
                .page()
                .filter(|(_, host, ..)| own.contains(host))
                .map(|(product, _, _, name)| Member::ProductName(SharedStr::from(format!("{product}\0{name}")))),
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
                let home = home.and_then(Country::new);
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
    Page { is_own: true, views: events.len().min(NAME_VIEWS_MAX) as u8, url: SharedStr::from(url), day }
}

/// The views on one host.
fn hosted(events: &[&Event]) -> Hosted {
    let mut pages: BTreeMap<(&str, &str), Sighting> = BTreeMap::new();
    for event in events.iter().take_while(|_| events.len() < OWN) {
        let Some((product, _, url, _)) = event.page() else { continue };
        let (product_id, day) = (Text::from(product), Day(event.day));
        let new = Sighting { product_id, url: SharedStr::from(url), views: 0, day };
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
    let key = |(name, url): (&'static str, &'static str), views: usize| {
        (Reverse(views.min(NAME_VIEWS_MAX)), name, url.len(), url)
    };
    let (_, events) = by_name.into_iter().min_by_key(|(name, events)| key(*name, events.len()))?;
    Some(Page { is_own: false, views: 0, ..named(&events) })
}
