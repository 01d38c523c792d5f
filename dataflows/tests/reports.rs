//! All tables equal a naive recomputation: in any order, over any number of workers, split over any epochs, seeded from
//! any prefix's result.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use dataflows::{
    Day, DimensionKey, Epoch, Event, Key, MemberLimit, Model, OTHERS, Row, RowKey, RowReader, SEED, Text, Value,
    reports,
};
use differential_dataflow::input::InputSession;
use proptest::prelude::*;

use crate::harness::{self, Dealt, all, deal, deal_falling};
use crate::naive::{Event as Made, OWN, Tables, Url, counted, counted_event, naive, ranked};

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

fn event() -> impl Strategy<Value = Made> {
    let country =
        prop::sample::select(vec!["DE", "GB", "FR", "ZZ", "EU", "IT", "ES", "SE", "AU", "RO", "NL", "CA", "TR", "SK"]);
    let browser_os = prop::sample::select(vec![("Chrome", "Windows 10"), ("Safari", "iPhone"), ("Unknown", "Unknown")]);
    // Of a host that is rarely seen, so that it is the shop's only in some cases.
    let rare = prop::sample::select(&URLS[8..]);
    let url = prop::option::weighted(0.9, prop_oneof![9 => prop::sample::select(&URLS[..8]), 1 => rare]);
    let referrer = prop::option::weighted(0.9, prop::sample::select(&REFERRERS[..]));
    (-1..3i32, 0..24u8, few_ids(), id(), referrer, url, country, browser_os).prop_map(
        |(day, hour, product, store, referrer, url, country, browser_os)| Made {
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

/// Runs the default model over the events of each worker and epoch.
fn run(seed: &Tables, events: Vec<Vec<Vec<Made>>>, limit: MemberLimit) -> Tables {
    let model = Model::builtin();
    harness::run(&model, seed, counted_events(&model, events), limit)
}

/// The same, with events that are taken back.
fn run_falling(seed: &Tables, dealt: Dealt<Made>) -> Tables {
    let model = Model::builtin();
    let [events, taken_back] = [dealt.events, dealt.taken_back].map(|dealt| counted_events(&model, dealt));
    harness::run_falling(&model, seed, Dealt { events, taken_back }, all())
}

fn counted_events(model: &Model, events: Vec<Vec<Vec<Made>>>) -> Vec<Vec<Vec<Event<'static>>>> {
    let epoch = |epoch: Vec<Made>| epoch.iter().map(|event| counted_event(model, event)).collect();
    let worker = |worker: Vec<Vec<Made>>| worker.into_iter().map(epoch).collect();
    events.into_iter().map(worker).collect()
}

fn plain(events: &[(Made, usize)]) -> Vec<Made> {
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

/// An event with where it comes and where it is taken back, if it is.
fn falling() -> impl Strategy<Value = (Made, usize, Option<usize>)> {
    (event(), 0..1000usize, prop::option::weighted(0.5, 0..1000usize))
}

/// The tables of the events that are left. What only records can say of members is what all ever said: of members that are
/// there, and of hosts of pages.
fn left(events: &[(Made, usize, Option<usize>)]) -> Tables {
    let stays = events.iter().filter(|(.., back)| back.is_none()).map(|(event, ..)| event.clone());
    let (mut tables, ever) =
        (naive(&stays.collect::<Vec<_>>()), naive(&events.iter().map(|(event, ..)| event.clone()).collect::<Vec<_>>()));
    tables.retain(|key, _| !matches!(key, RowKey::Member(DimensionKey::ProductName(_) | DimensionKey::PageHost(_))));
    for (key, said) in ever {
        let RowKey::Member(member) = &key else { continue };
        let product = |name: &str| Text::from(name.split_once('\0').expect("a product and a name").0);
        match member {
            DimensionKey::PageHost(_) => drop(tables.insert(key, said)),
            DimensionKey::ProductName(name) => {
                if tables.contains_key(&RowKey::Member(DimensionKey::Product(product(name.as_ref())))) {
                    tables.insert(key, said);
                }
            }
            _ => {
                if let (Some(Value::Attributes(held)), Value::Attributes(said)) = (tables.get_mut(&key), said) {
                    (held.page, held.is_own) = (said.page, said.is_own);
                }
            }
        }
    }
    tables
}

/// Without what records alone said, where they are taken back before anything of them was counted: hosts of referrers, and
/// names of products that are not there.
fn without_told(tables: Tables) -> Tables {
    let is_there = |name: &str| {
        let product = Text::from(name.split_once('\0').expect("a product and a name").0);
        tables.contains_key(&RowKey::Member(DimensionKey::Product(product)))
    };
    let is_counted = |key: &RowKey| match key {
        RowKey::Member(DimensionKey::Referrer(_)) => false,
        RowKey::Member(DimensionKey::ProductName(name)) => is_there(name.as_ref()),
        _ => true,
    };
    tables.iter().filter(|(key, _)| is_counted(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_is_taken_back_was_never_there(
        events in prop::collection::vec(falling(), 0..400),
        prefix in 0.0..1.0f64,
        workers in 1..=4usize,
        epochs in 1..6usize,
    ) {
        let (before, after) = events.split_at((events.len() as f64 * prefix) as usize);
        let seed = naive(&before.iter().map(|(event, ..)| event.clone()).collect::<Vec<_>>());
        let mut dealt = deal_falling(after, workers, epochs);
        for (event, at, _) in before.iter().filter(|(.., back)| back.is_some()) {
            dealt.taken_back[at % workers][at / workers % epochs].push(event.clone());
        }
        let (tables, expected) = (run_falling(&seed, dealt), left(&events));
        prop_assert_eq!(without_told(tables), without_told(expected));
    }

    /// In the epochs behind those in which they come.
    #[test]
    fn a_referrer_host_lives_with_its_referrers(
        events in prop::collection::vec(falling(), 0..100),
        workers in 1..=3usize,
    ) {
        let mut dealt = deal(&events.iter().map(|(event, at, _)| (event.clone(), *at)).collect::<Vec<_>>(), workers, 2);
        let mut taken_back = vec![vec![Vec::new(); 5]; workers];
        for (event, at, back) in &events {
            if let Some(back) = back {
                taken_back[at % workers][2 + back % 3].push(event.clone());
            }
        }
        dealt.iter_mut().for_each(|worker| worker.resize(5, Vec::new()));
        prop_assert_eq!(run_falling(&Tables::new(), Dealt { events: dealt, taken_back }), left(&events));
    }
}

/// The members of a report, by their day: what is not admitted in the tables counts as the others.
fn admitted(tables: &Tables) -> BTreeSet<(usize, i32, String, String)> {
    let of = |table| counted(table, 0, 0, "").count;
    let [products, referrers, stores] = ["product_views_hourly", "referrer_views_daily", "store_views_daily"].map(of);
    let members = tables.keys().filter_map(move |key| match key {
        RowKey::Count(Key { count, day, member, .. }) if *count == products => {
            Some((0, day.0, String::new(), member.to_string()))
        }
        RowKey::Count(Key { count, day, member, .. }) if *count == referrers => {
            Some((1, day.0, String::new(), member.to_string()))
        }
        RowKey::Count(Key { count, day, member, .. }) if *count == stores => {
            let member = member.to_string();
            let (country, store) = member.split_once('\0').expect("a country and a store");
            Some((2, day.0, country.to_owned(), store.to_owned()))
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
    fn members_are_admitted_first_or_never(
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
            let mut admit = |report, country: &str, text: &mut Option<String>| {
                let Some(name) = text else { return };
                let member = (report, event.day, country.to_owned(), name.clone());
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
            let product = |key: &RowKey| if let RowKey::Member(DimensionKey::Product(id)) = key { Some(id.clone()) } else { None };
            tables.keys().filter_map(product).collect::<BTreeSet<_>>()
        };
        let expected = naive(&own);
        prop_assert_eq!(products(&tables), products(&expected), "only products that were admitted are described");
        prop_assert_eq!(reported(tables), reported(expected));
    }
}

#[test]
fn ties_are_ranked_by_bytes() {
    let event = |product: &str| Made {
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
            (RowKey::Rank { rank, .. }, Value::Item { item, total }) if *key == ranked("top_products", 0, *rank) => {
                Some((*rank, item.to_string(), *total))
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
        let event = move |n: u32| Made {
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
    assert!(run(&Tables::new(), events.clone(), all()) == expected, "the tables differ");
    // And most of it is taken back, so that thousands of counts fall at once, many of them to nothing.
    let stays = |event: &Made| event.hour == 3 && event.product.as_ref().is_some_and(|id| id.ends_with('7'));
    let expected = naive(&events.iter().flatten().flatten().filter(|event| stays(event)).cloned().collect::<Vec<_>>());
    let mut taken_back = events.clone();
    taken_back.rotate_left(1);
    taken_back.iter_mut().flatten().for_each(|epoch| epoch.retain(|event| !stays(event)));
    let later = |epochs: Vec<Vec<Vec<Made>>>, empty: [usize; 2]| -> Vec<Vec<Vec<Made>>> {
        let [before, behind] = empty.map(|epochs| vec![Vec::new(); epochs]);
        epochs.into_iter().map(|worker| [before.clone(), worker, behind.clone()].concat()).collect()
    };
    let dealt = Dealt { events: later(events, [0, 5]), taken_back: later(taken_back, [5, 0]) };
    assert!(run_falling(&Tables::new(), dealt) == expected, "the tables differ after the fall");
}

/// Two epochs close at once, and the keys of the later one sort before those of the earlier.
#[test]
fn a_day_comes_with_its_first_count() {
    let (day, told) = (18_417, Arc::<Mutex<Vec<Epoch>>>::default());
    let rows = told.clone();
    timely::execute_directly(move |worker| {
        let (mut views, mut facts) = (InputSession::new(), InputSession::new());
        worker.dataflow(|scope| {
            let (views, facts) = (views.to_collection(scope), facts.to_collection(scope));
            reports(&Model::builtin(), views, facts, all()).inspect(move |(row, epoch, _)| {
                if row.key == RowKey::Member(DimensionKey::Date(Day(day))) {
                    rows.lock().expect("no panic").push(*epoch);
                }
            });
        });
        for (epoch, hour) in [(SEED + 1, 5), (SEED + 2, 0)] {
            views.advance_to(epoch);
            views.update(counted("product_views_hourly", day, hour, "85"), 1);
        }
        facts.advance_to(SEED + 3);
    });
    assert_eq!(*told.lock().expect("no panic"), [SEED + 1]);
}

/// Three epochs close at once: in the second the last of the ranking falls, in the third the one that came for it rises.
#[test]
fn a_ranking_is_rebuilt_as_of_its_epoch() {
    let (day, places) = (18_417, Arc::<Mutex<BTreeMap<Epoch, Value>>>::default());
    let rows = places.clone();
    timely::execute_directly(move |worker| {
        let (mut views, mut facts) = (InputSession::new(), InputSession::new());
        worker.dataflow(|scope| {
            let (views, facts) = (views.to_collection(scope), facts.to_collection(scope));
            reports(&Model::builtin(), views, facts, all()).inspect(move |(row, epoch, _)| {
                if row.key == ranked("top_products", day, 10) {
                    rows.lock().expect("no panic").insert(*epoch, row.value.clone());
                }
            });
        });
        let product = |id: u64| counted("product_views_hourly", day, 0, &id.to_string());
        views.advance_to(SEED + 1);
        (1..=10).for_each(|id| views.update(product(id), 2));
        views.update(product(11), 1);
        views.advance_to(SEED + 2);
        views.update(product(10), -2);
        views.advance_to(SEED + 3);
        views.update(product(11), 5);
        views.advance_to(SEED + 4);
        views.update(product(12), 1);
        facts.advance_to(SEED + 5);
    });
    // By their bytes, of equal views "9" is the last.
    let place = |id: u64, total| Value::Item { item: Text::Number(id), total };
    let expected = [(SEED + 1, place(9, 2)), (SEED + 2, place(11, 1)), (SEED + 3, place(9, 2))];
    assert_eq!(*places.lock().expect("no panic"), BTreeMap::from(expected));
}

/// Of each name more views than are counted, on two workers, in one epoch or in several, with a restart between.
#[test]
fn names_seen_enough_count_alike() {
    let event = |at: usize| Made {
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
    let event = Made {
        day: 18417,
        hour: 23,
        product: Some("85".into()),
        store: Some("-5".into()),
        referrer: Some(REFERRERS[0]),
        url: Some(URLS[0]),
        country: "DE",
        browser_os: ("Safari", "iPhone"),
    };
    let stranger = Made { url: Some(URLS[8]), ..event.clone() };
    let rows = naive(&[vec![event; OWN], vec![stranger]].concat());
    let model = Model::builtin();
    let mut seen = BTreeSet::new();
    for (key, value) in rows {
        let row = Row { key, value, is_insert: false };
        let table = &model.tables[row.table(&model).expect("a table")];
        let mut cells = Vec::new();
        row.cells(&model, |cell| cells.push(cell));
        assert_eq!(cells.len(), table.columns().count(), "{}", table.name);
        assert_eq!(Row::read(&model, table, &mut RowReader::new(&mut cells)), Some(row.clone()));
        seen.insert(&table.name);
    }
    assert_eq!(seen, model.tables.iter().map(|table| &table.name).collect());
}
