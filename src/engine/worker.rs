//! One worker's loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::Result;
use dataflows::{Epoch, SEED};
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;

use super::census::Census;
use super::dataflow::{self, Inputs};
use super::durable::SinkEnds;
use super::epochs::Epochs;
use super::take::Taker;
use super::{Assignment, Seeds, Settings};
use crate::metrics::Metrics;
use crate::source::decode::{Decoder, Rules};
use crate::source::{self, Consumer};

/// What a worker is given.
pub(super) struct Job {
    pub settings: Settings,
    pub kafka: source::Settings,
    pub rules: Rules,
    pub census: Arc<Census>,
    pub stop: Arc<AtomicBool>,
    /// How many epochs all workers together have closed.
    pub closed: Arc<AtomicU64>,
    pub metrics: Metrics,
    /// Worker 0's.
    pub sink: Option<SinkEnds>,
    /// The same on all workers.
    pub started: Instant,
    pub seeds: Receiver<Seeds>,
    pub assignments: Receiver<Assignment>,
}

/// The worker parks no longer than this, whatever it waits for.
const NAP: Duration = Duration::from_millis(50);

/// Seeds the dataflow, then takes records until told to stop or there is nothing more to read; returns when all
/// that any worker took is durable.
pub(super) fn run(worker: &mut Worker, job: Job) -> Result<()> {
    let (mut inputs, durable) = dataflow::build(worker, job.settings.member_limit, job.sink);
    seed(worker, &mut inputs, &durable, &job.seeds);
    let consumer = Consumer::new(&job.kafka)?;
    let (decoder, Settings { keep_payload, workers, .. }) = (Decoder::new(job.rules), &job.settings);
    let mut taker = Taker::new(consumer, decoder, *keep_payload, *workers, job.census);
    let mut epochs = Epochs::new(job.started, job.settings.tick);
    inputs.advance_to(epochs.open());
    loop {
        // All that is known at the start is here before the first look, so being done is no accident.
        while let Ok(assignment) = job.assignments.try_recv() {
            taker.assign(assignment)?;
        }
        if job.stop.load(Ordering::Relaxed) || (job.settings.until_end && taker.is_done()) {
            break;
        }
        let more = if taker.is_full() { taker.serve().map(|()| false)? } else { taker.take()? };
        taker.report(&job.metrics);
        let wait = epochs.left(|| taker.is_far_behind());
        if (wait.is_zero() || taker.is_full()) && epochs.may_close(|epoch| !durable.less_equal(epoch)) {
            taker.close(&mut inputs)?;
            inputs.advance_to(epochs.close());
            job.closed.fetch_add(1, Ordering::Relaxed);
            worker.step();
        } else if more {
            worker.step();
        } else {
            // The clock, a message of another worker or the writer's acknowledgement ends it.
            worker.step_or_park(Some(if wait.is_zero() { NAP } else { wait.min(NAP) }));
        }
    }
    taker.must_be_same_topic()?;
    taker.drain(&mut inputs);
    drop(inputs);
    while !durable.done() {
        worker.step_or_park(Some(NAP));
    }
    taker.end()
}

/// Puts what the tables hold into the dataflow, and waits until the rows that follow from it are right.
fn seed(worker: &mut Worker, inputs: &mut Inputs, durable: &Handle<Epoch>, seeds: &Receiver<Seeds>) {
    for (epoch, chunk) in seeds.iter().enumerate() {
        for row in chunk {
            inputs.seed(row);
        }
        // Each is counted before the next is here, so that a large state never waits in the dataflow as a whole.
        inputs.advance_to(SEED.min(epoch as Epoch + 1));
        worker.step();
    }
    inputs.advance_to(SEED + 1);
    while durable.less_equal(&SEED) {
        worker.step_or_park(Some(NAP));
    }
}
