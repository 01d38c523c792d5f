//! Counting: the one arrangement, of the views of each key.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::operators::CountTotal;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::ExertionLogic;
use differential_dataflow::trace::implementations::ord_neu::{OrdKeyBatcher, OrdKeySpine};
use differential_dataflow::{AsCollection, Hashable, VecCollection};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use timely::WorkerConfig;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Exchange;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::vec::Map;

use crate::admission::Admission;
use crate::at_close::at_close;
use crate::dictionary::Dictionary;
use crate::reports::Views;
use crate::{Epoch, Key, MemberLimit, Shared, Text};

/// Each key's views, given anew whenever they changed.
///
/// The keys hold their texts as numbers: most of what takes counts drops most of them, and a number is copied without a look
/// at the text.
#[derive(Clone)]
pub(crate) struct Counts<'s> {
    pub updates: Updates<'s>,
    pub texts: Texts,
}

/// Changed counts with what they are now.
type Updates<'s> = VecCollection<'s, Epoch, (Key<u32>, Count), isize>;

/// What the numbers stand for, on this worker.
pub(crate) type Texts = Rc<RefCell<Dictionary>>;

/// How often a key was viewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Count {
    /// The views, of all time.
    pub views: i64,
    /// Of these, what this change added.
    pub added: i64,
}

impl Count {
    /// Whether it was never viewed before.
    pub fn is_new(self) -> bool {
        self.views == self.added
    }
}

impl<'s> Counts<'s> {
    /// Gives the text of a number in a key.
    pub fn text(&self) -> impl Fn(u32) -> Text + 'static {
        let texts = self.texts.clone();
        move |number| texts.borrow().text(number).cloned()
    }

    /// What is made of the key, its text lent, its count and the epoch of each change.
    pub fn filter_map<D: Clone + 'static>(
        self,
        mut make: impl FnMut(Key<Text<&Shared>>, Count, Epoch) -> Option<D> + 'static,
    ) -> VecCollection<'s, Epoch, D, isize> {
        let Counts { updates, texts } = self;
        let made = updates.inner.flat_map(move |((key, count), epoch, diff)| {
            let texts = texts.borrow();
            let made = make(key.map(|number| texts.text(number)), count, epoch);
            made.map(|made| (made, epoch, diff))
        });
        made.as_collection()
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

/// The views of each key that changed, and of what such keys are summed up in.
///
/// Keys that are summed up in one are counted on one worker, so that the sum is made there too. Where a key is counted
/// its text is put into a dictionary, and the key is held with a number instead: 12 bytes that are compared and moved
/// without a look elsewhere, as sorting and merging does all the time.
pub(crate) fn count(views: Views<'_>, limit: MemberLimit) -> Counts<'_> {
    let (texts, mut admission) = (Texts::default(), Admission::new(limit));
    let numbers = texts.clone();
    let numbered = views.inner.exchange(move |(key, _, _)| place(key, limit)).map(move |(key, epoch, views)| {
        let mut dictionary = numbers.borrow_mut();
        ((admission.admit(&mut dictionary, key, epoch), ()), epoch, views)
    });
    // Not by the keys' hash, as differential would: numbers say nothing on another worker.
    let arranged = arrange_core::<_, _, OrdKeyBatcher<_, _, _>, OrdKeySpine<Key<u32>, Epoch, i64>>(
        numbered,
        Pipeline,
        "Arrange: views",
        OrdKeyBatcher::new,
    );
    // A key's old count is retracted right before the new one is given.
    let mut retracted = None;
    let mut count = move |((key, views), epoch, diff): ((Key<u32>, i64), Epoch, isize)| {
        if diff < 0 {
            retracted = Some((key, views));
            return None;
        }
        let before = retracted.take().filter(|(before, _)| *before == key).map_or(0, |(_, views)| views);
        Some(((key, Count { views, added: views - before }), epoch, diff))
    };
    // Not by `flat_map`: where many messages wait it takes them in any order, and a pair may lie in two.
    let counts = arranged.count_total().inner.unary::<CapacityContainerBuilder<Vec<_>>, _, _, _>(
        Pipeline,
        "Count",
        move |initial, _info| {
            drop(initial);
            move |input, output| {
                input.for_each(|capability, updates| {
                    output.session(&capability).give_iterator(updates.drain(..).filter_map(&mut count));
                });
            }
        },
    );
    let counts = counts.as_collection();
    Counts { updates: counts.clone().concat(sums(counts)), texts }
}

/// What the changed counts are summed up in, each sum once an epoch.
///
/// Kept beside the arrangement, not in it: a sum follows from what changed, so it is neither sorted nor searched for.
fn sums(counts: Updates<'_>) -> Updates<'_> {
    let mut sums = HashMap::new();
    let parts = counts.flat_map(|(key, count)| key.coarser().map(|sum| (sum, count.added)));
    at_close(parts, Pipeline, "Sums", move |_, parts| {
        let mut changed = HashMap::new();
        for (key, added) in parts {
            let views = sums.entry(key).or_insert(0);
            *views += added;
            let count = changed.entry(key).or_insert(Count { views: 0, added: 0 });
            *count = Count { views: *views, added: count.added + added };
        }
        changed
    })
}

/// On which worker a key is counted: with all others of its text, or its country, and so with what they are summed up in.
pub(crate) fn place(key: &Key, limit: MemberLimit) -> u64 {
    match key {
        Key::Country { country, .. } | Key::CountryTotal { country } => country.hashed(),
        key => key.text().map_or_else(|| key.hashed(), |text| u64::from(limit.shard(text))),
    }
}
