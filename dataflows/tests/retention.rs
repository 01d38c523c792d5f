//! Days that are to leave: in the end all tables are those of the events of the days that are kept, whatever came when and in
//! how small slices it left; and memory does not grow with the days that there were.

use std::sync::{Arc, Mutex};

use dataflows::{
    Attributes, Day, DaysKept, DimensionKey, Epoch, Event, Kept, MemberLimit, Model, PreAggregator, Row, RowKey, SEED,
    Text, Value, configure, retaining_reports,
};
use differential_dataflow::input::InputSession;
use proptest::prelude::*;
use timely::{CommunicationConfig, WorkerConfig};

use crate::harness::{self, Tables, changed, deal};
use crate::naive::{Event as Made, counted_event, naive};

/// So many days before the newest are kept.
const KEPT: i32 = 7;

/// The tables in the end, and how many texts each worker holds. A slice is of so many keys. `events[worker][epoch]`.
fn run(events: Vec<Vec<Vec<Made>>>, slice: usize, limit: MemberLimit) -> (Tables, Vec<usize>) {
    let model = Model::builtin();
    let (rows, texts) = (Arc::<Mutex<Vec<(Epoch, Row)>>>::default(), Arc::<Mutex<Vec<usize>>>::default());
    let (shared, held, of_run) = (rows.clone(), texts.clone(), model.clone());
    let epochs = events.first().map_or(0, Vec::len);
    // What is the newest day after each epoch, as all workers would tell each other.
    let newest = (0..epochs).map(|epoch| {
        let days = events.iter().flat_map(|worker| &worker[..=epoch]).flatten().map(|event| event.day);
        days.max().map_or(Day(i32::MIN), Day)
    });
    let (newest, events) = (newest.collect::<Vec<_>>(), Arc::new(events));
    let config = timely::Config {
        communication: CommunicationConfig::Process(events.len()),
        worker: configure(WorkerConfig::default()),
    };
    let guards = timely::execute(config, move |worker| {
        let (model, rows) = (of_run.clone(), shared.clone());
        let (mut views, mut facts) = (InputSession::new(), InputSession::new());
        let kept = Kept::new(&model, DaysKept::Days(KEPT as u32));
        let (mut retention, probe) = worker.dataflow(|scope| {
            let (views, facts) = (views.to_collection(scope), facts.to_collection(scope));
            let (reports, retention) = retaining_reports(&model, views, facts, limit, kept);
            let reports = reports.inspect(move |(row, epoch, _)| {
                rows.lock().expect("no panic").push((*epoch, row.clone()));
            });
            (retention, reports.probe().0)
        });
        let mut aggregated = PreAggregator::new(model.clone(), 1);
        // Behind the events as long as anything leaves anywhere, for which these must be enough.
        let all = epochs + 60 + 60 * events.concat().concat().len() / slice;
        for at in 0..all {
            let epoch = SEED + 1 + at as Epoch;
            views.advance_to(epoch);
            facts.advance_to(epoch);
            views.flush();
            facts.flush();
            worker.step_while(|| probe.less_than(&epoch));
            let newest = newest[at.saturating_sub(1).min(epochs - 1)];
            if at > 0 && newest > retention.newest() {
                aggregated.keep_from(retention.first_days(newest));
                retention.set_newest(newest);
            }
            let leaving = retention.slice(epoch, slice);
            assert!(leaving.len() <= slice);
            leaving.into_iter().for_each(|(key, events)| views.update(key, -events));
            if let Some(events) = events[worker.index()].get(at) {
                let events: Vec<Event<'_>> = events.iter().map(|event| counted_event(&model, event)).collect();
                events.iter().for_each(|event| aggregated.add(event));
                let (counts, told) = aggregated.drain();
                counts.for_each(|(key, times)| views.update(key, times));
                told.into_iter().for_each(|fact| facts.insert(fact));
            }
        }
        assert!(!retention.is_due(), "there is more to leave after {all} epochs");
        held.lock().expect("no panic").push(retention.texts());
        drop((views, facts));
    });
    drop(guards.expect("timely starts"));
    let mut rows = std::mem::take(&mut *rows.lock().expect("no panic"));
    rows.sort_by_key(|(epoch, _)| *epoch);
    let texts = texts.lock().expect("no panic").clone();
    (changed(&model, &Tables::new(), rows), texts)
}

/// Without what only records can say, which depends on when a member went and came back.
fn by_counts(tables: Tables) -> Tables {
    let by_counts = tables.into_iter().filter_map(|(key, value)| match (&key, value) {
        (RowKey::Member(DimensionKey::PageHost(_) | DimensionKey::ProductName(_)), _) => None,
        (_, Value::Attributes(known)) => {
            let known = Attributes { page: None, is_own: false, ..*known };
            Some((key, Value::Attributes(Box::new(known))))
        }
        (_, value) => Some((key, value)),
    });
    by_counts.collect()
}

/// A view of one of few products and stores, or of so many more.
fn made(day: i32, id: u32, of: u32) -> Made {
    let referrers =
        [("https://shop.de/", Some("shop.de")), ("https://www.google.de/x", Some("www.google.de")), ("9", None)];
    Made {
        day,
        hour: (id % 3) as u8,
        product: Some(format!("p{}", id % of)),
        store: Some((id % 5).to_string()),
        referrer: Some(referrers[id as usize % 3]),
        url: None,
        country: ["DE", "FR", "ZZ", "GB"][id as usize % 4],
        browser_os: ("Chrome", "Windows 10"),
    }
}

fn kept(events: &[Made]) -> Vec<Made> {
    let newest = events.iter().map(|event| event.day).max().unwrap_or_default();
    events.iter().filter(|event| event.day >= newest - KEPT).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_is_all_that_ever_was(
        events in prop::collection::vec((0..30i32, 0..1_000u32, 0..1000usize), 1..200),
        is_in_order in any::<bool>(),
        workers in 1..=3usize,
        epochs in 1..12usize,
        slice in 8..60usize,
    ) {
        let mut events = events;
        if is_in_order {
            // The epochs are then those of the days.
            events.sort_by_key(|(day, ..)| *day);
            let all = events.len();
            for (place, (_, _, at)) in events.iter_mut().enumerate() {
                *at = *at % workers + workers * (place * epochs / all);
            }
        }
        let events: Vec<_> = events.into_iter().map(|(day, id, at)| (made(day, id, 40), at)).collect();
        let (tables, _) = run(deal(&events, workers, epochs), slice, harness::all());
        let events: Vec<_> = events.into_iter().map(|(event, _)| event).collect();
        prop_assert_eq!(by_counts(tables), by_counts(naive(&kept(&events))));
    }
}

/// Each day has products of its own, of which few are admitted.
#[test]
fn memory_follows_the_days_kept() {
    let events = |days: i32| -> Vec<Vec<Vec<Made>>> {
        let day = |day: i32| (0..60).map(|id| made(day, id as u32 + 60 * day as u32, u32::MAX)).collect();
        // Of a day there are more epochs than one, in which what is to leave does.
        let epochs = |at: i32| if at % 8 == 0 { day(at / 8) } else { Vec::new() };
        vec![(0..8 * days).map(epochs).collect()]
    };
    let limit = MemberLimit::new(50);
    let (few, held_few) = run(events(30), 1_000, limit);
    let (many, held_many) = run(events(400), 1_000, limit);
    assert_eq!((few.len(), &held_few), (many.len(), &held_many));
    let Some(Value::Attributes(_)) = many.get(&RowKey::Member(DimensionKey::Date(Day(399)))) else {
        panic!("the newest day is there")
    };
    assert!(!many.contains_key(&RowKey::Member(DimensionKey::Product(Text::from("p0")))));
}
