//! All tables equal a naive recomputation: in any order, over any number of workers, split over any epochs, seeded from
//! any prefix's result.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use dataflows::{
    Attributes, BrowserOs, Country, Day, Epoch, Fact, Fold, Home, Hosted, Key, List, Member, MemberLimit, OTHERS, Page,
    Row, RowKey, SEED, Seen, Shared, Sighting, Text, Value, View, configure, reports, tables,
};
use differential_dataflow::input::InputSession;
use proptest::prelude::*;
use timely::{CommunicationConfig, WorkerConfig};

/// So many rows are seeded in an epoch.
const SEED_PIECE: usize = 100;

/// What the tables hold, by row.
type Tables = BTreeMap<RowKey, Value>;

/// What a visitor may look at: the URL, its host, the page that may give a name, the name.
type Url = (&'static str, Option<&'static str>, Option<(&'static str, &'static str)>);

const URLS: [Url; 13] = [
    ("https://shop.de/ring-a.html?x=1", Some("shop.de"), Some(("https://shop.de/ring-a.html", "ring a"))),
    ("https://shop.de/ring-a.html#top", Some("shop.de"), Some(("https://shop.de/ring-a.html", "ring a"))),
    ("https://shop.de/x/ring_a.html", Some("shop.de"), Some(("https://shop.de/x/ring_a.html", "ring a"))),
    ("HTTPS://u:p@SHOP.de:443/", Some("shop.de"), None),
    ("https://SHOP.de:443/b", Some("shop.de"), Some(("https://SHOP.de:443/b", "b"))),
    ("https://shop.de/", Some("shop.de"), None),
    ("https://shop.fr/bague-a", Some("shop.fr"), Some(("https://shop.fr/bague-a", "bague a"))),
    ("https://shop.fr/bague-b", Some("shop.fr"), Some(("https://shop.fr/bague-b", "bague b"))),
    ("https://a.de/\t\\n-\n", Some("a.de"), Some(("https://a.de/\t\\n-\n", "\\n"))),
    ("https://a.de/a", Some("a.de"), Some(("https://a.de/a", "a"))),
    ("https://shop.de/a%40b", Some("shop.de"), None),
    ("ftp://shop.de/x", Some("shop.de"), None),
    ("nowhere", None, None),
];

/// From so many named views on a host is the shop's; and of a name no more are counted.
const OWN: usize = 10;
const ENOUGH: usize = 20;

/// Where one may come from: the referrer, its host. Equal counts are ranked by the bytes: "10" before "9".
const REFERRERS: [(&str, Option<&str>); 8] = [
    ("https://shop.de/", Some("shop.de")),
    ("http://SHOP.fr?x", Some("shop.fr")),
    ("https://shop.com/", Some("shop.com")),
    ("https://www.google.de/search", Some("www.google.de")),
    ("android-app://com.shop/", Some("com.shop")),
    ("9", None),
    ("10", None),
    ("Ä", None),
];

/// An event, as the tests make it: small ranges, so that keys meet and counts tie.
#[derive(Clone, Debug)]
struct Event {
    day: i32,
    hour: u8,
    product: Option<String>,
    store: Option<String>,
    referrer: Option<(&'static str, Option<&'static str>)>,
    url: Option<Url>,
    country: &'static str,
    browser_os: (&'static str, &'static str),
}

/// Equal counts are ranked by the bytes of these: "10" before "9", "Ä" after "z".
fn id() -> impl Strategy<Value = Option<String>> {
    let number = (0..25u32).prop_map(|n| n.to_string());
    let text = prop::sample::select(vec!["007", "z", "Ä", "a b", "-1", "18446744073709551616"]).prop_map(String::from);
    prop::option::weighted(0.9, prop_oneof![5 => number, 1 => text])
}

/// Some of one product, whose names are often seen enough.
fn few_ids() -> impl Strategy<Value = Option<String>> {
    prop_oneof![1 => id(), 1 => Just(Some("007".to_owned()))]
}

fn event() -> impl Strategy<Value = Event> {
    let country =
        prop::sample::select(vec!["DE", "GB", "FR", "ZZ", "EU", "IT", "ES", "SE", "AU", "RO", "NL", "CA", "TR", "SK"]);
    let browser_os = prop::sample::select(vec![("Chrome", "Windows 10"), ("Safari", "iPhone"), ("Unknown", "Unknown")]);
    // Of a host that is rarely seen, so that it is the shop's only in some cases.
    let rare = prop::sample::select(&URLS[8..]);
    let url = prop::option::weighted(0.9, prop_oneof![9 => prop::sample::select(&URLS[..8]), 1 => rare]);
    let referrer = prop::option::weighted(0.9, prop::sample::select(&REFERRERS[..]));
    (-1..3i32, 0..24u8, few_ids(), id(), referrer, url, country, browser_os).prop_map(
        |(day, hour, product, store, referrer, url, country, browser_os)| Event {
            day,
            hour,
            product,
            store,
            referrer,
            url,
            country,
            browser_os,
        },
    )
}

/// The folded views of some events, and what they tell.
fn fold(events: &[Event]) -> (Vec<(Key, i64)>, Vec<Fact>) {
    let mut fold = Fold::default();
    for event in events {
        let text = |text: &'_ str| Text::<&str>::from(text).map(|text| Cow::Owned(text.to_owned()));
        let browser_os: BrowserOs = BrowserOs::new(event.browser_os.0, event.browser_os.1);
        fold.add(&View {
            day: Day(event.day),
            hour: event.hour,
            product_id: event.product.as_deref().map(text),
            store_id: event.store.as_deref().map(text),
            referrer_url: event.referrer.map(|(url, _)| text(url)),
            current_url: event.url.map(|(url, ..)| url.into()),
            country: Country::new(event.country).expect("a code"),
            browser_os: browser_os.borrowed(),
        });
    }
    let (counts, facts) = fold.drain();
    (counts.collect(), facts)
}

/// The oracle: everything counted again from nothing, in the plainest way.
fn naive(events: &[Event]) -> Tables {
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

/// A limit that none of these tests reaches.
fn all() -> MemberLimit {
    MemberLimit::default()
}

/// Whether a row follows from counts.
fn is_derived(key: &RowKey) -> bool {
    matches!(key, RowKey::Rank { .. } | RowKey::Count(Key::CountryTotal { .. }))
}

/// Runs the dataflow over the events of each worker and epoch, from tables that hold `seed`, and returns what the
/// tables hold afterwards. `events[worker][epoch - 1]`.
fn run(seed: &Tables, events: Vec<Vec<Vec<Event>>>, limit: MemberLimit) -> Tables {
    let rows: Arc<Mutex<Vec<(Epoch, Row)>>> = Arc::default();
    let (events, shared, seed_keys) = (Arc::new(events), rows.clone(), Arc::new(seed.clone()));
    let workers = events.len();
    let communication = CommunicationConfig::Process(workers);
    let config = timely::Config { communication, worker: configure(WorkerConfig::default()) };
    let guards = timely::execute(config, move |worker| {
        let (index, rows) = (worker.index(), shared.clone());
        let (mut views, mut facts) = (InputSession::new(), InputSession::new());
        worker.dataflow(|scope| {
            let (views, facts) = (views.to_collection(scope), facts.to_collection(scope));
            reports(views, facts, limit).inspect(move |(row, epoch, diff)| {
                assert_eq!(*diff, 1, "rows are only ever set");
                rows.lock().expect("no panic").push((*epoch, row.clone()));
            });
        });
        if index == 0 {
            for (piece, rows) in seed_keys.iter().collect::<Vec<_>>().chunks(SEED_PIECE).enumerate() {
                views.advance_to(piece as Epoch);
                facts.advance_to(piece as Epoch);
                for (key, value) in rows {
                    match (key, value) {
                        (RowKey::Count(_), _) if is_derived(key) => {}
                        (RowKey::Count(key), Value::Views(times)) => views.update(key.clone(), *times),
                        (RowKey::Member(member), Value::Attributes(known)) => {
                            facts.insert((member.clone(), (**known).clone()));
                        }
                        _ => {}
                    }
                }
            }
        }
        for (epoch, events) in events[index].iter().enumerate() {
            views.advance_to(SEED + 1 + epoch as Epoch);
            facts.advance_to(SEED + 1 + epoch as Epoch);
            let (counts, told) = fold(events);
            counts.into_iter().for_each(|(key, times)| views.update(key, times));
            told.into_iter().for_each(|fact| facts.insert(fact));
            views.flush();
            facts.flush();
            worker.step();
        }
    })
    .expect("timely starts");
    drop(guards);
    let mut rows = std::mem::take(&mut *rows.lock().expect("no panic"));
    rows.sort_by_key(|(epoch, _)| *epoch);
    let (seeded, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(epoch, _)| *epoch <= SEED);
    let rankings: Tables = seeded.into_iter().map(|(_, row)| (row.key, row.value)).collect();
    let derived = seed.iter().filter(|(key, _)| is_derived(key));
    assert_eq!(rankings, derived.map(|(key, held)| (key.clone(), held.clone())).collect(), "of the seed");
    let mut tables = seed.clone();
    let mut last = BTreeMap::new();
    for (epoch, row) in rows {
        assert!(row.table().is_some(), "a row without a table: {row:?}");
        let before = last.insert(row.key.clone(), epoch);
        assert!(before.is_none_or(|before| before < epoch), "two rows of one key in an epoch: {row:?}");
        assert_eq!(row.is_new, !is_derived(&row.key) && !tables.contains_key(&row.key), "new or not: {row:?}");
        assert_ne!(tables.get(&row.key), Some(&row.value), "a row that did not change");
        tables.insert(row.key, row.value);
    }
    tables
}

/// Deals the events to workers and epochs.
fn deal(events: &[(Event, usize)], workers: usize, epochs: usize) -> Vec<Vec<Vec<Event>>> {
    let mut dealt = vec![vec![Vec::new(); epochs]; workers];
    for (event, at) in events {
        dealt[at % workers][(at / workers) % epochs].push(event.clone());
    }
    dealt
}

fn plain(events: &[(Event, usize)]) -> Vec<Event> {
    events.iter().map(|(event, _)| event.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn tables_equal_a_naive_recomputation(
        events in prop::collection::vec((event(), 0..1000usize), 0..400),
        prefix in 0.0..1.0f64,
        workers in 1..=4usize,
        epochs in 1..6usize,
    ) {
        let (before, after) = events.split_at((events.len() as f64 * prefix) as usize);
        let seed = naive(&plain(before));
        prop_assert_eq!(run(&seed, deal(after, workers, epochs), all()), naive(&plain(&events)));
    }
}

/// The members of a report, by their day: what is not admitted in the tables counts as the others.
fn admitted(tables: &Tables) -> BTreeSet<(usize, i32, &str, String)> {
    let members = tables.keys().filter_map(|key| match key {
        RowKey::Count(Key::ProductHour { day, product_id, .. }) => Some((0, day.0, "", product_id.to_string())),
        RowKey::Count(Key::Referrer { day, referrer_url }) => Some((1, day.0, "", referrer_url.to_string())),
        RowKey::Count(Key::Store { day, country, store_id }) => {
            Some((2, day.0, country.as_str(), store_id.to_string()))
        }
        _ => None,
    });
    members.filter(|(.., text)| text != OTHERS).collect()
}

/// The counts and rankings.
fn reported(tables: Tables) -> Tables {
    tables.into_iter().filter(|(key, _)| !matches!(key, RowKey::Member(_))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_member_is_admitted_at_its_first_view_or_never(
        events in prop::collection::vec((event(), 0..1000usize), 0..400),
        prefix in 0.0..1.0f64,
        limit in 0..12u32,
        workers in 1..=4usize,
        epochs in 1..6usize,
    ) {
        let (before, after) = events.split_at((events.len() as f64 * prefix) as usize);
        let members = MemberLimit::new(limit);
        let seed = run(&Tables::new(), deal(before, 5 - workers, epochs), members);
        let tables = run(&seed, deal(after, workers, epochs), members);
        let (first, admitted) = (admitted(&seed), admitted(&tables));
        prop_assert!(first.is_subset(&admitted), "what was admitted stays so");
        let (mut own, mut wanted) = (plain(&events), BTreeMap::new());
        for event in &mut own {
            let mut admit = |report, country, text: &mut Option<String>| {
                let Some(name) = text else { return };
                let member = (report, event.day, country, name.clone());
                wanted.entry((report, event.day)).or_insert_with(BTreeSet::new).insert(member.clone());
                if !admitted.contains(&member) {
                    *name = OTHERS.into();
                }
            };
            admit(0, "", &mut event.product);
            admit(2, event.country, &mut event.store);
            let mut referrer = event.referrer.map(|(url, _)| url.to_owned());
            admit(1, "", &mut referrer);
            if referrer.is_some_and(|url| url == OTHERS) {
                event.referrer = Some((OTHERS, None));
            }
        }
        for ((report, day), members) in wanted {
            let there = admitted.iter().filter(|(of, on, ..)| (*of, *on) == (report, day)).count();
            prop_assert_eq!(there, members.len().min(limit as usize), "all the room is used: {} {}", report, day);
        }
        let products = |tables: &Tables| {
            let product = |key: &RowKey| if let RowKey::Member(Member::Product(id)) = key { Some(id.clone()) } else { None };
            tables.keys().filter_map(product).collect::<BTreeSet<_>>()
        };
        let expected = naive(&own);
        prop_assert_eq!(products(&tables), products(&expected), "only products that were admitted are described");
        prop_assert_eq!(reported(tables), reported(expected));
    }
}

#[test]
fn ties_are_ranked_by_bytes_and_short_days_have_short_rankings() {
    let event = |product: &str| Event {
        day: 0,
        hour: 0,
        product: Some(product.into()),
        store: None,
        referrer: None,
        url: None,
        country: "DE",
        browser_os: ("Chrome", "Windows 10"),
    };
    let events: Vec<_> = ["9", "10", "Ä", "z", "10", "9"].map(event).into();
    let rows = run(&Tables::new(), vec![vec![events]], all());
    let ranking: Vec<_> = rows
        .iter()
        .filter_map(|(key, value)| match (key, value) {
            (RowKey::Rank { list: List::Products, rank, .. }, Value::Item { item, views }) => {
                Some((*rank, item.to_string(), *views))
            }
            _ => None,
        })
        .collect();
    let expected = [(1, "10", 2), (2, "9", 2), (3, "z", 1), (4, "Ä", 1)];
    assert_eq!(ranking, expected.map(|(rank, item, views)| (rank, item.to_owned(), views)));
}

/// Thousands of keys change at once and in several hours, so that what is sent of them fills many messages, and several epochs
/// are under way together.
#[test]
fn large_epochs_count_as_small_ones_do() {
    let epoch = |epoch: u32| {
        let event = move |n: u32| Event {
            day: 0,
            hour: (n / 3_000) as u8,
            product: Some((n % 3_000 * (epoch + 1) % 2_999).to_string()),
            store: None,
            referrer: None,
            url: None,
            country: "DE",
            browser_os: ("Chrome", "Windows 10"),
        };
        (0..30_000).map(event).collect::<Vec<_>>()
    };
    let events: Vec<Vec<_>> = (0..3).map(|worker| (worker..worker + 5).map(epoch).collect()).collect();
    let expected = naive(&events.concat().concat());
    assert!(run(&Tables::new(), events, all()) == expected, "the tables differ");
}

/// Of each name more views than are counted, on two workers, in one epoch or in several, with a restart between.
#[test]
fn names_seen_enough_count_alike() {
    let event = |at: usize| Event {
        day: (at % 3) as i32,
        hour: 0,
        product: Some("85".into()),
        store: None,
        referrer: None,
        url: Some(URLS[[0, 2, 4, 6, 8][at % 5]]),
        country: "DE",
        browser_os: ("Chrome", "Windows 10"),
    };
    let events: Vec<_> = (0..1_200).map(|at| (event(at), at)).collect();
    for (before, epochs) in [(0, 1), (0, 7), (7, 3), (700, 3)] {
        let seed = naive(&plain(&events[..before]));
        assert!(
            run(&seed, deal(&events[before..], 2, epochs), all()) == naive(&plain(&events)),
            "{before} before, {epochs} epochs"
        );
    }
}

#[test]
fn every_row_reads_back_from_its_cells() {
    let event = Event {
        day: 18417,
        hour: 23,
        product: Some("85".into()),
        store: Some("-5".into()),
        referrer: Some(REFERRERS[0]),
        url: Some(URLS[0]),
        country: "DE",
        browser_os: ("Safari", "iPhone"),
    };
    let stranger = Event { url: Some(URLS[8]), ..event.clone() };
    let rows = naive(&[vec![event; OWN], vec![stranger]].concat());
    let mut seen: Vec<&str> = Vec::new();
    for (key, value) in rows {
        let row = Row { key, value, is_new: false };
        let Some(table) = row.table() else { continue };
        let mut cells = Vec::new();
        row.cells(|cell| cells.push(cell));
        assert_eq!(cells.len(), table.columns().count(), "{}", table.name);
        assert_eq!((table.read)(&mut dataflows::Cells::new(cells)), Some(row.clone()));
        seen.push(table.name);
    }
    seen.sort();
    seen.dedup();
    let mut all: Vec<_> = tables().iter().map(|table| table.name).collect();
    all.sort();
    assert_eq!(seen, all);
}
