//! A run of the simulation: the threads of `freshet run`, in one process or in several that are a cluster, which take turns.
//! The processes of a cluster share nothing but what they tell each other, and live and die together.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dataflows::{DaysKept, MemberLimit, Model};
use freshet::batch::{Batch, Progress};
use freshet::clock::{Clock, Origin};
use freshet::engine::{Assignment, Engine, Outside, Peers, Settings};
use freshet::id_key::IdKey;
use freshet::metrics::Metrics;
use freshet::sink::Sink;
use freshet::source::Record;
use freshet::source::decode::Rules;
use freshet::source::offset_range::OffsetRange;

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
    members: Vec<Member>,
    clock: Arc<World>,
    pub running: Arc<Mutex<Running>>,
}

/// One process of a cluster, or the only one.
#[derive(Clone)]
struct Member {
    stop: Arc<AtomicBool>,
    origin: Origin,
}

/// What a process has become.
#[derive(Default)]
pub struct Running {
    /// One for each member, once the first partitions are read.
    pub engines: Vec<Engine>,
    /// The partitions that it reads.
    pub partitions: usize,
    /// How the writer's thread ended.
    pub outcome: Option<Result<()>>,
}

/// What a process is started with.
pub struct Start {
    pub number: usize,
    /// How far behind the clock of the first the clock of each other process of its cluster is, at first.
    pub skews: Vec<Duration>,
    /// Of each process.
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
        let now = shared.clock.now();
        let origins = [Duration::ZERO].iter().chain(&start.skews).map(|skew| Origin::new(now + *skew));
        let members: Vec<_> = origins.map(|origin| Member { stop: Arc::default(), origin }).collect();
        let writer = workers * members.len();
        let (baton, running) = (Arc::new(Baton::new(writer + 1)), Arc::<Mutex<Running>>::default());
        let actor = Actor { process: number, clock: shared.clock.clone(), baton: baton.clone(), number: writer };
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
        let life = Life {
            actor,
            settings,
            outside,
            shared: shared.clone(),
            members: members.clone(),
            running: running.clone(),
        };
        baton.admit([writer]);
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
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| baton.take_part(writer, body)));
            }
        })?;
        let Server { rewinds, late, .. } = *held(&shared.server);
        Ok(Process {
            number,
            baton,
            is_frozen: false,
            rewinds,
            late,
            is_beside,
            until_end,
            members,
            clock: shared.clock.clone(),
            running,
        })
    }

    /// How many processes its cluster has.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// Asks one of them to stop, which tells the others.
    pub fn stop(&self, member: usize) {
        self.members[member].stop.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.members.iter().any(|member| member.stop.load(Ordering::Relaxed))
    }

    /// What one of them has to say to another gets there.
    pub fn tell(&self, from: usize, to: usize) {
        let (running, now) = (held(&self.running), self.clock.now());
        if let (Some(teller), Some(listener)) = (running.engines.get(from), running.engines.get(to)) {
            listener.hear(from, teller.news());
        }
        if from == 0 {
            self.members[to].origin.follow(self.members[from].origin.elapsed(now), now);
        }
        if self.members[from].stop.load(Ordering::Relaxed) {
            self.stop(to);
        }
    }

    /// Also reads the next partition, if there is one more. True if so.
    pub fn assign_next(&self, log: &Mutex<Log>) -> Result<bool> {
        let mut running = held(&self.running);
        let next = running.partitions;
        if self.until_end || self.is_stopping() || running.engines.is_empty() || next >= held(log).partitions.len() {
            return Ok(false);
        }
        running.engines.iter().try_for_each(|engine| engine.assign(Assignment { progress: first(next), end: 0 }))?;
        running.partitions += 1;
        Ok(true)
    }

    /// How it ended, if it has: its writer failed, or all of it is done.
    pub fn ended(&self) -> Option<Result<()>> {
        let mut running = held(&self.running);
        let is_over = self.baton.running().is_empty();
        let Running { engines, outcome, .. } = &mut *running;
        match outcome.take() {
            Some(Ok(())) if is_over => {
                let mut wait = |engine: &mut Engine| engine.wait(&AtomicBool::new(false), || false, |_| Ok(()));
                Some(engines.iter_mut().try_for_each(&mut wait))
            }
            Some(Ok(())) => {
                *outcome = Some(Ok(()));
                None
            }
            outcome => outcome,
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
    let read_again = Arc::new(move |ranges: &[OffsetRange], each: &mut dyn FnMut(Record<'_>) -> Result<()>| {
        Reader::again(&log, ranges, each)
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
    members: Vec<Member>,
    running: Arc<Mutex<Running>>,
}

impl Life {
    fn live(self) -> Result<()> {
        let Life { actor, settings, outside, shared, members, running } = self;
        let (model, metrics) = (Model::builtin(), Metrics::new()?);
        let store = Tables { server: shared.server.clone(), actor: actor.clone(), model: model.clone() };
        let session = store.open()?;
        let mut sink = Sink::over(store, session, &model, Arc::new(actor.clone()), &metrics)?;
        let start = |peers, member: &Member, metrics: &Metrics| {
            Engine::start(&settings, &outside, &rules(shared.span), peers, metrics, member.stop.clone())
        };
        let mut peers = peers(&settings, &members, outside.clock.now()).into_iter();
        let owner = peers.next().context("there is no process")?;
        let (mut engine, batches, durable) = start(owner, &members[0], &metrics)?;
        let others = peers.zip(&members[1..]).map(|(peers, member)| Ok(start(peers, member, &Metrics::new()?)?.0));
        let mut others: Vec<_> = others.collect::<Result<_>>()?;
        let workers = 0..settings.workers * members.len();
        actor.baton.expect(workers.clone());
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
        for other in &mut others {
            other.begin(assignments.iter().copied(), [])?;
            // Nobody writes there.
            let _ = other.writer_result().send(Ok(()));
        }
        engine.begin(assignments, newest)?;
        let result = engine.writer_result();
        let engines = [engine].into_iter().chain(others).collect();
        *held(&running) = Running { engines, partitions: ends.len(), outcome: None };
        actor.baton.admit(workers);
        held(&shared.server).started.insert(actor.process);
        sink.write(|wait| next(&actor, &batches, wait), |epoch| durable.ack(epoch))?;
        // Nobody listens any more if a worker has failed.
        let _ = result.send(Ok(()));
        Ok(())
    }
}

/// How the workers of each process reach the others.
fn peers(settings: &Settings, members: &[Member], now: Instant) -> Vec<Peers> {
    if members.len() == 1 {
        return vec![Peers::none(now)];
    }
    let origins: Vec<_> = members.iter().map(|member| member.origin.clone()).collect();
    Peers::in_memory(settings.workers, &origins)
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
