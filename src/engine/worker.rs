//! One worker's loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::Result;
use dataflows::{Epoch, Kept, SEED};
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;

use super::dataflow::{self, Inputs};
use super::dedup::{Clocks, Dedup};
use super::durable::SinkEnds;
use super::epochs::Epochs;
use super::expiry::{self, Leaving};
use super::ingest::Taker;
use super::no_views_warning::Census;
use super::outside::Outside;
use super::{Order, Seeds, Settings};
use crate::clock::Origin;
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
    pub kept: Kept,
    pub leaving: Arc<expiry::Shared>,
    pub metrics: Metrics,
    /// Worker 0's.
    pub sink: Option<SinkEnds>,
    /// The same on all workers.
    pub origin: Origin,
    /// How many workers there are, of all processes.
    pub peers: usize,
    pub seeds: Receiver<Seeds>,
    pub orders: Receiver<Order>,
}

/// The worker parks no longer than this, whatever it waits for.
const NAP: Duration = Duration::from_millis(50);

/// Seeds the dataflow, then takes records until told to stop or there is nothing more to read; returns when all
/// that any worker took is durable.
pub(super) fn run<S: Source>(worker: &mut Worker, job: Job<S>) -> Result<()> {
    let Settings { member_limit, tick, is_amended, .. } = job.settings;
    let (model, span, longest) = (&job.rules.model, job.rules.dedup, job.kept.longest());
    let (mut inputs, durable, retention) =
        dataflow::build(worker, model, member_limit, job.kept, span.is_some() || is_amended, job.sink);
    let mut leaving = retention.map(|retention| Leaving::new(retention, job.leaving, worker.index(), job.peers));
    let dedup = span.map(|span| Dedup::build(worker, span, job.clocks.clone()));
    let outside = job.outside;
    let mut step = |worker: &mut Worker, wait| outside.scheduler.step(worker, wait);
    seed(worker, &mut inputs, &durable, &job.seeds, &mut step);
    let (source, inputs) = ((outside.connect)()?, (inputs, dedup, job.clocks));
    let mut taker = Taker::new(source, job.rules, &job.settings, longest, job.census, inputs, outside.now());
    // All that is known at the start is here before the first look, so being done is no accident.
    while let Ok(order) = job.orders.try_recv() {
        taker.follow(order)?;
    }
    taker.read_window(&*outside.read_again, || {
        // Nothing closes meanwhile, and all is well.
        job.closed.fetch_add(1, Ordering::Relaxed);
        step(worker, None);
        !job.stop.load(Ordering::Relaxed)
    })?;
    let mut epochs = Epochs::new(job.origin, tick, outside.now());
    taker.open(epochs.open());
    loop {
        while let Ok(order) = job.orders.try_recv() {
            taker.follow(order)?;
        }
        let is_settled = taker.settle(epochs.open(), &*outside.read_again)?;
        let is_over = || taker.is_done() && leaving.as_ref().is_none_or(Leaving::is_over);
        if job.stop.load(Ordering::Relaxed) || (job.settings.until_end && is_over()) {
            break;
        }
        let is_held = taker.is_full() || taker.awaits_copies();
        let more = if is_held { taker.serve().map(|()| false)? } else { taker.take()? };
        let now = outside.now();
        taker.report(&job.metrics, now);
        let wait = epochs.left(now, || taker.is_far_behind());
        let may_close = is_settled && epochs.may_close(|epoch| !durable.less_equal(epoch));
        if (wait.is_zero() || taker.is_full()) && may_close {
            let keys = taker.close(epochs.open(), now)?;
            if let Some(leaving) = &mut leaving {
                leaving.close(epochs.open(), &mut taker, keys, &durable);
            }
            taker.open(epochs.close(now));
            job.closed.fetch_add(1, Ordering::Relaxed);
            step(worker, None);
        } else if more {
            step(worker, None);
        } else {
            step(worker, Some(if wait.is_zero() { NAP } else { wait.min(NAP) }));
        }
    }
    taker.must_be_same_topic()?;
    taker.finish(epochs.open(), &*outside.read_again, || step(worker, Some(NAP)))?;
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
