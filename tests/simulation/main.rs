//! Schedules from a seed: the real workers and the real writer, on threads that take turns, between a topic in memory and a
//! model of Postgres.
//!
//! A seed decides how many workers and partitions there are, what is written when, which thread of which process runs next and
//! for how long, when the clock moves, what becomes of each COMMIT and its answer, when sessions end, when Postgres comes back
//! without its last commits, when a process dies, sleeps and wakes, and when another one takes over. After every commit the
//! tables must equal a plain recount of exactly the records that `progress` says are included, and a process that ends by itself
//! must have a reason to.

mod baton;
mod copies;
#[allow(dead_code, reason = "other tests use all of it")]
#[path = "../support/defaults.rs"]
mod defaults;
mod mutations;
#[path = "../../dataflows/tests/naive/mod.rs"]
mod naive;
mod process;
mod retention;
mod server;
#[path = "../support/soak.rs"]
mod soak;
mod store;
mod topic;
mod transaction;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use freshet::Failure;
use freshet::database::Outage;
use freshet::sink::Rewound;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use soak::is_soak;

use process::{Process, Shared, Start, World};
use server::Server;
use topic::{Log, held};

/// One run in so many has records, and products, by so many times more: what waits is then in more messages than timely keeps
/// in order when it takes them all at once.
const CROWDED: u32 = 40;
const CROWD: usize = 40;

/// In one run in so many days leave, as many before the newest being kept.
const RETAINING: u32 = 4;
const KEPT: i32 = 2;

/// One process in so many is a cluster.
const CLUSTERED: u32 = 3;

/// A run that takes more turns has stopped moving.
const TURNS_MAX: usize = 30_000;

/// So many processes live at once at most.
const PROCESSES_MAX: usize = 3;

/// How large a run may be. Smaller ones are easier to understand, so a failing seed is tried with these first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    workers: usize,
    partitions: usize,
    records: usize,
    /// Kills, sleeps, takeovers, restarts of Postgres.
    upheavals: usize,
    /// After so many turns everything is written, and no more upheavals come.
    turns: usize,
}

const LARGEST: Size = Size { workers: 4, partitions: 4, records: 120, upheavals: 5, turns: 600 };

/// In one of so many simulations copies are looked for.
const DEDUP: u64 = 3;

/// One run: a topic, a server, and the processes that live, beside or after each other.
struct Simulation {
    random: StdRng,
    size: Size,
    shared: Shared,
    processes: Vec<Process>,
    started: usize,
    to_write: usize,
    upheavals: usize,
    /// Until everything calms down.
    turns: usize,
    turned: usize,
}

impl Simulation {
    fn new(seed: u64, size: Size) -> Simulation {
        let mut random = StdRng::seed_from_u64(seed);
        let mut log = Log::default();
        log.partitions.resize_with(random.random_range(1..=size.partitions), Vec::new);
        let scale = if random.random_ratio(1, CROWDED) { CROWD } else { 1 };
        log.retain = random.random_ratio(1, RETAINING).then_some(KEPT);
        let to_write = random.random_range(0..=size.records) * scale;
        let log = Arc::new(Mutex::new(log));
        let server = Arc::new(Mutex::new(Server::new(random.random(), &log)));
        // With generators of its own, so that the other simulations stay as they were.
        let span = (seed.is_multiple_of(DEDUP) && scale == 1).then_some(copies::SPAN);
        held(&log).ids = span.map(|_| StdRng::seed_from_u64(seed));
        let shared = Shared { log, server, clock: Arc::new(World::new()), scale, span };
        let (upheavals, turns) = (random.random_range(0..=size.upheavals), random.random_range(0..=size.turns));
        Simulation { random, size, shared, processes: Vec::new(), started: 0, to_write, upheavals, turns, turned: 0 }
    }

    /// Gives what happened, or what went wrong.
    fn run(mut self) -> (String, Result<()>) {
        let outcome = self.live();
        self.processes.clear();
        let trace = std::mem::take(&mut held(&self.shared.server).trace);
        (trace, outcome)
    }

    fn live(&mut self) -> Result<()> {
        while self.turned < self.turns {
            if self.processes.is_empty() {
                self.start(false)?;
            }
            self.turn()?;
        }
        self.calm_down();
        while !self.processes.is_empty() {
            self.turn()?;
        }
        // What is left of those before may still end it once.
        loop {
            self.start(true)?;
            while !self.processes.is_empty() {
                self.turn()?;
            }
            let (server, log) = (held(&self.shared.server), held(&self.shared.log));
            let read = server.stored().progress.values().map(|progress| progress.next_offset as usize).sum::<usize>();
            let written = log.partitions.iter().map(Vec::len).sum::<usize>();
            if read == written && server.stored().owner.instance.is_none() {
                let left = server.stored().leaving(&log);
                ensure!(left.is_empty(), "there are days that should have left: {left:?}");
                return Ok(());
            }
        }
    }

    /// Nothing fails any more, everything is written, and those that live are asked to stop.
    fn calm_down(&mut self) {
        while self.to_write > 0 {
            self.write();
        }
        self.upheavals = 0;
        held(&self.shared.server).one_fails_in = 0;
        for process in &mut self.processes {
            process.is_frozen = false;
            process.stop(self.random.random_range(0..process.members()));
        }
    }

    fn tell(&self, what: std::fmt::Arguments<'_>) {
        held(&self.shared.server).tell(what);
    }

    fn start(&mut self, until_end: bool) -> Result<()> {
        let (number, all_workers) = (self.started, self.random.random_range(1..=self.size.workers));
        let members =
            if self.random.random_ratio(1, CLUSTERED) { self.random.random_range(1..=all_workers) } else { 1 };
        let workers = all_workers / members;
        let skews = (1..members).map(|_| Duration::from_millis(self.random.random_range(0..200))).collect();
        let is_beside = !self.processes.is_empty();
        self.processes.iter_mut().for_each(|process| process.is_beside = true);
        let start = Start { number, skews, workers, seed: self.random.random(), until_end, is_beside };
        self.tell(format_args!("process {number} starts with {members} times {workers} workers"));
        self.processes.push(Process::start(&start, &self.shared)?);
        self.started += 1;
        Ok(())
    }

    /// One thing happens.
    fn turn(&mut self) -> Result<()> {
        self.turned += 1;
        ensure!(self.turned < TURNS_MAX, "nothing moves: {} processes still live", self.processes.len());
        match self.random.random_range(0..100) {
            0..8 => self.write(),
            8..20 => {
                let most = if self.random.random_ratio(1, 10) { 3_000 } else { 60 };
                self.shared.clock.pass(Duration::from_millis(self.random.random_range(0..most)));
            }
            20..22 => self.processes.iter().filter(|process| !process.is_frozen).for_each(|process| {
                held(&self.shared.server).beat(process.number);
            }),
            22..24 => held(&self.shared.server).settle_one(),
            24 => self.add_partition()?,
            25 | 26 => self.upheave()?,
            27..31 => self.tell_members(),
            _ => self.let_work()?,
        }
        match held(&self.shared.server).wrong.take() {
            Some(wrong) => bail!(wrong),
            None => Ok(()),
        }
    }

    /// A process of a cluster hears of another.
    fn tell_members(&mut self) {
        for process in self.processes.iter().filter(|process| process.members() > 1 && !process.is_frozen) {
            let members = process.members();
            let (from, distance) = (self.random.random_range(0..members), self.random.random_range(1..members));
            process.tell(from, (from + distance) % members);
        }
    }

    /// A thread of a process gets a turn.
    fn let_work(&mut self) -> Result<()> {
        let awake: Vec<_> = (0..self.processes.len()).filter(|place| !self.processes[*place].is_frozen).collect();
        let Some(place) = awake.choose(&mut self.random).copied() else { return Ok(()) };
        let process = &self.processes[place];
        if let Some(thread) = process.baton.running().choose(&mut self.random) {
            let steps = self.random.random_range(1..=8);
            self.tell(format_args!("turn {}.{thread}: {steps}", process.number));
            process.baton.turn(*thread, steps);
        }
        match self.processes[place].ended() {
            Some(outcome) => self.end(place, outcome),
            None => Ok(()),
        }
    }

    /// A process has ended by itself.
    fn end(&mut self, place: usize, outcome: Result<()>) -> Result<()> {
        let process = self.processes.remove(place);
        let mut server = held(&self.shared.server);
        server.dead.insert(process.number);
        let Err(error) = outcome else {
            server.tell(format_args!("process {} is done", process.number));
            return Ok(());
        };
        // The names of instances are random.
        let named = |text: String, (name, number): (&String, &usize)| text.replace(name, &format!("process {number}"));
        let said = server.instances.iter().fold(error.to_string(), named);
        server.tell(format_args!("process {}: {said}", process.number));
        let is_rewound = server.rewinds > process.rewinds;
        let is_deposed = server.deposed.contains(&process.number);
        let is_running = !held(&process.running).engines.is_empty();
        let is_right = match error.downcast_ref() {
            Some(Failure::OwnedByAnother(_)) => process.is_beside || server.late > process.late || is_rewound,
            Some(Failure::OwnershipLost(_)) => is_deposed,
            None if error.is::<Rewound>() => is_rewound,
            None if error.is::<Outage>() => !is_running,
            // Asked once more why, the server was away.
            None => (is_rewound || is_deposed) && server.failed_last == Some(process.number),
            _ => false,
        };
        ensure!(is_right, "process {} ended without a reason: {error:#}", process.number);
        Ok(())
    }

    fn kill(&mut self, place: usize) {
        let process = self.processes.remove(place);
        held(&self.shared.server).dead.insert(process.number);
        self.tell(format_args!("process {} is killed", process.number));
    }

    fn upheave(&mut self) -> Result<()> {
        if self.upheavals == 0 {
            return Ok(());
        }
        self.upheavals -= 1;
        let place = (!self.processes.is_empty()).then(|| self.random.random_range(0..self.processes.len()));
        match (self.random.random_range(0..6), place) {
            (0 | 1, Some(place)) => self.kill(place),
            (2, Some(place)) => {
                let process = &mut self.processes[place];
                process.is_frozen = !process.is_frozen;
                let (number, is_frozen) = (process.number, process.is_frozen);
                self.tell(format_args!("process {number} sleeps: {is_frozen}"));
            }
            (3, _) if self.processes.len() < PROCESSES_MAX => self.start(false)?,
            (kind, _) => held(&self.shared.server).restart(kind != 4),
        }
        Ok(())
    }

    fn write(&mut self) {
        let scale = self.shared.scale;
        let records = self.random.random_range(1..=6 * scale).min(self.to_write);
        self.to_write -= records;
        for _ in 0..records {
            held(&self.shared.log).write(&mut self.random, scale);
        }
    }

    /// The topic has one more, or a process learns of one.
    fn add_partition(&mut self) -> Result<()> {
        // What a new partition's events may be copies of is forgotten; it is said, and not compared.
        if self.shared.span.is_some() {
            return Ok(());
        }
        let mut is_new = false;
        for process in self.processes.iter().filter(|process| !process.is_frozen) {
            is_new |= process.assign_next(&self.shared.log)?;
        }
        let mut log = held(&self.shared.log);
        if !is_new && log.partitions.len() < self.size.partitions && self.to_write > 0 {
            log.partitions.push(Vec::new());
            self.tell(format_args!("a partition is new"));
        }
        Ok(())
    }
}

/// What happened under a seed, and what went wrong.
fn simulate(seed: u64, size: Size) -> (String, Option<String>) {
    let outcome = catch_unwind(AssertUnwindSafe(|| Simulation::new(seed, size).run()));
    match outcome {
        Ok((trace, outcome)) => (trace, outcome.err().map(|error| format!("{error:#}"))),
        Err(panic) => (String::new(), Some(baton::text(panic.as_ref()))),
    }
}

/// Repeats one seed; how many there are instead of the usual number.
const SEED: &str = "FRESHET_SIMULATION_SEED";
const SEEDS: &str = "FRESHET_SIMULATION_SEEDS";

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Smaller runs in which a seed fails too: one thing less at a time, as long as that can be.
fn shrink(seed: u64) -> Size {
    let mut smallest = LARGEST;
    loop {
        let Size { workers, partitions, records, upheavals, turns } = smallest;
        let smaller = [
            Size { upheavals: upheavals.saturating_sub(1), ..smallest },
            Size { workers: (workers - 1).max(1), ..smallest },
            Size { partitions: (partitions - 1).max(1), ..smallest },
            Size { records: records / 2, ..smallest },
            Size { records: records - records / 8, ..smallest },
            Size { turns: turns / 2, ..smallest },
            Size { turns: turns - turns / 8, ..smallest },
        ];
        let fails = |size: &Size| *size != smallest && simulate(seed, *size).1.is_some();
        match smaller.into_iter().find(fails) {
            Some(size) => smallest = size,
            None => return smallest,
        }
    }
}

/// How many seeds are tried where nobody says, and for how long at most.
const USUAL: u64 = 5_000;
const USUAL_TIME: Duration = Duration::from_secs(45);
/// About a day on two cores.
const SOAK: u64 = 10_000_000;
/// So many seeds are a line in between.
const TOLD_EVERY: u64 = 1_000;

/// Tries seeds from the first on, but for no longer than this. Gives how many were tried, and the least that fails.
fn search(first: u64, seeds: u64, within: Duration) -> (u64, Option<u64>) {
    let begun = Instant::now();
    let (next, tried, failed) = (AtomicU64::new(first), AtomicU64::new(0), AtomicU64::new(u64::MAX));
    // The machine's cores each have a simulation: in each only one thread ever runs.
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while begun.elapsed() < within {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds || failed.load(Ordering::Relaxed) < seed {
                        break;
                    }
                    if simulate(seed, LARGEST).1.is_some() {
                        failed.fetch_min(seed, Ordering::Relaxed);
                    }
                    let tried = tried.fetch_add(1, Ordering::Relaxed) + 1;
                    if tried.is_multiple_of(TOLD_EVERY) {
                        println!("{tried} seeds after {:.0} s", begun.elapsed().as_secs_f64());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    (tried.into_inner(), (failed != u64::MAX).then_some(failed))
}

#[test]
fn tables_are_right_under_any_schedule() {
    let (first, seeds, within) = match (number(SEED), number(SEEDS)) {
        (Some(seed), _) => {
            println!("{}", simulate(seed, LARGEST).0);
            (seed, 1, Duration::MAX)
        }
        (None, Some(seeds)) => (0, seeds, Duration::MAX),
        (None, None) if is_soak() => (0, SOAK, Duration::MAX),
        (None, None) => (0, USUAL, USUAL_TIME),
    };
    let begun = Instant::now();
    let (tried, failed) = search(first, seeds, within);
    if let Some(failed) = failed {
        let size = shrink(failed);
        let (trace, wrong) = simulate(failed, size);
        println!("{trace}");
        panic!("{size:?}: {}\nrepeat it with {SEED}={failed} cargo test --test simulation", wrong.unwrap_or_default());
    }
    println!("{tried} seeds in {:.1} s", begun.elapsed().as_secs_f64());
}

#[test]
fn a_seed_repeats_its_run() {
    for seed in 0..20 {
        assert_eq!(simulate(seed, LARGEST), simulate(seed, LARGEST), "seed {seed}");
    }
}
