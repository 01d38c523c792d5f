//! Days that expire: what all workers know of it, and one worker's part in it.
//!
//! The newest day decides, and only as far as it is durable: so the progress in a commit always explains what it lacks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use dataflows::{Day, DaysKept, Epoch, Retention};
use parking_lot::Mutex;
use timely::dataflow::operators::probe::Handle;

use super::ingest::Ingest;

/// Keys looked at per epoch, at least. An epoch with many more keys than that may take back twice as many as it has, so
/// that in the long run no more come than leave.
const SLICE_KEYS_MIN: usize = 4_096;

/// When each worker last forgot what it had reported about members, and the time before: the newest day that it forgot
/// it for, and the epoch that it closed then, the last one that may lack what it had reported before.
pub(super) type ForgetTimes = BTreeMap<usize, [Option<(Day, Epoch)>; 2]>;

/// What all workers know.
#[derive(Debug)]
pub(super) struct State {
    /// The newest day that is durable, of all partitions.
    newest: AtomicI32,
    /// How many workers of this process have read all that they are to read, and it is durable.
    done: AtomicUsize,
    forgotten: Mutex<ForgetTimes>,
    /// The same for other processes.
    elsewhere: Mutex<BTreeMap<usize, (usize, ForgetTimes)>>,
}

impl State {
    /// Nothing yet.
    pub fn new() -> Self {
        State {
            newest: AtomicI32::new(i32::MIN),
            done: AtomicUsize::new(0),
            forgotten: Mutex::default(),
            elsewhere: Mutex::default(),
        }
    }

    /// A day that is durable.
    pub fn add(&self, day: Option<Day>) {
        if let Some(Day(day)) = day {
            self.newest.fetch_max(day, Ordering::Relaxed);
        }
    }

    /// How many workers of this process are done, and then: the newest day, which is no older than any that they had, and when
    /// they forgot what they had reported.
    pub fn news(&self) -> (usize, Day, ForgetTimes) {
        let done = self.done.load(Ordering::Acquire);
        (done, self.newest(), self.forgotten.lock().clone())
    }

    /// The news of another process.
    pub fn hear(&self, process: usize, (done, newest, forgotten): (usize, Day, ForgetTimes)) {
        self.add(Some(newest));
        self.elsewhere.lock().insert(process, (done, forgotten));
    }

    /// A worker of this process has closed this epoch, and forgets what it reported about members.
    fn forget(&self, worker: usize, newest: Day, epoch: Epoch) {
        let mut forgotten = self.forgotten.lock();
        let times = forgotten.entry(worker).or_default();
        *times = [Some((newest, epoch)), times[0]];
    }

    /// The newest day for which all workers have forgotten what they reported, in all epochs after this one. If a
    /// worker's last time is of a later epoch, the one before counts: two epochs of a worker are never open to another
    /// at once.
    fn forgotten_by_all(&self, workers: usize, epoch: Epoch) -> Option<Day> {
        let newest = |times: &[Option<(Day, Epoch)>; 2]| {
            times.iter().flatten().find(|(_, closed)| *closed <= epoch).map(|(newest, _)| *newest)
        };
        let (here, elsewhere) = (self.forgotten.lock(), self.elsewhere.lock());
        let all = || here.values().chain(elsewhere.values().flat_map(|(_, forgotten)| forgotten.values()));
        // If a worker has none, so is the least.
        all().map(newest).min().flatten().filter(|_| all().count() == workers)
    }

    fn newest(&self) -> Day {
        Day(self.newest.load(Ordering::Acquire))
    }

    fn done(&self) -> usize {
        let elsewhere = self.elsewhere.lock();
        self.done.load(Ordering::Acquire) + elsewhere.values().map(|(done, _)| done).sum::<usize>()
    }
}

/// One worker's part.
pub(super) struct Expiry {
    retention: Retention,
    shared: Arc<State>,
    worker: usize,
    workers: usize,
    /// The newest day for which it has forgotten what it reported about members.
    forgotten: Day,
    /// The newest day of its partitions as of the epoch that it closed last.
    closed: Option<Day>,
    /// How many epochs it has closed since there was no more to read.
    closed_done: u32,
}

impl Expiry {
    /// The part of this worker, one of `workers`.
    pub fn new(retention: Retention, shared: Arc<State>, worker: usize, workers: usize) -> Self {
        Expiry { retention, shared, worker, workers, forgotten: Day(i32::MIN), closed: None, closed_done: 0 }
    }

    /// Adds what is to be taken back to the epoch that is about to close. It has this many keys, and the one before it
    /// is durable.
    pub fn close<S: crate::source::Source>(
        &mut self,
        epoch: Epoch,
        ingest: &mut Ingest<S>,
        keys: usize,
        durable: &Handle<Epoch>,
    ) {
        self.shared.add(std::mem::replace(&mut self.closed, ingest.newest_day()));
        let newest = self.shared.newest();
        if newest > self.forgotten {
            self.forgotten = newest;
            ingest.keep_from(self.retention.first_days(newest));
            self.shared.forget(self.worker, newest, epoch);
        }
        // A member that goes may come back by an event of any worker, which must tell of it again then.
        if let Some(newest) = self.shared.forgotten_by_all(self.workers, epoch) {
            self.retention.set_newest(newest);
        }
        // What no epoch is behind is durable, and so counted.
        let through = durable.with_frontier(|frontier| frontier.first().copied()).unwrap_or_default();
        for (key, events) in self.retention.slice(through, SLICE_KEYS_MIN.max(2 * keys)) {
            ingest.inputs.count(epoch, key, -events);
        }
        if ingest.is_done() {
            self.closed_done += 1;
            if self.closed_done == 2 {
                self.shared.done.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    /// Whether all days have left that expire by what all workers were to read.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_leaves_once_all_have_forgotten_it() {
        let shared = State::new();
        assert_eq!(shared.forgotten_by_all(2, 9), None);
        shared.forget(0, Day(1), 3);
        assert_eq!(shared.forgotten_by_all(2, 9), None, "a worker has not forgotten");
        shared.forget(1, Day(2), 7);
        assert_eq!(shared.forgotten_by_all(2, 6), None, "what it sent before may be missing in epoch 7");
        assert_eq!(shared.forgotten_by_all(2, 7), Some(Day(1)));
        shared.forget(0, Day(3), 9);
        assert_eq!(shared.forgotten_by_all(2, 8), Some(Day(1)));
        assert_eq!(shared.forgotten_by_all(2, 9), Some(Day(2)));
        shared.hear(1, (0, Day(3), [(2, [Some((Day(1), 9)), None])].into()));
        assert_eq!(shared.forgotten_by_all(3, 9), Some(Day(1)), "one of another process counts as well");
    }
}
