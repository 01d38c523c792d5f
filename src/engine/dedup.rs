//! Copies of events: the events of an epoch go to the workers that hold their ids, and what turns out to be a copy
//! comes back to the worker that took it. An epoch leaves a worker only when all of its copies are known.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dataflows::{Epoch, EventPosition, Occurrence, copies};
use differential_dataflow::input::InputSession;
use parking_lot::Mutex;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::worker::Worker;

/// One worker's ends of the dataflow that finds copies.
pub(super) struct Dedup {
    occurrences: InputSession<Epoch, Occurrence, isize>,
    /// Copies among the events that this worker took, by the epoch in which they turned out to be.
    copies: Rc<RefCell<Copies>>,
    settled: Handle<Epoch>,
}

/// Copies by epoch.
pub(super) type Copies = BTreeMap<Epoch, Vec<EventPosition>>;

impl Dedup {
    /// Builds the dataflow.
    pub fn build(worker: &mut Worker, span: Duration, clocks: Clocks) -> Dedup {
        let (mut occurrences, settled) = (InputSession::new(), Handle::new());
        let found: Rc<RefCell<Copies>> = Rc::default();
        let (own, workers) = (found.clone(), worker.peers());
        worker.dataflow(|scope| {
            let copies = copies(occurrences.to_collection(scope), span, move || clocks.needed(span));
            let to_taker = Exchange::new(move |(copy, _, _): &(EventPosition, Epoch, isize)| {
                // A partition is read by the worker of its number.
                (copy.partition() as usize % workers) as u64
            });
            let taken = copies.inner.unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
                to_taker,
                "Copies to their takers",
                move |_, _| {
                    move |input, _output| {
                        input.for_each(|_, copies| {
                            let mut own = own.borrow_mut();
                            copies.drain(..).for_each(|(copy, epoch, _)| own.entry(epoch).or_default().push(copy));
                        });
                    }
                },
            );
            taken.probe_with(&settled);
        });
        Dedup { occurrences, copies: found, settled }
    }

    /// Adds events to an epoch that this worker has not closed yet.
    pub fn add(&mut self, epoch: Epoch, occurrences: impl IntoIterator<Item = Occurrence>) {
        occurrences.into_iter().for_each(|occurrence| self.occurrences.update_at(occurrence, epoch, 1));
    }

    /// Closes all epochs before this one.
    pub fn advance_to(&mut self, epoch: Epoch) {
        self.occurrences.advance_to(epoch);
        self.occurrences.flush();
    }

    /// This worker adds nothing more.
    pub fn close(&mut self) {
        self.occurrences = InputSession::new();
    }

    /// The first epoch whose copies are not all known; none if no worker adds anything more.
    pub fn open(&self) -> Option<Epoch> {
        self.settled.with_frontier(|frontier| frontier.first().copied())
    }

    /// The copies of epochs before this one, which are all known.
    pub fn take_copies(&mut self, before: Epoch) -> Copies {
        let mut copies = self.copies.borrow_mut();
        let later = copies.split_off(&before);
        std::mem::replace(&mut *copies, later)
    }
}

/// The clocks of all partitions, shared by the workers.
#[derive(Clone, Debug, Default)]
pub(super) struct Clocks(Arc<Mutex<BTreeMap<i32, i64>>>);

impl Clocks {
    /// Sets how far a partition's clock is.
    pub fn set(&self, partition: i32, newest: i64) {
        self.0.lock().insert(partition, newest);
    }

    /// The clocks of some partitions.
    pub fn some(&self, is_meant: impl Fn(i32) -> bool) -> BTreeMap<i32, i64> {
        let clocks = self.0.lock();
        clocks
            .iter()
            .filter(|(partition, _)| is_meant(**partition))
            .map(|(partition, clock)| (*partition, *clock))
            .collect()
    }

    /// The time from which on events are still needed: what is compared from now on is at most a span behind the
    /// slowest clock; what that is near to, another span; and whether that one counted was decided by events of a
    /// third.
    pub fn needed(&self, span: Duration) -> i64 {
        let clocks = self.0.lock();
        let slowest = clocks.values().min().copied().unwrap_or(i64::MIN);
        slowest.saturating_sub(3 * span.as_secs() as i64)
    }
}
