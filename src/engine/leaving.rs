//! Days that leave: what all workers know of it, and one worker's part in it.
//!
//! The newest day decides, and only as far as it is durable: so a commit never lacks what the progress in it does not explain.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dataflows::{Day, DaysKept, Epoch, Retention};
use timely::dataflow::operators::probe::Handle;

use super::take::Taker;

/// How many keys are looked at in an epoch at least. An epoch with many more keys than that may take back twice as many as it
/// has, so that in the long run no more come than leave.
const SLICE: usize = 4_096;

/// What all workers know.
#[derive(Debug)]
pub(super) struct Shared {
    /// The newest day that is durable, of all partitions.
    newest: AtomicI32,
    /// How many workers of this process have read all that they are to read, and it is durable.
    done: AtomicUsize,
    /// The same of other processes.
    done_elsewhere: Mutex<BTreeMap<usize, usize>>,
}

impl Shared {
    /// Nothing yet.
    pub fn new() -> Self {
        Shared { newest: AtomicI32::new(i32::MIN), done: AtomicUsize::new(0), done_elsewhere: Mutex::default() }
    }

    /// A day that is durable.
    pub fn add(&self, day: Option<Day>) {
        if let Some(Day(day)) = day {
            self.newest.fetch_max(day, Ordering::Relaxed);
        }
    }

    /// How many workers of this process are done, and then: the newest day, which is no older than any that they had.
    pub fn news(&self) -> (usize, Day) {
        let done = self.done.load(Ordering::Acquire);
        (done, self.newest())
    }

    /// The news of another process.
    pub fn hear(&self, process: usize, (done, newest): (usize, Day)) {
        self.add(Some(newest));
        self.done_elsewhere.lock().unwrap_or_else(PoisonError::into_inner).insert(process, done);
    }

    fn newest(&self) -> Day {
        Day(self.newest.load(Ordering::Acquire))
    }

    fn done(&self) -> usize {
        let elsewhere = self.done_elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        self.done.load(Ordering::Acquire) + elsewhere.values().sum::<usize>()
    }
}

/// One worker's part.
pub(super) struct Leaving {
    retention: Retention,
    shared: Arc<Shared>,
    workers: usize,
    /// The newest day of its partitions as of the epoch that it closed last.
    closed: Option<Day>,
    /// How many epochs it has closed since there was no more to read.
    closed_done: u32,
}

impl Leaving {
    /// Of one of so many workers.
    pub fn new(retention: Retention, shared: Arc<Shared>, workers: usize) -> Self {
        Leaving { retention, shared, workers, closed: None, closed_done: 0 }
    }

    /// Adds to the epoch that is about to close what is to be taken back in it. It has this many keys, and the one before it is
    /// durable.
    pub fn close<S: crate::source::Source>(
        &mut self,
        epoch: Epoch,
        taker: &mut Taker<S>,
        keys: usize,
        durable: &Handle<Epoch>,
    ) {
        self.shared.add(std::mem::replace(&mut self.closed, taker.newest_day()));
        if let Some(first) = self.retention.set_newest(self.shared.newest()) {
            taker.keep_from(first);
        }
        // What no epoch is behind is durable, and so counted.
        let through = durable.with_frontier(|frontier| frontier.first().copied()).unwrap_or_default();
        for (key, events) in self.retention.slice(through, SLICE.max(2 * keys)) {
            taker.inputs.count(epoch, key, -events);
        }
        if taker.is_done() {
            self.closed_done += 1;
            if self.closed_done == 2 {
                self.shared.done.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    /// Whether all that leaves by what all workers were to read has left.
    pub fn is_over(&self) -> bool {
        self.shared.done() == self.workers
            && self.retention.newest() == self.shared.newest()
            && !self.retention.is_leaving()
    }
}

/// Whether the day of an event has left the tables, by the newest day before it in its partition. If not, it may be the
/// newest from now on.
pub(crate) fn has_left(day: Day, newest: &mut Option<Day>, kept: DaysKept) -> bool {
    if kept == DaysKept::All {
        return false;
    }
    match *newest {
        Some(before) if day < kept.first(before) => return true,
        Some(before) if day <= before => {}
        _ => *newest = Some(day),
    }
    false
}
