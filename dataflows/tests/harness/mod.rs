//! The dataflow of any model, run over events that are dealt to workers and epochs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use dataflows::{
    Epoch, Event, MemberLimit, Model, PreAggregator, Row, RowKey, SEED, Value, configure, falling_reports, reports,
};
use differential_dataflow::input::InputSession;
use timely::{CommunicationConfig, WorkerConfig};

/// What the tables hold, by row.
pub type Tables = BTreeMap<RowKey, Value>;

/// So many rows are seeded in an epoch.
const SEED_PIECE: usize = 100;

/// A limit that none of these tests reaches.
pub fn all() -> MemberLimit {
    MemberLimit::default()
}

/// Whether a row follows from counts.
pub fn is_derived(model: &Model, key: &RowKey) -> bool {
    match key {
        RowKey::Rank { .. } => true,
        RowKey::Count(key) => model.counts[usize::from(key.count)].from.is_some(),
        RowKey::Member(_) => false,
    }
}

/// What comes, and what is taken back: `[worker][epoch - 1]`.
#[derive(Clone, Debug, Default)]
pub struct Dealt<E> {
    pub events: Vec<Vec<Vec<E>>>,
    pub taken_back: Vec<Vec<Vec<E>>>,
}

/// Runs the dataflow over the events of each worker and epoch, from tables that hold `seed`, and returns what the
/// tables hold afterwards. `events[worker][epoch - 1]`.
pub fn run(model: &Arc<Model>, seed: &Tables, events: Vec<Vec<Vec<Event<'static>>>>, limit: MemberLimit) -> Tables {
    let taken_back = events.iter().map(|worker| vec![Vec::new(); worker.len()]).collect();
    run_any(model, seed, Dealt { events, taken_back }, limit, false)
}

/// The same with events that are taken back.
pub fn run_falling(model: &Arc<Model>, seed: &Tables, dealt: Dealt<Event<'static>>, limit: MemberLimit) -> Tables {
    run_any(model, seed, dealt, limit, true)
}

fn run_any(model: &Arc<Model>, seed: &Tables, dealt: Dealt<Event<'static>>, limit: MemberLimit, falls: bool) -> Tables {
    let rows: Arc<Mutex<Vec<(Epoch, Row)>>> = Arc::default();
    let Dealt { events, taken_back } = dealt;
    let (events, taken_back) = (Arc::new(events), Arc::new(taken_back));
    let (shared, seed_keys) = (rows.clone(), Arc::new(seed.clone()));
    let (workers, of_run) = (events.len(), model.clone());
    let communication = CommunicationConfig::Process(workers);
    let config = timely::Config { communication, worker: configure(WorkerConfig::default()) };
    let guards = timely::execute(config, move |worker| {
        let (index, rows) = (worker.index(), shared.clone());
        let (mut views, mut facts) = (InputSession::new(), InputSession::new());
        let model = of_run.clone();
        worker.dataflow(|scope| {
            let (views, facts) = (views.to_collection(scope), facts.to_collection(scope));
            let reports = if falls { falling_reports } else { reports };
            reports(&model, views, facts, limit).inspect(move |(row, epoch, diff)| {
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
                        (RowKey::Count(_), _) if is_derived(&model, key) => {}
                        (RowKey::Count(key), Value::Total(times)) => views.update(key.clone(), *times),
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
            let mut aggregated = PreAggregator::new(model.clone(), 1);
            events.iter().for_each(|event| aggregated.add(event));
            let (counts, told) = aggregated.drain();
            counts.for_each(|(key, times)| views.update(key, times));
            told.into_iter().for_each(|fact| facts.insert(fact));
            let mut aggregated = PreAggregator::new(model.clone(), 1);
            taken_back[index][epoch].iter().for_each(|event| aggregated.add(event));
            aggregated.drain().0.for_each(|(key, times)| views.update(key, -times));
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
    let derived = seed.iter().filter(|(key, _)| is_derived(model, key));
    assert_eq!(rankings, derived.map(|(key, held)| (key.clone(), held.clone())).collect(), "of the seed");
    changed(model, seed, rows)
}

/// What the tables hold after these rows were written, which must say something new.
pub fn changed(model: &Model, seed: &Tables, rows: Vec<(Epoch, Row)>) -> Tables {
    let (mut tables, mut last) = (seed.clone(), BTreeMap::new());
    for (epoch, row) in rows {
        assert!(row.table(model).is_some(), "a row without a table: {row:?}");
        let before = last.insert(row.key.clone(), epoch);
        assert!(before.is_none_or(|before| before < epoch), "two rows of one key in an epoch: {row:?}");
        if row.value == Value::Absent {
            assert!(tables.remove(&row.key).is_some(), "a row goes that is not there: {row:?}");
            continue;
        }
        let is_new = !is_derived(model, &row.key) && !tables.contains_key(&row.key);
        assert_eq!(row.is_insert, is_new, "new or not: {row:?}");
        assert!(!matches!(row.value, Value::Total(..=0) | Value::Item { total: ..=0, .. }), "of no event: {row:?}");
        assert_ne!(tables.get(&row.key), Some(&row.value), "a row that did not change");
        tables.insert(row.key, row.value);
    }
    tables
}

/// Deals the events to workers and epochs.
pub fn deal<E: Clone>(events: &[(E, usize)], workers: usize, epochs: usize) -> Vec<Vec<Vec<E>>> {
    let mut dealt = vec![vec![Vec::new(); epochs]; workers];
    for (event, at) in events {
        dealt[at % workers][(at / workers) % epochs].push(event.clone());
    }
    dealt
}

/// The same of events of which some are taken back in any epoch. Before they come there are fewer than none of them, as for a
/// moment where an event that leaves with its day turns out to be a copy.
pub fn deal_falling<E: Clone>(events: &[(E, usize, Option<usize>)], workers: usize, epochs: usize) -> Dealt<E> {
    let none = || vec![vec![Vec::new(); epochs]; workers];
    let (mut dealt, mut taken_back) = (none(), none());
    for (event, at, back) in events {
        let epoch = (at / workers) % epochs;
        dealt[at % workers][epoch].push(event.clone());
        if let Some(back) = back {
            taken_back[back % workers][(back / workers) % epochs].push(event.clone());
        }
    }
    Dealt { events: dealt, taken_back }
}
