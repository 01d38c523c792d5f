//! The one shape of the operators that look at an epoch as a whole.

use std::collections::BTreeMap;

use differential_dataflow::{AsCollection, ExchangeData, VecCollection};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::ParallelizationContract;
use timely::dataflow::operators::{Capability, Operator};

use crate::Epoch;

/// The updates of an epoch that waits for its end, with the right to send results at its time.
type Waiting<D> = BTreeMap<Epoch, (Capability<Epoch>, Vec<D>)>;

/// Gives what `logic` makes of the updates of each epoch, oldest epoch first, as soon as the epoch is complete.
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
                    let results = logic(epoch, updates).into_iter().map(|result| (result, epoch, 1));
                    output.session(&capability).give_iterator(results);
                }
            }
        })
        .as_collection()
}
