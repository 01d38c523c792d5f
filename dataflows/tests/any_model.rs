//! The tables of any model equal a naive recomputation: in any order, over any number of workers, split over any epochs,
//! seeded from any prefix's result.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use dataflows::model::{Dimension, Model, TableRows};
use dataflows::{Cell, DimensionKey, Event, MemberLimit, Row, RowKey, Value};
use proptest::prelude::*;

use crate::harness::{self, Tables, deal, deal_falling, run, run_falling};
use crate::models;

/// A table's rows as texts: the dimensions with the rank or the item behind them, and the number.
type Plain = BTreeMap<(String, Vec<String>), i64>;

/// Counts and rankings, from the events alone.
fn naive(model: &Model, events: &[Event<'_>]) -> Plain {
    let mut plain = Plain::new();
    for table in &model.tables {
        match table.rows {
            TableRows::Count(count) => {
                let count = &model.counts[count];
                for (key, total) in counted(events, count.filter, &count.by) {
                    plain.insert((table.name.clone(), key), total);
                }
            }
            TableRows::Ranking(ranking) => {
                let ranking = &model.rankings[ranking];
                let filter = model.counts[ranking.count].filter;
                let by = [&ranking.by[..], &[Dimension::Field(ranking.of)]].concat();
                let mut groups: BTreeMap<Vec<String>, Vec<(Reverse<i64>, String)>> = BTreeMap::new();
                for (mut key, total) in counted(events, filter, &by) {
                    let item = key.pop().expect("the item");
                    groups.entry(key).or_default().push((Reverse(total), item));
                }
                for (group, mut items) in groups {
                    items.sort();
                    for (place, (total, item)) in items.into_iter().take(ranking.places.into()).enumerate() {
                        let key = [group.clone(), vec![(place + 1).to_string(), item]].concat();
                        plain.insert((table.name.clone(), key), total.0);
                    }
                }
            }
            TableRows::Members(_) => {}
        }
    }
    plain
}

/// How many events that pass a filter have each of these dimensions.
fn counted(events: &[Event<'_>], filter: usize, by: &[Dimension]) -> BTreeMap<Vec<String>, i64> {
    let mut counts = BTreeMap::new();
    for event in events.iter().filter(|event| event.passes >> filter & 1 == 1) {
        let text = |dimension: &Dimension| match dimension {
            Dimension::Day => Some(event.day.0.to_string()),
            Dimension::Hour => Some(event.hour.to_string()),
            Dimension::Field(field) => event.fields[*field].as_ref().map(ToString::to_string),
        };
        if let Some(key) = by.iter().map(text).collect::<Option<Vec<_>>>() {
            *counts.entry(key).or_default() += 1;
        }
    }
    counts
}

/// The same of what the tables hold.
fn plain(model: &Model, tables: &Tables) -> Plain {
    let mut plain = Plain::new();
    for (key, value) in tables {
        let row = Row { key: key.clone(), value: value.clone(), is_insert: false };
        let table = &model.tables[row.table(model).expect("a table")];
        let (mut texts, mut total) = (Vec::new(), 0);
        row.cells(model, |cell| match cell {
            Cell::Text(text) => texts.push(text.into_owned()),
            Cell::Date(day) => texts.push(day.0.to_string()),
            Cell::Smallint(number) => texts.push(number.to_string()),
            Cell::Bigint(number) => total = number,
            Cell::Null => {}
        });
        if !matches!(key, RowKey::Member(_)) {
            assert!(plain.insert((table.name.clone(), texts), total).is_none(), "two rows of one key: {row:?}");
        }
    }
    plain
}

/// The days that have a row.
fn days(tables: &Tables) -> Vec<i32> {
    let day = |key: &RowKey| if let RowKey::Member(DimensionKey::Date(day)) = key { Some(day.0) } else { None };
    tables.keys().filter_map(day).collect()
}

/// The days of events that some count has by their day.
fn expected_days(model: &Model, events: &[Event<'_>]) -> Vec<i32> {
    let has_day = |event: &&Event<'_>| {
        model.counts[model.counted()].iter().any(|count| {
            let has_fields = count.members.iter().all(|at| event.fields[*at].is_some());
            count.has_day && event.is_passed(count.filter) && has_fields
        })
    };
    let mut days: Vec<_> = events.iter().filter(has_day).map(|event| event.day.0).collect();
    days.sort_unstable();
    days.dedup();
    days
}

fn cases() -> impl Strategy<Value = (Arc<Model>, Vec<(Event<'static>, usize)>)> {
    models::model().prop_flat_map(|text| {
        let model = Arc::new(Model::parse(&text, "model.toml").expect("a model"));
        let events = models::events(&model, 200).prop_flat_map(|events| {
            let places = prop::collection::vec(0..1000usize, events.len());
            (Just(events), places).prop_map(|(events, places)| events.into_iter().zip(places).collect::<Vec<_>>())
        });
        (Just(model), events)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn tables_equal_a_naive_recomputation(
        (model, events) in cases(),
        prefix in 0.0..1.0f64,
        workers in 1..=4usize,
        epochs in 1..5usize,
    ) {
        let (before, after) = events.split_at((events.len() as f64 * prefix) as usize);
        let seed = run(&model, &Tables::new(), deal(before, 5 - workers, epochs), harness::all());
        let tables = run(&model, &seed, deal(after, workers, epochs), harness::all());
        let events: Vec<_> = events.into_iter().map(|(event, _)| event).collect();
        prop_assert_eq!(plain(&model, &tables), naive(&model, &events), "{}", model.text);
        prop_assert_eq!(days(&tables), expected_days(&model, &events), "{}", model.text);
    }

    /// Events of the tables at a start are taken back, and those that come; then all starts once more.
    #[test]
    fn what_is_taken_back_was_never_there(
        (model, events) in cases(),
        backs in prop::collection::vec(prop::option::weighted(0.6, 0..1000usize), 200),
        prefix in 0.0..1.0f64,
        workers in 1..=4usize,
        epochs in 1..5usize,
    ) {
        let falling: Vec<_> = events.iter().zip(backs).map(|((event, at), back)| (event.clone(), *at, back)).collect();
        let (before, after) = falling.split_at((events.len() as f64 * prefix) as usize);
        let seed = run_falling(&model, &Tables::new(), deal_falling(before, 5 - workers, epochs), harness::all());
        let tables = run_falling(&model, &seed, deal_falling(after, workers, epochs), harness::all());
        let left: Vec<_> = falling.into_iter().filter(|(.., back)| back.is_none()).map(|(event, ..)| event).collect();
        prop_assert_eq!(plain(&model, &tables), naive(&model, &left), "{}", model.text);
        prop_assert_eq!(days(&tables), expected_days(&model, &left), "{}", model.text);
    }

    /// What is not admitted is counted with the others, so that the sums are what they would be without a limit.
    #[test]
    fn no_event_is_lost_to_the_member_limit(
        (model, events) in cases(),
        backs in prop::collection::vec(prop::option::weighted(0.3, 0..1000usize), 200),
        limit in 0..6u32,
        workers in 1..=4usize,
        epochs in 1..5usize,
    ) {
        let events: Vec<_> = events.into_iter().zip(backs).map(|((event, at), back)| (event, at, back)).collect();
        let dealt = || deal_falling(&events, workers, epochs);
        let limited = run_falling(&model, &Tables::new(), dealt(), MemberLimit::new(limit));
        let sums = |tables: &Tables| {
            let mut sums: BTreeMap<(u16, i32, u8), i64> = BTreeMap::new();
            for (key, value) in tables {
                if let (RowKey::Count(key), Value::Total(total)) = (key, value) {
                    *sums.entry((key.count, key.day.0, key.hour)).or_default() += total;
                }
            }
            sums
        };
        let whole = run_falling(&model, &Tables::new(), dealt(), harness::all());
        prop_assert_eq!(sums(&limited), sums(&whole), "{}", model.text);
        let is_of_others = |value: &Value| matches!(value, Value::Item { item, .. } if item.to_str() == dataflows::OTHERS);
        prop_assert!(!limited.values().any(is_of_others), "{}", model.text);
        for (id, count) in model.counts.iter().enumerate().filter(|(_, count)| count.table.is_some()) {
            let mut members: BTreeMap<i32, usize> = BTreeMap::new();
            let mut known = std::collections::BTreeSet::new();
            for key in limited.keys() {
                if let RowKey::Count(key) = key
                    && usize::from(key.count) == id
                    && !key.member.to_string().contains(dataflows::OTHERS)
                    && known.insert((key.day, key.member.clone()))
                {
                    *members.entry(key.day.0).or_default() += 1;
                }
            }
            if !count.open.is_empty() && count.from.is_none() {
                prop_assert!(members.values().all(|members| *members <= limit as usize), "{}", model.text);
            }
        }
    }
}
