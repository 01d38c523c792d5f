//! A process of the simulation: the threads of `freshet run`, which take turns.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use dataflows::{DaysKept, MemberLimit, Model};
use freshet::batch::{Batch, Progress};
use freshet::clock::Clock;
use freshet::engine::{Assignment, Engine, Outside, Peers, Settings};
use freshet::metrics::Metrics;
use freshet::sink::Sink;
use freshet::source::Record;
use freshet::source::decode::{IdKey, Rules};
use freshet::source::stretch::Stretch;

use super::baton::Baton;
use super::server::{Server, Tables};
use super::topic::{Log, Reader, held};
use crate::defaults;

/// Time that moves only when the simulation says so.
pub struct World {
    start: Instant,
    passed: AtomicU64,
}

impl World {
    pub fn new() -> World {
        World { start: Instant::now(), passed: AtomicU64::new(0) }
    }

    pub fn pass(&self, time: Duration) {
        self.passed.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    pub fn now(&self) -> Instant {
        self.start + Duration::from_nanos(self.passed.load(Ordering::Relaxed))
    }
}

/// The thread of a process that starts it, and writes.
#[derive(Clone)]
pub struct Actor {
    pub process: usize,
    pub clock: Arc<World>,
    baton: Arc<Baton>,
    number: usize,
}

impl Actor {
    /// Lets others do something.
    pub fn pause(&self) {
        self.baton.pause(self.number);
    }
}

/// The clock as this thread has it: while it sleeps, others work.
impl Clock for Actor {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn sleep(&self, time: Duration) {
        let until = self.now() + time;
        while self.now() < until {
            self.pause();
        }
    }
}

/// What all processes share.
#[derive(Clone)]
pub struct Shared {
    pub log: Arc<Mutex<Log>>,
    pub server: Arc<Mutex<Server>>,
    pub clock: Arc<World>,
    /// So many times more of everything.
    pub scale: usize,
    /// How far apart copies are, if they are looked for.
    pub span: Option<Duration>,
}

/// A process that lives.
pub struct Process {
    pub number: usize,
    pub baton: Arc<Baton>,
    /// Nothing of it is given a turn.
    pub is_frozen: bool,
    /// How often commits were lost, and happened late, before it.
    pub rewinds: usize,
    pub late: usize,
    /// Whether another has lived beside it.
    pub is_beside: bool,
    /// It ends once everything is read, and learns of no more partitions.
    until_end: bool,
    pub stop: Arc<AtomicBool>,
    pub running: Arc<Mutex<Running>>,
}

/// What a process has become.
#[derive(Default)]
pub struct Running {
    pub engine: Option<Engine>,
    /// The partitions that it reads.
    pub partitions: usize,
    /// How the writer's thread ended.
    pub outcome: Option<Result<()>>,
}

/// What a process is started with.
pub struct Start {
    pub number: usize,
    pub workers: usize,
    /// Of the readers.
    pub seed: u64,
    pub until_end: bool,
    pub is_beside: bool,
}

impl Process {
    /// Its threads wait for their first turn.
    pub fn start(start: &Start, shared: &Shared) -> Result<Process> {
        let Start { number, workers, until_end, is_beside, .. } = *start;
        let baton = Arc::new(Baton::new(workers + 1));
        let (stop, running) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Running>>::default());
        let actor = Actor { process: number, clock: shared.clock.clone(), baton: baton.clone(), number: workers };
        let settings = Settings {
            workers,
            member_limit: MemberLimit::default(),
            retain: held(&shared.log).retain.map_or(DaysKept::All, |days| DaysKept::Days(days as u32)),
            tick: Duration::from_millis(25),
            keep_payload: false,
            is_amended: false,
            until_end,
            stall_timeout: Duration::MAX,
            memory_limit: None,
        };
        let outside = outside(start, shared, &baton);
        let life =
            Life { actor, settings, outside, shared: shared.clone(), stop: stop.clone(), running: running.clone() };
        baton.admit([workers]);
        thread::Builder::new().spawn({
            let baton = baton.clone();
            move || {
                let mut life = Some(life);
                let body = &mut || {
                    if let Some(life) = life.take() {
                        let running = life.running.clone();
                        let outcome = life.live();
                        held(&running).outcome = Some(outcome);
                    }
                };
                // Its end, of whatever kind, is in the baton.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| baton.take_part(workers, body)));
            }
        })?;
        let Server { rewinds, late, .. } = *held(&shared.server);
        Ok(Process { number, baton, is_frozen: false, rewinds, late, is_beside, until_end, stop, running })
    }

    /// Also reads the next partition, if there is one more. True if so.
    pub fn assign_next(&self, log: &Mutex<Log>) -> Result<bool> {
        let mut running = held(&self.running);
        if self.until_end || self.stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let next = running.partitions;
        let Some(engine) = running.engine.as_ref().filter(|_| next < held(log).partitions.len()) else {
            return Ok(false);
        };
        engine.assign(Assignment { progress: first(next), end: 0 })?;
        running.partitions += 1;
        Ok(true)
    }

    /// How it ended, if it has: its writer failed, or all of it is done.
    pub fn ended(&self) -> Option<Result<()>> {
        let mut running = held(&self.running);
        let is_over = self.baton.running().is_empty();
        let Running { engine, outcome, .. } = &mut *running;
        match (outcome.take(), engine) {
            (Some(Ok(())), Some(engine)) if is_over => Some(engine.wait(&AtomicBool::new(false), || false, |_| Ok(()))),
            (Some(Ok(())), Some(_)) => {
                *outcome = Some(Ok(()));
                None
            }
            (outcome, _) => outcome,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.baton.kill();
    }
}

/// The default ones, with copies looked for in this span.
fn rules(span: Option<Duration>) -> Rules {
    Rules { dedup: span, ids: span.map(|_| IdKey::new([7; 16])), ..defaults::rules() }
}

fn first(partition: usize) -> Progress {
    Progress { partition: partition as i32, ..Progress::default() }
}

fn outside(start: &Start, shared: &Shared, baton: &Arc<Baton>) -> Outside<Reader> {
    let (shared, seed, log) = (shared.clone(), AtomicU64::new(start.seed), shared.log.clone());
    let clock = Arc::new(Timeless(shared.clock.clone()));
    let connect = Arc::new(move || Ok(Reader::new(&shared, seed.fetch_add(1, Ordering::Relaxed))));
    let read_again = Arc::new(move |stretches: &[Stretch], each: &mut dyn FnMut(Record<'_>) -> Result<()>| {
        Reader::again(&log, stretches, each)
    });
    Outside { connect, read_again, clock, scheduler: baton.clone() }
}

/// The clock as workers have it, who never sleep.
struct Timeless(Arc<World>);

impl Clock for Timeless {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep(&self, _: Duration) {}
}

/// What the thread does that starts the process, and writes: as `freshet run`.
struct Life {
    actor: Actor,
    settings: Settings,
    outside: Outside<Reader>,
    shared: Shared,
    stop: Arc<AtomicBool>,
    running: Arc<Mutex<Running>>,
}

impl Life {
    fn live(self) -> Result<()> {
        let Life { actor, settings, outside, shared, stop, running } = self;
        let (model, metrics) = (Model::builtin(), Metrics::new()?);
        let store = Tables { server: shared.server.clone(), actor: actor.clone(), model: model.clone() };
        let session = store.open()?;
        let peers = Peers::none(outside.clock.now());
        let mut sink = Sink::over(store, session, &model, Arc::new(actor.clone()), &metrics)?;
        let (mut engine, batches, durable) =
            Engine::start(&settings, &outside, &rules(shared.span), peers, &metrics, stop)?;
        actor.baton.expect(0..settings.workers);
        sink.load(|row| engine.seed(row))?;
        let ends: Vec<_> = held(&shared.log).partitions.iter().map(Vec::len).collect();
        let at = |partition: usize| sink.progress().get(&(partition as i32)).copied();
        let new: Vec<_> = (0..ends.len()).filter(|partition| at(*partition).is_none()).map(first).collect();
        let assignments: Vec<_> = ends
            .iter()
            .enumerate()
            .map(|(partition, end)| Assignment {
                progress: at(partition).unwrap_or_else(|| first(partition)),
                end: *end as i64,
            })
            .collect();
        sink.begin(&new, &[], &Default::default())?;
        let newest = sink.progress().values().filter_map(|progress| progress.newest_day);
        engine.begin(assignments, newest)?;
        let result = engine.writer_result();
        *held(&running) = Running { engine: Some(engine), partitions: ends.len(), outcome: None };
        actor.baton.admit(0..settings.workers);
        held(&shared.server).started.insert(actor.process);
        sink.write(|wait| next(&actor, &batches, wait), |epoch| durable.reached(epoch))?;
        // Nobody listens any more if a worker has failed.
        let _ = result.send(Ok(()));
        Ok(())
    }
}

/// The next batch, if it comes in time.
fn next(actor: &Actor, batches: &Receiver<Batch>, wait: Duration) -> Result<Batch, RecvTimeoutError> {
    let until = actor.now() + wait;
    loop {
        match batches.try_recv() {
            Ok(batch) => return Ok(batch),
            Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) if actor.now() >= until => return Err(RecvTimeoutError::Timeout),
            Err(TryRecvError::Empty) => actor.pause(),
        }
    }
}
