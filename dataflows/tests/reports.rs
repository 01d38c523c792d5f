//! All eight tables equal a naive recomputation: in any order, over any number of workers, split over any epochs,
//! seeded from any prefix's result.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use dataflows::{BrowserOs, Country, Day, Epoch, Fold, Key, List, Row, RowKey, SEED, Text, View, reports, tables};
use differential_dataflow::input::InputSession;
use proptest::prelude::*;

/// So many rows are seeded in an epoch.
const SEED_PIECE: usize = 100;

/// What the tables hold, by row.
type Tables = BTreeMap<RowKey, (Option<Text>, i64)>;

/// An event, as the tests make it: small ranges, so that keys meet and counts tie.
#[derive(Clone, Debug)]
struct Event {
    day: i32,
    hour: u8,
    product: Option<String>,
    store: Option<String>,
    referrer: Option<String>,
    country: &'static str,
    browser_os: (&'static str, &'static str),
}

/// Equal counts are ranked by the bytes of these: "10" before "9", "Ä" after "z".
fn id() -> impl Strategy<Value = Option<String>> {
    let number = (0..25u32).prop_map(|n| n.to_string());
    let text = prop::sample::select(vec!["007", "z", "Ä", "a b", "-1", "18446744073709551616"]).prop_map(String::from);
    prop::option::weighted(0.9, prop_oneof![5 => number, 1 => text])
}

fn event() -> impl Strategy<Value = Event> {
    let country =
        prop::sample::select(vec!["DE", "GB", "FR", "ZZ", "EU", "IT", "ES", "SE", "AU", "RO", "NL", "CA", "TR", "SK"]);
    let browser_os = prop::sample::select(vec![("Chrome", "Windows 10"), ("Safari", "iPhone"), ("Unknown", "Unknown")]);
    (-1..3i32, 0..24u8, id(), id(), id(), country, browser_os).prop_map(
        |(day, hour, product, store, referrer, country, browser_os)| Event {
            day,
            hour,
            product,
            store,
            referrer,
            country,
            browser_os,
        },
    )
}

/// The folded views of some events.
fn fold(events: &[Event]) -> Vec<(Key, i64)> {
    let mut fold = Fold::default();
    for event in events {
        let text = |text: &'_ Option<String>| {
            text.as_ref().map(|text| Text::<&str>::from(text.as_str()).map(|text| Cow::Owned(text.to_owned())))
        };
        let browser_os: BrowserOs = BrowserOs::new(event.browser_os.0, event.browser_os.1);
        fold.add(&View {
            day: Day(event.day),
            hour: event.hour,
            product_id: text(&event.product),
            store_id: text(&event.store),
            referrer_url: text(&event.referrer),
            country: Country::new(event.country).expect("a code"),
            browser_os: browser_os.borrowed(),
        });
    }
    fold.drain().collect()
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
        count(Key::BrowserOs { day, hour, browser_os });
        if let Some(id) = &event.product {
            count(Key::ProductHour { day, hour, product_id: Text::from(id.as_str()) });
        }
        if let Some(id) = &event.store {
            count(Key::Store { day, country, store_id: Text::from(id.as_str()) });
        }
        if let Some(url) = &event.referrer {
            count(Key::Referrer { day, referrer_url: Text::from(url.as_str()) });
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
        *rankings.entry((list, day)).or_default().entry(item).or_default() += views;
    }
    let mut tables: Tables = counts.into_iter().map(|(key, views)| (RowKey::Count(key), (None, views))).collect();
    for ((list, day), items) in rankings {
        let mut items: Vec<_> = items.into_iter().collect();
        items.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.as_bytes().cmp(b.0.as_bytes())));
        let places = if list == List::Referrers { 5 } else { 10 };
        for (place, (item, views)) in items.into_iter().take(places).enumerate() {
            let key = RowKey::Rank { list, day, rank: place as u8 + 1 };
            tables.insert(key, (Some(Text::from(item.as_str())), views));
        }
    }
    tables
}

/// Runs the dataflow over the events of each worker and epoch, from tables that hold `seed`, and returns what the
/// tables hold afterwards. `events[worker][epoch - 1]`.
fn run(seed: &Tables, events: Vec<Vec<Vec<Event>>>) -> Tables {
    let rows: Arc<Mutex<Vec<(Epoch, Row)>>> = Arc::default();
    let (events, shared, seed_keys) = (Arc::new(events), rows.clone(), Arc::new(seed.clone()));
    let workers = events.len();
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (index, rows) = (worker.index(), shared.clone());
        let mut input = InputSession::new();
        worker.dataflow(|scope| {
            reports(input.to_collection(scope)).inspect(move |(row, epoch, diff)| {
                assert_eq!(*diff, 1, "rows are only ever set");
                rows.lock().expect("no panic").push((*epoch, row.clone()));
            });
        });
        if index == 0 {
            for (piece, rows) in seed_keys.iter().collect::<Vec<_>>().chunks(SEED_PIECE).enumerate() {
                input.advance_to(piece as Epoch);
                for (key, (_, views)) in rows {
                    if let RowKey::Count(key) = key {
                        input.update(key.clone(), *views);
                    }
                }
            }
        }
        for (epoch, events) in events[index].iter().enumerate() {
            input.advance_to(SEED + 1 + epoch as Epoch);
            for (key, views) in fold(events) {
                input.update(key, views);
            }
            input.flush();
            worker.step();
        }
    })
    .expect("timely starts");
    drop(guards);
    let mut rows = std::mem::take(&mut *rows.lock().expect("no panic"));
    rows.sort_by_key(|(epoch, _)| *epoch);
    let (seeded, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(epoch, _)| *epoch <= SEED);
    let rankings: Tables = seeded.into_iter().map(|(_, row)| (row.key, (row.item, row.views))).collect();
    let derived = seed.iter().filter(|(key, _)| matches!(key, RowKey::Rank { .. }));
    assert_eq!(rankings, derived.map(|(key, held)| (key.clone(), held.clone())).collect(), "of the seed");
    let mut tables = seed.clone();
    let mut last = BTreeMap::new();
    for (epoch, row) in rows {
        assert!(row.table().is_some(), "a row without a table: {row:?}");
        let before = last.insert(row.key.clone(), epoch);
        assert!(before.is_none_or(|before| before < epoch), "two rows of one key in an epoch: {row:?}");
        let is_count = row.item.is_none();
        assert_eq!(row.is_new, is_count && !tables.contains_key(&row.key), "new or not: {row:?}");
        assert_ne!(tables.get(&row.key), Some(&(row.item.clone(), row.views)), "a row that did not change");
        tables.insert(row.key, (row.item, row.views));
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
        prop_assert_eq!(run(&seed, deal(after, workers, epochs)), naive(&plain(&events)));
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
        country: "DE",
        browser_os: ("Chrome", "Windows 10"),
    };
    let events: Vec<_> = ["9", "10", "Ä", "z", "10", "9"].map(event).into();
    let rows = run(&Tables::new(), vec![vec![events]]);
    let ranking: Vec<_> = rows
        .iter()
        .filter_map(|(key, (item, views))| match key {
            RowKey::Rank { list: List::Products, rank, .. } => Some((*rank, item.clone()?.to_string(), *views)),
            _ => None,
        })
        .collect();
    let expected = [(1, "10", 2), (2, "9", 2), (3, "z", 1), (4, "Ä", 1)];
    assert_eq!(ranking, expected.map(|(rank, item, views)| (rank, item.to_owned(), views)));
}

#[test]
fn every_row_reads_back_from_its_cells() {
    let event = Event {
        day: 18417,
        hour: 23,
        product: Some("85".into()),
        store: Some("-5".into()),
        referrer: Some("https://a/b".into()),
        country: "DE",
        browser_os: ("Safari", "iPhone"),
    };
    let rows = naive(&[event]);
    let mut seen: Vec<&str> = Vec::new();
    for (key, (item, views)) in rows {
        let row = Row { key, item, views, is_new: false };
        let Some(table) = row.table() else { continue };
        let mut cells = Vec::new();
        row.cells(|cell| cells.push(cell));
        assert_eq!(cells.len(), table.columns().count(), "{}", table.name);
        assert_eq!((table.read)(&mut dataflows::Cells::new(cells)), Some(row.clone()));
        seen.push(table.name);
    }
    let mut all: Vec<_> = tables().iter().map(|table| table.name).collect();
    seen.sort();
    all.sort();
    assert_eq!(seen, all);
}
