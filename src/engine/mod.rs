//! The workers: each takes records from its partitions, combines them, and closes an epoch at every tick; the dataflow
//! turns closed epochs into changed rows, and holds each until it is durable.
//!
//! ```text
//! worker:   Ingest (poll ► decode ► combine) ─close─► Inputs ► reports ──┐
//!                                                └► side outputs ────────┴► durable (worker 0) ──Batch──► the sink
//!                                                                               ▲                          │
//!              probe: what lies before it is in Postgres ◄──────────────────────┴────── Durable::ack ◄─────┘
//! ```
//!
//! The only place where timely meets input and output. It knows neither SQL nor a report.

mod dataflow;
mod dedup;
mod durable;
mod epochs;
mod expiry;
mod ingest;
mod memory;
mod no_views_warning;
mod offsets;
mod open_epoch;
mod outside;
mod peers;
mod polls;
mod retract;
mod watchdog;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use bytesize::ByteSize;
use dataflows::{Day, DaysKept, Kept, Key, MemberLimit, Model, Row};

use crate::batch::{Batch, Forgetting, Progress};
use crate::metrics::Metrics;
use crate::source::{Source, decode::Rules};
use dedup::Clocks;
pub use durable::Durable;
pub(crate) use expiry::has_left;
use memory::Memory;
use no_views_warning::NoViewsWarning;
pub use outside::{Outside, ReadAgain, Scheduler};
pub use peers::{News, Peers, broken_connection};
use watchdog::Watchdog;
use worker::WorkerContext;

/// How the engine runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The number of timely workers of this process, a thread each; at least one.
    pub workers: usize,
    /// How many members of a report and day are counted by themselves.
    pub member_limit: MemberLimit,
    /// How many days are kept of reports that do not declare their own.
    pub retain: DaysKept,
    /// How long an epoch stays open while commits keep up.
    pub tick: Duration,
    /// Whether the payloads of rejected records are kept.
    pub keep_payload: bool,
    /// Whether an [`Amendment`] may come.
    pub is_amended: bool,
    /// Whether the run ends once every partition was read as far as its assignment says.
    pub until_end: bool,
    /// How long no epoch may close before the run is given up.
    pub stall_timeout: Duration,
    /// How much memory may be resident; none for the container's limit.
    pub memory_limit: Option<ByteSize>,
}

/// Bytes that a worker holds at most, of fetched records and as many of its open epoch; and no more than its share of
/// those of all workers.
const WORKER_BYTES_MAX: usize = 64 << 20;
const BYTES_MAX: usize = 256 << 20;

impl Settings {
    /// How much each worker may fetch ahead, and how much its open epoch may hold, in bytes.
    pub fn worker_bytes_max(&self) -> usize {
        WORKER_BYTES_MAX.min(BYTES_MAX / self.workers)
    }
}

/// A partition to read.
#[derive(Clone, Copy, Debug)]
pub struct Assignment {
    /// Where it stands.
    pub progress: Progress,
    /// Where the partition ended when the run started.
    pub end: i64,
}

/// A change to what the tables hold, for partitions that are not read. It becomes durable at once.
#[derive(Clone, Debug)]
pub struct Amendment {
    /// The change in each key's number of events.
    pub counts: Vec<(Key, i64)>,
    /// Where partitions stand after it.
    pub progress: Vec<Progress>,
    /// What is forgotten by it.
    pub forgetting: Forgetting,
}

/// An order of the main thread to a worker.
enum Order {
    Assign(Assignment),
    Amend(Amendment),
}

/// A running engine.
pub struct Engine {
    /// The workers of this process.
    workers: Vec<WorkerHandle>,
    /// Which of the processes this is, and how many there are.
    process: usize,
    processes: usize,
    results: Receiver<Result<()>>,
    result: Sender<Result<()>>,
    stop: Arc<AtomicBool>,
    /// How many epochs the workers have closed.
    closed: Arc<AtomicU64>,
    stall_timeout: Duration,
    model: Arc<Model>,
    member_limit: MemberLimit,
    memory: Memory,
    expiry: Arc<expiry::State>,
    clocks: Clocks,
    metrics: Metrics,
}

/// The main thread's ends of the channels to one worker.
struct WorkerHandle {
    orders: Sender<Order>,
    /// None once everything is seeded.
    seeds: Option<SyncSender<Seeds>>,
    /// Seeds not sent yet.
    chunk: Seeds,
}

/// Rows that the tables hold.
type Seeds = Vec<Row>;

/// Rows in a chunk of seeds, and chunks that may wait for a worker.
const SEED_CHUNK_ROWS: usize = 1 << 16;
const SEED_CHUNKS_MAX: usize = 2;

/// How long a stop may take until everything is durable.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// How often the main thread checks whether to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

impl Engine {
    /// Starts the workers. They wait for seeds, then read; closed epochs come as batches, to be acknowledged by the
    /// [`Durable`]. `stop` ends the run as soon as what was taken is durable.
    pub fn start(
        settings: &Settings,
        outside: &Outside<impl Source + 'static>,
        rules: &Rules,
        peers: Peers,
        metrics: &Metrics,
        stop: Arc<AtomicBool>,
    ) -> Result<(Engine, Receiver<Batch>, Durable)> {
        let (batches, received) = channel();
        let (durable, mut sink) = durable::channels(batches, metrics);
        let (result, results) = channel();
        let no_views = Arc::new(NoViewsWarning::new(rules.views.to_string()));
        let (process, processes) = (peers.process(), peers.processes());
        let (closed, expiry) = (Arc::new(AtomicU64::new(0)), Arc::new(expiry::State::new()));
        let (kept, clocks) = (Kept::new(&rules.model, settings.retain), Clocks::default());
        let (mut workers, mut contexts) = (Vec::new(), Vec::new());
        for _ in 0..settings.workers {
            let (orders, ordered) = channel();
            let (seeds, seeded) = sync_channel(SEED_CHUNKS_MAX);
            workers.push(WorkerHandle { orders, seeds: Some(seeds), chunk: Vec::new() });
            contexts.push(WorkerContext {
                settings: settings.clone(),
                outside: outside.clone(),
                rules: rules.clone(),
                no_views: no_views.clone(),
                stop: stop.clone(),
                closed: closed.clone(),
                clocks: clocks.clone(),
                kept: kept.clone(),
                expiry: expiry.clone(),
                metrics: metrics.clone(),
                // The first of all workers hands batches to the sink.
                sink: sink.take().filter(|_| process == 0),
                origin: peers.origin(),
                peers: settings.workers * processes,
                seeds: seeded,
                orders: ordered,
            });
        }
        peers.spawn(contexts, result.clone(), metrics)?;
        let Settings { stall_timeout, member_limit, memory_limit, .. } = *settings;
        let (memory, metrics) = (Memory::new(memory_limit), metrics.clone());
        let model = rules.model.clone();
        let engine = Engine {
            workers,
            process,
            processes,
            results,
            result,
            stop,
            closed,
            stall_timeout,
            model,
            member_limit,
            memory,
            expiry,
            clocks,
            metrics,
        };
        Ok((engine, received, durable))
    }

    /// Seeds the dataflow with a row of the tables. Derived rows are skipped.
    pub fn seed(&mut self, row: Row) -> Result<()> {
        if row.table(&self.model).is_some_and(|table| self.model.tables[table].is_derived(&self.model)) {
            return Ok(());
        }
        let workers = self.workers.len();
        // The dataflow routes what belongs to a worker of another process.
        let worker = dataflows::worker(&self.model, &row.key, workers * self.processes, self.member_limit) % workers;
        if self.workers[worker].seed(row)? {
            self.memory.look()?;
        }
        Ok(())
    }

    /// Ends the seeding, and begins to read these partitions; the tables have days up to the newest.
    pub fn begin(
        &mut self,
        assignments: impl IntoIterator<Item = Assignment>,
        newest: impl IntoIterator<Item = Day>,
    ) -> Result<()> {
        self.expiry.add(newest.into_iter().max());
        for assignment in assignments {
            self.assign(assignment)?;
        }
        for worker in &mut self.workers {
            worker.flush()?;
            worker.seeds = None;
        }
        Ok(())
    }

    /// Also reads this partition: here, if it belongs to a worker of this process. All processes are informed.
    pub fn assign(&self, assignment: Assignment) -> Result<()> {
        let (workers, partition) = (self.workers.len(), assignment.progress.partition);
        let is_read_here = self.is_read_here(partition);
        // Only the first process writes, so it tracks how far all of them are.
        if is_read_here || self.process == 0 {
            self.metrics.begin(&assignment.progress, assignment.end);
        }
        if !is_read_here {
            // Until its clock is known, nothing that it may need is forgotten.
            self.clocks.set(partition, assignment.progress.window.map_or(i64::MIN, |window| window.newest));
            return Ok(());
        }
        self.workers[partition as usize % workers].orders.send(Order::Assign(assignment)).map_err(|_| self.failure())
    }

    /// Whether a partition belongs to a worker of this process.
    fn is_read_here(&self, partition: i32) -> bool {
        let workers = self.workers.len();
        partition as usize % (workers * self.processes) / workers == self.process
    }

    /// What other processes have to know.
    pub fn news(&self) -> News {
        let (done, newest, forgotten) = self.expiry.news();
        News { done, newest, forgotten, clocks: self.clocks.some(|partition| self.is_read_here(partition)) }
    }

    /// The news of another process.
    pub fn hear(&self, process: usize, News { done, newest, forgotten, clocks }: News) {
        self.expiry.hear(process, (done, newest, forgotten));
        clocks.into_iter().for_each(|(partition, newest)| self.clocks.set(partition, newest));
    }

    /// Changes what the tables hold.
    pub fn amend(&self, amendment: Amendment) -> Result<()> {
        self.workers[0].orders.send(Order::Amend(amendment)).map_err(|_| self.failure())
    }

    /// A sender for the end of the thread that writes the batches: an error ends the run.
    pub fn writer_result(&self) -> Sender<Result<()>> {
        self.result.clone()
    }

    /// Waits until the workers and the writer are done, or the first of them fails; they are to end once `is_over` says so.
    /// Meanwhile calls `watch` every 100 ms. While `away` is set the sink cannot write, and nothing need become durable.
    pub fn wait(
        &mut self,
        away: &AtomicBool,
        is_over: impl Fn() -> bool,
        mut watch: impl FnMut(&Engine) -> Result<()>,
    ) -> Result<()> {
        let mut watchdog = Watchdog::new(self.stall_timeout, self.closed.clone());
        // The workers, their connections with other processes, and the writer.
        let (mut running, mut stopping, mut watched) = (self.workers.len() + 2, None, Instant::now());
        while running > 0 {
            match self.results.recv_timeout(self.memory.interval(POLL_INTERVAL)) {
                Ok(result) => result.map(|()| running -= 1)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("all workers exited without a result"),
            }
            if is_over() {
                self.stop.store(true, Ordering::Relaxed);
            }
            if self.stop.load(Ordering::Relaxed) {
                let since = *stopping.get_or_insert_with(Instant::now);
                if since.elapsed() > STOP_TIMEOUT {
                    bail!("the last records read were not committed within {} s", STOP_TIMEOUT.as_secs());
                }
                continue;
            }
            self.memory.look()?;
            if watched.elapsed() >= POLL_INTERVAL {
                watched = Instant::now();
                watchdog.look(away.load(Ordering::Relaxed))?;
                watch(self)?;
            }
        }
        Ok(())
    }

    /// The error that made a worker end.
    fn failure(&self) -> anyhow::Error {
        match self.results.try_recv() {
            Ok(Err(error)) => error,
            _ => anyhow!("a worker ended early"),
        }
    }
}

impl WorkerHandle {
    /// Returns whether a chunk was sent.
    fn seed(&mut self, row: Row) -> Result<bool> {
        self.chunk.push(row);
        let is_full = self.chunk.len() >= SEED_CHUNK_ROWS;
        if is_full { self.flush().map(|()| true) } else { Ok(false) }
    }

    fn flush(&mut self) -> Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        match &self.seeds {
            Some(seeds) => seeds.send(chunk).map_err(|_| anyhow!("a worker ended while it was seeded")),
            None => Ok(()),
        }
    }
}
