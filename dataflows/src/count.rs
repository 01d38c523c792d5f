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

/// Each key's total, given again whenever it changed.
///
/// The keys hold their members as numbers: most of what takes counts drops most of them, and a number is copied without a look
/// at the text.
pub(crate) struct Counts<'s> {
    pub updates: Updates<'s>,
    pub texts: Texts,
    pub arrangement: Arrangement,
    pub admission: Rc<RefCell<Admission>>,
}

/// The events of each key, as far as they are not rolled up from others.
pub(crate) type Arrangement = TraceAgent<OrdKeySpine<PackedKey, Epoch, i64>>;

/// Changed counts with what they are now.
pub(crate) type Updates<'s> = VecCollection<'s, Epoch, (PackedKey, CountUpdate), isize>;

/// What the numbers stand for, on this worker.
pub(crate) type Texts = Rc<RefCell<Interner>>;

/// How many events a key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct CountUpdate {
    /// The events that are counted now.
    pub total: i64,
    /// By how many these are more than before, or fewer.
    pub delta: i64,
}

impl CountUpdate {
    /// Whether it had none before.
    pub fn is_insert(self) -> bool {
        self.total <= self.delta
    }

    /// Whether it has none any more. Where a day leaves just as an event of it turns out to be a copy, it has less than none for
    /// a moment.
    pub fn is_delete(self) -> bool {
        self.total <= 0
    }

    /// Whether it had none before and has none now.
    pub fn stays_none(self) -> bool {
        self.is_insert() && self.is_delete()
    }
}

/// How far merges go on at a time, in updates: about a millisecond, after which others have their turn.
const MERGE_STEP: usize = 100_000;

/// The settings of a worker that the reports run on.
///
/// By itself differential goes on with merges under way as new updates come, so that none takes long. Until one is done its
/// parts are held twice, and every old count is looked for in both. So here they also go on whenever the worker gets to it,
/// until they are done. (`idle_merge_effort` would begin new ones, until there is but one batch.)
pub fn configure(mut config: WorkerConfig) -> WorkerConfig {
    let step: ExertionLogic =
        Arc::new(|levels| levels.iter().any(|(_, batches, _)| *batches > 1).then_some(MERGE_STEP));
    config.set("differential/default_exert_logic".to_owned(), step);
    config
}

/// The total of each key that changed, and of what such keys are rolled up in.
///
/// Keys that are rolled up in one are counted on one worker, so that the sum is made there too. Where a key is counted its
/// member is interned, and the key is held with a number instead: 8 bytes that are compared and moved without a look
/// elsewhere, as sorting and merging does all the time.
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
    // Not by the keys' hash, as differential would: numbers say nothing on another worker.
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

/// A count that was retracted: what follows says what it is now, or that it is none.
type Retracted = (PackedKey, i64, Epoch);

/// The pairs of `count_total` as what a count is now and by how much it changed. It retracts a key's old count right before it
/// gives the new one, and gives none if that is zero.
///
/// Not by `flat_map`: where many messages wait it takes them in any order, and a pair may lie in two.
fn with_deltas<'s>(counts: VecCollection<'s, Epoch, (PackedKey, i64), isize>) -> Updates<'s> {
    let gone = |(key, total, epoch): Retracted| ((key, CountUpdate { total: 0, delta: -total }), epoch, 1);
    let with_deltas =
        counts.inner.unary::<CapacityContainerBuilder<Vec<_>>, _, _, _>(Pipeline, "Count", move |initial, _info| {
            drop(initial);
            // What the last message ended with, and the right to say that it is gone.
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
                // In one turn `count_total` gives all of it.
                if let Some((before, earlier)) = carried.take() {
                    output.session(&earlier).give(gone(before));
                }
            }
        });
    with_deltas.as_collection()
}

/// What the changed counts are rolled up in, each sum once an epoch.
///
/// Kept beside the arrangement, not in it: a sum follows from what changed, so it is neither sorted nor searched for.
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

/// On which worker a key is counted: with all others of its member's open part, or of its member, and so with what they are
/// rolled up in.
pub(crate) fn place(model: &Model, key: &Key, limit: MemberLimit) -> u64 {
    let count = &model.counts[usize::from(key.count)];
    match count.open.is_empty() {
        true => key.member.hashed(),
        false => u64::from(limit.shard(&count.open_part(&key.member))),
    }
}
