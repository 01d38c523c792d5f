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
use super::durable::SinkChannels;
use super::epochs::Epochs;
use super::expiry::{self, Expiry};
use super::ingest::Ingest;
use super::no_views_warning::NoViewsWarning;
use super::outside::Outside;
use super::polls::Remaining;
use super::{Order, Seeds, Settings, memory};
use crate::clock::Origin;
use crate::metrics::Metrics;
use crate::source::Source;
use crate::source::decode::Rules;

/// What a worker is given.
pub(super) struct WorkerContext<S> {
    pub settings: Settings,
    pub outside: Outside<S>,
    pub rules: Rules,
    pub no_views: Arc<NoViewsWarning>,
    pub stop: Arc<AtomicBool>,
    /// How many epochs all workers together have closed.
    pub closed: Arc<AtomicU64>,
    /// The same on all workers.
    pub clocks: Clocks,
    pub kept: Kept,
    pub expiry: Arc<expiry::State>,
    pub metrics: Metrics,
    /// Worker 0's.
    pub sink: Option<SinkChannels>,
    /// The same on all workers.
    pub origin: Origin,
    /// How many workers there are, of all processes.
    pub peers: usize,
    pub seeds: Receiver<Seeds>,
    pub orders: Receiver<Order>,
}

/// The worker parks no longer than this, whatever it waits for.
const PARK_MAX: Duration = Duration::from_millis(50);

/// Seeds the dataflow, then takes records until told to stop or there is nothing more to read; returns when all
/// that any worker took is durable.
pub(super) fn run<S: Source>(worker: &mut Worker, context: WorkerContext<S>) -> Result<()> {
    let Settings { member_limit, tick, is_amended, .. } = context.settings;
    let (model, span, longest) = (&context.rules.model, context.rules.dedup, context.kept.longest());
    let (mut inputs, durable, retention) =
        dataflow::build(worker, model, member_limit, context.kept, span.is_some() || is_amended, context.sink);
    let mut expiry = retention.map(|retention| Expiry::new(retention, context.expiry, worker.index(), context.peers));
    let dedup = span.map(|span| Dedup::build(worker, span, context.clocks.clone()));
    let outside = context.outside;
    let mut step = |worker: &mut Worker, wait| outside.scheduler.step(worker, wait);
    seed(worker, &mut inputs, &durable, &context.seeds, &mut step);
    if worker.index() == 0 {
        memory::return_freed();
    }
    let (source, inputs) = ((outside.connect)()?, (inputs, dedup, context.clocks));
    let mut ingest =
        Ingest::new(source, context.rules, &context.settings, longest, context.no_views, inputs, outside.now());
    // All orders of the start are here before the first look, so being done is not a race.
    while let Ok(order) = context.orders.try_recv() {
        ingest.follow(order)?;
    }
    ingest.read_window(&*outside.read_again, || {
        // No epoch closes meanwhile: the watchdog must not take that for a stall.
        context.closed.fetch_add(1, Ordering::Relaxed);
        step(worker, None);
        !context.stop.load(Ordering::Relaxed)
    })?;
    let mut epochs = Epochs::new(context.origin, tick, outside.now());
    ingest.open(epochs.open());
    loop {
        while let Ok(order) = context.orders.try_recv() {
            ingest.follow(order)?;
        }
        let is_settled = ingest.settle(epochs.open(), &*outside.read_again)?;
        let is_over = || ingest.is_done() && expiry.as_ref().is_none_or(Expiry::is_over);
        if context.stop.load(Ordering::Relaxed) || (context.settings.until_end && is_over()) {
            break;
        }
        let now = outside.now();
        ingest.report(&context.metrics, now);
        let left = epochs.left(now, || ingest.is_far_behind());
        let remaining = ingest.take(left, now)?;
        let may_close = is_settled && epochs.may_close(|epoch| !durable.less_equal(epoch));
        let now = outside.now();
        if may_close && (ingest.is_full() || ingest.polls.may_close(left, now)) {
            let keys = ingest.close(epochs.open(), now)?;
            if let Some(expiry) = &mut expiry {
                expiry.close(epochs.open(), &mut ingest, keys, &durable);
            }
            ingest.open(epochs.close(now));
            context.closed.fetch_add(1, Ordering::Relaxed);
            step(worker, None);
        } else if remaining == Remaining::AtHand {
            step(worker, None);
        } else {
            let wait = if left.is_zero() { PARK_MAX } else { left.min(PARK_MAX) };
            step(worker, Some(if ingest.is_held() { wait } else { wait.min(ingest.polls.rest(left, now)) }));
        }
    }
    ingest.must_be_same_topic()?;
    ingest.finish(epochs.open(), &*outside.read_again, || step(worker, Some(PARK_MAX)))?;
    while worker.has_dataflows() {
        step(worker, Some(PARK_MAX));
    }
    ingest.end()
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
        // Each chunk is counted before the next comes, so that a large state never waits in the dataflow as a whole.
        inputs.advance_to(SEED.min(epoch as Epoch + 1));
        step(worker, None);
    }
    inputs.advance_to(SEED + 1);
    while durable.less_equal(&SEED) {
        step(worker, Some(PARK_MAX));
    }
}
