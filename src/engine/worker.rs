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
use super::dedup::{Clocks, Dedup};
use super::durable::SinkEnds;
use super::epochs::Epochs;
use super::outside::Outside;
use super::take::Taker;
use super::{Assignment, Seeds, Settings};
use crate::metrics::Metrics;
use crate::source::Source;
use crate::source::decode::Rules;

/// What a worker is given.
pub(super) struct Job<S> {
    pub settings: Settings,
    pub outside: Outside<S>,
    pub rules: Rules,
    pub census: Arc<Census>,
    pub stop: Arc<AtomicBool>,
    /// How many epochs all workers together have closed.
    pub closed: Arc<AtomicU64>,
    /// The same on all workers.
    pub clocks: Clocks,
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
pub(super) fn run<S: Source>(worker: &mut Worker, job: Job<S>) -> Result<()> {
    let (model, limit, span) = (&job.rules.model, job.settings.member_limit, job.rules.dedup);
    let (mut inputs, durable) = dataflow::build(worker, model, limit, span.is_some(), job.sink);
    let mut dedup = span.map(|span| Dedup::build(worker, span, job.clocks.clone()));
    let outside = job.outside;
    let mut step = |worker: &mut Worker, wait| outside.scheduler.step(worker, wait);
    seed(worker, &mut inputs, &durable, &job.seeds, &mut step);
    let (source, now) = ((outside.connect)()?, outside.now());
    let mut taker = Taker::new(source, job.rules, &job.settings, job.census, job.clocks, now);
    // All that is known at the start is here before the first look, so being done is no accident.
    while let Ok(assignment) = job.assignments.try_recv() {
        taker.assign(assignment)?;
    }
    if let Some(dedup) = &mut dedup {
        let mut piece = 0;
        taker.read_window(&*outside.read_again, |occurrences| {
            dedup.add(piece, occurrences.drain(..));
            piece += 1;
            dedup.advance_to(piece);
            // Nothing closes meanwhile, and all is well.
            job.closed.fetch_add(1, Ordering::Relaxed);
            step(worker, None);
            Ok(())
        })?;
    }
    let mut epochs = Epochs::new(job.started, job.settings.tick, outside.now());
    match &mut dedup {
        Some(dedup) => dedup.advance_to(epochs.open()),
        None => inputs.advance_to(epochs.open()),
    }
    loop {
        while let Ok(assignment) = job.assignments.try_recv() {
            taker.assign(assignment)?;
        }
        let mut is_settled = true;
        if let Some(dedup) = &mut dedup {
            let open = dedup.open().map_or(epochs.open(), |open| open.min(epochs.open()));
            taker.settle(open, &mut inputs, dedup, &*outside.read_again)?;
            inputs.advance_to(open);
            is_settled = open == epochs.open();
        }
        if job.stop.load(Ordering::Relaxed) || (job.settings.until_end && taker.is_done()) {
            break;
        }
        let more =
            if taker.is_full() || taker.awaits_copies() { taker.serve().map(|()| false)? } else { taker.take()? };
        let now = outside.now();
        taker.report(&job.metrics, now);
        let wait = epochs.left(now, || taker.is_far_behind());
        let may_close = is_settled && epochs.may_close(|epoch| !durable.less_equal(epoch));
        if (wait.is_zero() || taker.is_full()) && may_close {
            taker.close(epochs.open(), &mut inputs, dedup.as_mut(), now)?;
            epochs.close(now);
            match &mut dedup {
                Some(dedup) => dedup.advance_to(epochs.open()),
                None => inputs.advance_to(epochs.open()),
            }
            job.closed.fetch_add(1, Ordering::Relaxed);
            step(worker, None);
        } else if more {
            step(worker, None);
        } else {
            step(worker, Some(if wait.is_zero() { NAP } else { wait.min(NAP) }));
        }
    }
    taker.must_be_same_topic()?;
    if let Some(dedup) = &mut dedup {
        // What others take meanwhile may yet be better copies of what was taken here.
        let mut is_drained = false;
        while let Some(open) = dedup.open() {
            let before = if is_drained { open } else { open.min(epochs.open()) };
            taker.settle(before, &mut inputs, dedup, &*outside.read_again)?;
            inputs.advance_to(before);
            if !is_drained && before == epochs.open() {
                taker.drain(before, &mut inputs, Some(dedup));
                dedup.close();
                is_drained = true;
            }
            step(worker, Some(NAP));
        }
        taker.settle(Epoch::MAX, &mut inputs, dedup, &*outside.read_again)?;
    } else {
        taker.drain(epochs.open(), &mut inputs, None);
    }
    drop((inputs, dedup));
    while worker.has_dataflows() {
        step(worker, Some(NAP));
    }
    taker.end()
}

/// Puts what the tables hold into the dataflow, and waits until the rows that follow from it are right.
fn seed(
    worker: &mut Worker,
    inputs: &mut Inputs,
    durable: &Handle<Epoch>,
    seeds: &Receiver<Seeds>,
    step: &mut impl FnMut(&mut Worker, Option<Duration>),
) {
    for (epoch, chunk) in seeds.iter().enumerate() {
        for row in chunk {
            inputs.seed(row);
        }
        // Each is counted before the next is here, so that a large state never waits in the dataflow as a whole.
        inputs.advance_to(SEED.min(epoch as Epoch + 1));
        step(worker, None);
    }
    inputs.advance_to(SEED + 1);
    while durable.less_equal(&SEED) {
        step(worker, Some(NAP));
    }
}
