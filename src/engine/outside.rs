//! What the workers need from outside: records, the time, and turns on their threads. A run has Kafka, the system's clock and
//! threads that park; the simulation decides about all three.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use timely::worker::Worker;

use crate::clock::{Clock, SystemClock};
use crate::source::offset_range::{self, OffsetRange};
use crate::source::{self, Consumer, Record, Source};

/// Decides which worker runs when.
pub trait Scheduler: Send + Sync {
    /// All that happens on the thread of a worker.
    fn run(&self, worker: usize, body: &mut dyn FnMut());

    /// Lets timely work for a while. If there is nothing to do the thread may wait this long; a message of another
    /// worker or the writer's acknowledgement ends that.
    fn step(&self, worker: &mut Worker, wait: Option<Duration>);
}

/// Reads the records of ranges, each of another partition.
pub type ReadAgain = dyn Fn(&[OffsetRange], &mut dyn FnMut(Record<'_>) -> Result<()>) -> Result<()> + Send + Sync;

/// All that the workers need from outside.
pub struct Outside<S> {
    /// The source of a worker's records, made on its thread.
    pub connect: Arc<dyn Fn() -> Result<S> + Send + Sync>,
    /// Reads records again that were taken before, for a worker on whose thread it is called.
    pub read_again: Arc<ReadAgain>,
    /// The same for all workers.
    pub clock: Arc<dyn Clock>,
    /// The same for all workers.
    pub scheduler: Arc<dyn Scheduler>,
}

impl<S> Clone for Outside<S> {
    fn clone(&self) -> Self {
        let Outside { connect, read_again, clock, scheduler } = self;
        let (connect, read_again) = (connect.clone(), read_again.clone());
        Outside { connect, read_again, clock: clock.clone(), scheduler: scheduler.clone() }
    }
}

impl Outside<Consumer> {
    /// Kafka, the system's clock, and the system's threads.
    pub fn real(kafka: source::Settings) -> Self {
        let again = kafka.clone();
        Outside {
            connect: Arc::new(move || Consumer::new(&kafka)),
            read_again: Arc::new(move |ranges, each| offset_range::read(&again, ranges, each)),
            clock: Arc::new(SystemClock),
            scheduler: Arc::new(Threads),
        }
    }
}

impl<S: Source> Outside<S> {
    /// Now.
    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }
}

/// The system's threads, which all work at once.
struct Threads;

impl Scheduler for Threads {
    fn run(&self, _worker: usize, body: &mut dyn FnMut()) {
        body();
    }

    fn step(&self, worker: &mut Worker, wait: Option<Duration>) {
        match wait {
            Some(wait) => worker.step_or_park(Some(wait)),
            None => worker.step(),
        };
    }
}
