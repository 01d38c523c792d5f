//! Where epochs leave the dataflow: handed over when every worker has closed them, held until they are durable.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};

use dataflows::{Epoch, Row, SEED};
use differential_dataflow::VecCollection;
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::{Capability, Operator};
use timely::progress::Antichain;
use timely::scheduling::SyncActivator;

use crate::batch::{Batch, Forgetting, Progress, Rejected};
use crate::metrics::Metrics;

/// One part of a batch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Output {
    /// A changed row.
    Row(Row),
    /// How far a partition has come.
    Progress(Progress),
    /// A record that could not be counted.
    Rejected(Rejected),
    /// Events that are taken out for good.
    Forgetting(Forgetting),
}

/// Tells the engine how far the sink has come.
#[derive(Clone)]
pub struct Durable {
    epochs: Sender<Epoch>,
    /// Wakes the worker that waits for it; set once that worker has built its dataflow.
    activator: Arc<OnceLock<SyncActivator>>,
}

impl Durable {
    /// Every batch up to and including this epoch is durable.
    pub fn ack(&self, epoch: Epoch) {
        // Fails only if the engine has ended, and then nobody waits for it.
        if self.epochs.send(epoch).is_ok()
            && let Some(activator) = self.activator.get()
        {
            let _ = activator.activate();
        }
    }
}

/// The dataflow's ends of the channels to and from the sink; worker 0 has them.
pub(super) struct SinkChannels {
    batches: Sender<Batch>,
    durable: Receiver<Epoch>,
    metrics: Metrics,
    activator: Arc<OnceLock<SyncActivator>>,
}

/// The two ends of durability: one for the sink, one for the worker that hands batches to it.
pub(super) fn channels(batches: Sender<Batch>, metrics: &Metrics) -> (Durable, Option<SinkChannels>) {
    let (epochs, durable) = channel();
    let activator = Arc::new(OnceLock::new());
    let sink = SinkChannels { batches, durable, metrics: metrics.clone(), activator: activator.clone() };
    (Durable { epochs, activator }, Some(sink))
}

/// Sends the closed epochs to the sink, and keeps the capability of each until it is durable. So the frontier behind
/// this operator means "in Postgres" on every worker, by timely's own progress tracking.
pub(super) fn hold_until_durable(
    outputs: VecCollection<'_, Epoch, Output, isize>,
    sink: Option<SinkChannels>,
) -> StreamVec<'_, Epoch, ()> {
    let scope = outputs.scope();
    let to_first = Exchange::new(|_: &(Output, Epoch, isize)| 0);
    outputs.inner.unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(to_first, "Durable", move |cap, info| {
        let mut holder = sink.map(|sink| {
            let activator = scope.worker().sync_activator_for(info.address.to_vec());
            // Set once: there is one such operator in a process.
            let _ = sink.activator.set(activator);
            DurabilityGate::new(cap, sink)
        });
        move |(input, frontier), _output| {
            input.for_each(|_stamp, outputs| {
                if let Some(holder) = &mut holder {
                    outputs.drain(..).for_each(|(output, epoch, _)| holder.stash(output, epoch));
                }
            });
            if holder.as_mut().is_some_and(|holder| holder.advance(&frontier.frontier().to_owned())) {
                holder = None;
            }
        }
    })
}

/// The state of [`hold_until_durable`] on worker 0.
struct DurabilityGate {
    /// For the least epoch that is not durable: all that is needed, and as much as is allowed.
    capability: Capability<Epoch>,
    sink: SinkChannels,
    /// Epochs that some worker may still add to.
    open: BTreeMap<Epoch, Batch>,
    /// Epochs handed to the sink, oldest first.
    held: VecDeque<Epoch>,
}

impl DurabilityGate {
    fn new(capability: Capability<Epoch>, sink: SinkChannels) -> Self {
        // The sink gets the seed's batch even if nothing followed from it, as something may be stored all the same.
        let open = BTreeMap::from([(SEED, Batch { epoch: SEED, ..Batch::default() })]);
        DurabilityGate { capability, sink, open, held: VecDeque::new() }
    }

    /// What the seed gives is one batch, however many epochs it took.
    fn stash(&mut self, output: Output, epoch: Epoch) {
        let epoch = epoch.max(SEED);
        let batch = self.open.entry(epoch).or_insert_with(|| Batch { epoch, ..Batch::default() });
        match output {
            Output::Row(row) => batch.rows.push(row),
            Output::Progress(progress) => batch.progress.push(progress),
            Output::Rejected(rejected) => batch.rejected.push(rejected),
            Output::Forgetting(forgetting) => batch.forgotten.push(forgetting),
        }
    }

    /// Hands over what is closed, drops what is durable. True once nothing is left and nothing can come.
    fn advance(&mut self, frontier: &Antichain<Epoch>) -> bool {
        while let Ok(durable) = self.sink.durable.try_recv() {
            while self.held.front().is_some_and(|epoch| *epoch <= durable) {
                self.held.pop_front();
            }
        }
        while let Some(first) = self.open.first_entry() {
            if frontier.less_equal(first.key()) {
                break;
            }
            self.held.push_back(*first.key());
            // Fails only if the writer has ended, which ends the run by itself.
            let _ = self.sink.batches.send(first.remove());
        }
        self.sink.metrics.set_epochs_in_flight(self.held.len());
        let least = self.held.front().or(self.open.keys().next()).into_iter().chain(frontier.iter()).min();
        match least {
            Some(epoch) if self.capability.time() < epoch => self.capability.downgrade(epoch),
            _ => {}
        }
        least.is_none()
    }
}
