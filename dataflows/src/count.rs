//! Counting: the one arrangement, of the views of each key.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::operators::CountTotal;
use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::ExertionLogic;
use differential_dataflow::trace::implementations::ord_neu::{OrdKeyBatcher, OrdKeySpine};
use differential_dataflow::{AsCollection, Hashable, VecCollection};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use timely::WorkerConfig;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;

use crate::admission::Admission;
use crate::interner::Interner;
use crate::key::PackedKey;
use crate::model::Model;
use crate::per_epoch::per_epoch;
use crate::reports::Events;
use crate::{Epoch, Key, MemberLimit};

/// Each key's total, emitted again whenever it changes.
///
/// The keys hold their members as numbers: most consumers of counts drop most of them, and a number is copied without
/// touching the text.
pub(crate) struct Counts<'s> {
    pub updates: Updates<'s>,
    pub texts: Texts,
    pub arrangement: Arrangement,
    pub admission: Rc<RefCell<Admission>>,
}

/// The events of each key that is not rolled up from others.
pub(crate) type Arrangement = TraceAgent<OrdKeySpine<PackedKey, Epoch, i64>>;

/// Changed counts with their new values.
pub(crate) type Updates<'s> = VecCollection<'s, Epoch, (PackedKey, CountUpdate), isize>;

/// The texts that the numbers stand for, on this worker.
pub(crate) type Texts = Rc<RefCell<Interner>>;

/// How many events a key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct CountUpdate {
    /// The events that are counted now.
    pub total: i64,
    /// The change since before; negative if the count fell.
    pub delta: i64,
}

impl CountUpdate {
    /// Whether it had none before.
    pub fn is_insert(self) -> bool {
        self.total <= self.delta
    }

    /// Whether it has none any more. If a day expires just as an event of it turns out to be a copy, the total is
    /// negative for a moment.
    pub fn is_delete(self) -> bool {
        self.total <= 0
    }

    /// Whether it had none before and has none now.
    pub fn stays_none(self) -> bool {
        self.is_insert() && self.is_delete()
    }
}

/// Updates merged at a time: about a millisecond, after which other operators have their turn.
const MERGE_STEP_UPDATES: usize = 100_000;

/// The settings of a worker that the reports run on.
///
/// By default differential advances merges only as new updates come, so that none takes long. Until one is done its
/// inputs are held twice, and every old count is looked up in both. So here they also advance whenever the worker is
/// scheduled, until done. (`idle_merge_effort` would begin new ones, until one batch is left.)
pub fn configure(mut config: WorkerConfig) -> WorkerConfig {
    let step: ExertionLogic =
        Arc::new(|levels| levels.iter().any(|(_, batches, _)| *batches > 1).then_some(MERGE_STEP_UPDATES));
    config.set("differential/default_exert_logic".to_owned(), step);
    config
}

/// The total of each key that changed, and of what such keys are rolled up in.
///
/// Keys that roll up into one sum are counted on one worker, so the sum is made there too. That worker interns a key's
/// member and holds a number instead: 8 bytes which sorting and merging compare and move without following a pointer.
pub(crate) fn count<'s>(model: &Arc<Model>, events: Events<'s>, limit: MemberLimit) -> Counts<'s> {
    let (texts, admission) = (Texts::default(), Rc::new(RefCell::new(Admission::new(model.clone(), limit))));
    let (interner, admitting, placed) = (texts.clone(), admission.clone(), model.clone());
    let by_member = Exchange::new(move |(key, _, _): &(Key, Epoch, i64)| place(&placed, key, limit));
    let numbered =
        events.inner.unary::<CapacityContainerBuilder<Vec<_>>, _, _, _>(by_member, "Intern", move |initial, _info| {
            drop(initial);
            move |input, output| {
                input.for_each(|capability, events| {
                    let (mut interner, mut admission) = (interner.borrow_mut(), admitting.borrow_mut());
                    let numbered = events
                        .drain(..)
                        .map(|(key, epoch, events)| ((admission.admit(&mut interner, key, epoch), ()), epoch, events));
                    output.session(&capability).give_iterator(numbered);
                });
            }
        });
    // Not exchanged by the keys' hash, as differential would: numbers mean nothing on another worker.
    let arranged = arrange_core::<_, _, OrdKeyBatcher<_, _, _>, OrdKeySpine<PackedKey, Epoch, i64>>(
        numbered,
        Pipeline,
        "Arrange: events",
        OrdKeyBatcher::new,
    );
    let arrangement = arranged.trace.clone();
    let counts = with_deltas(arranged.count_total());
    Counts { updates: counts.clone().concat(roll_up(model, counts)), texts, arrangement, admission }
}

/// A retracted count: the update that follows has its new value, or it is gone.
type Retracted = (PackedKey, i64, Epoch);

/// The pairs of `count_total` as new total and delta. It retracts a key's old count right before it emits the new one,
/// and emits none if that is zero.
///
/// Not a `flat_map`: with many messages queued it takes them in any order, and a pair may be split over two.
fn with_deltas<'s>(counts: VecCollection<'s, Epoch, (PackedKey, i64), isize>) -> Updates<'s> {
    let gone = |(key, total, epoch): Retracted| ((key, CountUpdate { total: 0, delta: -total }), epoch, 1);
    let with_deltas =
        counts.inner.unary::<CapacityContainerBuilder<Vec<_>>, _, _, _>(Pipeline, "Count", move |initial, _info| {
            drop(initial);
            // The retraction that the last message ended with, and the capability to emit that it is gone.
            let mut carried: Option<(Retracted, Capability<Epoch>)> = None;
            move |input, output| {
                input.for_each(|capability, updates| {
                    let mut retracted = None;
                    if let Some((before, earlier)) = carried.take() {
                        match updates.first() {
                            Some(((key, _), epoch, 1..)) if (*key, *epoch) == (before.0, before.2) => {
                                retracted = Some(before);
                            }
                            _ => output.session(&earlier).give(gone(before)),
                        }
                    }
                    let mut session = output.session(&capability);
                    for ((key, total), epoch, diff) in updates.drain(..) {
                        let before = retracted.take();
                        let of_pair = before.filter(|before| diff > 0 && (before.0, before.2) == (key, epoch));
                        if let (Some(before), None) = (before, of_pair) {
                            session.give(gone(before));
                        }
                        if diff > 0 {
                            let delta = total - of_pair.map_or(0, |(_, before, _)| before);
                            session.give(((key, CountUpdate { total, delta }), epoch, 1));
                        } else {
                            retracted = Some((key, total, epoch));
                        }
                    }
                    carried = retracted.map(|retracted| (retracted, capability.delayed(&retracted.2, 0)));
                });
                // `count_total` emits a whole pair in one activation.
                if let Some((before, earlier)) = carried.take() {
                    output.session(&earlier).give(gone(before));
                }
            }
        });
    with_deltas.as_collection()
}

/// The sums that the changed counts roll up into, each once per epoch.
///
/// Kept beside the arrangement, not in it: a sum follows from the deltas, so it is neither sorted nor searched for.
fn roll_up<'s>(model: &Arc<Model>, counts: Updates<'s>) -> Updates<'s> {
    let (model, mut totals) = (model.clone(), HashMap::new());
    let rollups: Vec<Vec<u16>> = (0..model.counts.len()).map(|finer| rollups(&model, finer)).collect();
    let parts = counts.flat_map(move |(key, count)| {
        let deltas: SmallVec<[_; 2]> = rollups[key.count()]
            .iter()
            .map(|id| (key.rolled_up(*id, &model.counts[usize::from(*id)]), count.delta))
            .collect();
        deltas
    });
    per_epoch(parts, Pipeline, "Roll up", move |_, parts| {
        let mut changed = HashMap::new();
        for (key, delta) in parts {
            let total = totals.entry(key).or_insert(0);
            *total += delta;
            let count = changed.entry(key).or_insert(CountUpdate { total: 0, delta: 0 });
            *count = CountUpdate { total: *total, delta: count.delta + delta };
        }
        changed.retain(|key, count: &mut CountUpdate| {
            if count.total == 0 {
                totals.remove(key);
            }
            // What fell here may have risen there.
            count.delta != 0
        });
        changed
    })
}

/// The counts that are rolled up from this one.
fn rollups(model: &Model, finer: usize) -> Vec<u16> {
    let counts = model.counts.iter().enumerate();
    counts.filter(|(_, count)| count.from == Some(finer)).map(|(id, _)| id as u16).collect()
}

/// The worker that counts a key: one for all keys with its member's open part, or its member, and so for their sums.
pub(crate) fn place(model: &Model, key: &Key, limit: MemberLimit) -> u64 {
    let count = &model.counts[usize::from(key.count)];
    match count.open.is_empty() {
        true => key.member.hashed(),
        false => u64::from(limit.shard(&count.open_part(&key.member))),
    }
}
