//! The one shape of the operators that look at an epoch as a whole.

use std::collections::BTreeMap;

use differential_dataflow::{AsCollection, ExchangeData, VecCollection};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::ParallelizationContract;
use timely::dataflow::operators::{Capability, Operator};
use timely::progress::frontier::AntichainRef;

use crate::Epoch;

/// The updates of epochs that are not complete yet, with the capability to send results at their time.
type Waiting<D> = BTreeMap<Epoch, (Capability<Epoch>, Vec<D>)>;

/// Emits what `logic` makes of the updates of each epoch, oldest epoch first, as soon as the epoch is complete.
pub(crate) fn per_epoch<'s, D, O, P, I>(
    updates: VecCollection<'s, Epoch, D, isize>,
    pact: P,
    name: &str,
    mut logic: impl FnMut(Epoch, Vec<D>) -> I + 'static,
) -> VecCollection<'s, Epoch, O, isize>
where
    D: ExchangeData,
    O: ExchangeData,
    P: ParallelizationContract<Epoch, Vec<(D, Epoch, isize)>>,
    I: IntoIterator<Item = O>,
{
    per_epoch_with(updates, pact, name, (), move |(), epoch, updates| logic(epoch, updates), |(), _| {})
}

/// The same with a state; `advance` gets the input frontier whenever that may have advanced.
pub(crate) fn per_epoch_with<'s, D, O, P, I, S: 'static>(
    updates: VecCollection<'s, Epoch, D, isize>,
    pact: P,
    name: &str,
    mut state: S,
    mut logic: impl FnMut(&mut S, Epoch, Vec<D>) -> I + 'static,
    mut advance: impl FnMut(&mut S, AntichainRef<'_, Epoch>) + 'static,
) -> VecCollection<'s, Epoch, O, isize>
where
    D: ExchangeData,
    O: ExchangeData,
    P: ParallelizationContract<Epoch, Vec<(D, Epoch, isize)>>,
    I: IntoIterator<Item = O>,
{
    updates
        .inner
        .unary_frontier::<CapacityContainerBuilder<Vec<_>>, _, _, _>(pact, name, move |initial, _info| {
            drop(initial);
            let mut waiting: Waiting<D> = BTreeMap::new();
            move |(input, frontier), output| {
                // By each update's own time: a message may carry several, under the least of them.
                input.for_each(|capability, updates| {
                    for (update, epoch, _) in updates.drain(..) {
                        waiting
                            .entry(epoch)
                            .or_insert_with(|| (capability.delayed(&epoch, 0), Vec::new()))
                            .1
                            .push(update);
                    }
                });
                while let Some(first) = waiting.first_entry() {
                    let epoch = *first.key();
                    if frontier.less_equal(&epoch) {
                        break;
                    }
                    let (capability, updates) = first.remove();
                    let results = logic(&mut state, epoch, updates).into_iter().map(|result| (result, epoch, 1));
                    output.session(&capability).give_iterator(results);
                }
                advance(&mut state, frontier.frontier());
            }
        })
        .as_collection()
}
