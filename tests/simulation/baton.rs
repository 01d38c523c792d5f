//! Workers that take turns: each has its thread, and only the one that holds the baton runs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use freshet::engine::Scheduler;
use timely::worker::Worker;

/// Who may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Simulation,
    Worker(usize),
}

#[derive(Debug)]
struct State {
    holder: Holder,
    /// Workers whose threads have ended.
    ended: Vec<bool>,
    is_killed: bool,
    /// What a worker panicked with.
    panic: Option<String>,
}

/// The baton of the workers of one process.
pub struct Baton {
    state: Mutex<State>,
    /// One for each worker, and one for the simulation.
    passed: Vec<Condvar>,
}

/// What a worker's thread unwinds with when its process is killed.
struct Killed;

impl Baton {
    /// The simulation holds it.
    pub fn new(workers: usize) -> Baton {
        let state = State { holder: Holder::Simulation, ended: vec![false; workers], is_killed: false, panic: None };
        Baton { state: Mutex::new(state), passed: (0..=workers).map(|_| Condvar::new()).collect() }
    }

    /// The workers that still run.
    pub fn running(&self) -> Vec<usize> {
        let state = self.held();
        (0..state.ended.len()).filter(|worker| !state.ended[*worker]).collect()
    }

    /// Lets a worker run until it gives the baton back. Panics if the worker did.
    pub fn turn(&self, worker: usize) {
        let mut state = self.held();
        state.holder = Holder::Worker(worker);
        self.passed[worker].notify_one();
        let simulation = self.passed.len() - 1;
        while state.holder != Holder::Simulation {
            state = self.passed[simulation].wait(state).expect("no panic while the baton is passed");
        }
        let panic = state.panic.take();
        drop(state);
        if let Some(message) = panic {
            panic!("worker {worker}: {message}");
        }
    }

    /// Ends all workers where they are, as `kill -9` does.
    pub fn kill(&self) {
        self.held().is_killed = true;
        self.running().into_iter().for_each(|worker| self.turn(worker));
    }

    fn held(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while the baton is passed")
    }

    fn give_back(&self, state: &mut State) {
        state.holder = Holder::Simulation;
        self.passed[self.passed.len() - 1].notify_one();
    }

    /// True if the process lives on.
    fn await_turn(&self, mut state: MutexGuard<'_, State>, worker: usize) -> bool {
        while state.holder != Holder::Worker(worker) {
            state = self.passed[worker].wait(state).expect("no panic while the baton is passed");
        }
        !state.is_killed
    }
}

impl Scheduler for Baton {
    fn run(&self, worker: usize, body: &mut dyn FnMut()) {
        let lives = self.await_turn(self.held(), worker);
        let outcome = if lives { catch_unwind(AssertUnwindSafe(body)) } else { Ok(()) };
        let mut state = self.held();
        state.ended[worker] = true;
        if let Err(panic) = &outcome
            && !panic.is::<Killed>()
        {
            state.panic = Some(text(panic.as_ref()));
        }
        self.give_back(&mut state);
        drop(state);
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    }

    fn step(&self, worker: &mut Worker, _wait: Option<Duration>) {
        worker.step();
        let mut state = self.held();
        self.give_back(&mut state);
        if !self.await_turn(state, worker.index()) {
            resume_unwind(Box::new(Killed));
        }
    }
}

/// What a thread panicked with.
pub fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into())
}
