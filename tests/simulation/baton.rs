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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thread {
    /// Not there, or no more.
    Gone,
    /// There, and not to be given a turn yet.
    Waiting,
    Running,
}

#[derive(Debug)]
struct State {
    holder: Holder,
    /// How each thread is.
    threads: Vec<Thread>,
    /// So often it may pause and go on before it gives the baton back.
    steps: usize,
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
    /// The simulation holds it, and no thread is there yet.
    pub fn new(threads: usize) -> Baton {
        let threads = vec![Thread::Gone; threads];
        let passed = (0..=threads.len()).map(|_| Condvar::new()).collect();
        let state = State { holder: Holder::Simulation, threads, steps: 0, is_killed: false, panic: None };
        Baton { state: Mutex::new(state), passed }
    }

    /// These threads are there, and have no turn yet.
    pub fn expect(&self, threads: impl IntoIterator<Item = usize>) {
        let mut state = self.held();
        threads.into_iter().for_each(|thread| state.threads[thread] = Thread::Waiting);
    }

    /// These may be given turns.
    pub fn admit(&self, threads: impl IntoIterator<Item = usize>) {
        let mut state = self.held();
        threads.into_iter().for_each(|thread| state.threads[thread] = Thread::Running);
    }

    /// The threads that may be given a turn.
    pub fn running(&self) -> Vec<usize> {
        let state = self.held();
        (0..state.threads.len()).filter(|thread| state.threads[*thread] == Thread::Running).collect()
    }

    /// Lets a worker run until it has paused so often. Panics if the worker did.
    pub fn turn(&self, worker: usize, steps: usize) {
        let mut state = self.held();
        state.steps = steps;
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
        let mut state = self.held();
        state.is_killed = true;
        let there = (0..state.threads.len()).filter(|thread| state.threads[*thread] != Thread::Gone);
        let there: Vec<_> = there.collect();
        drop(state);
        there.into_iter().for_each(|thread| self.turn(thread, 1));
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

impl Baton {
    /// All that happens on a thread.
    pub fn take_part(&self, thread: usize, body: &mut dyn FnMut()) {
        let lives = self.await_turn(self.held(), thread);
        let outcome = if lives { catch_unwind(AssertUnwindSafe(body)) } else { Ok(()) };
        let mut state = self.held();
        state.threads[thread] = Thread::Gone;
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

    /// Gives the baton back, and waits for the next turn.
    pub fn pause(&self, thread: usize) {
        let mut state = self.held();
        state.steps = state.steps.saturating_sub(1);
        if state.steps > 0 && !state.is_killed {
            return;
        }
        self.give_back(&mut state);
        if !self.await_turn(state, thread) {
            resume_unwind(Box::new(Killed));
        }
    }
}

impl Scheduler for Baton {
    fn run(&self, worker: usize, body: &mut dyn FnMut()) {
        self.take_part(worker, body);
    }

    fn step(&self, worker: &mut Worker, _wait: Option<Duration>) {
        worker.step();
        self.pause(worker.index());
    }
}

/// What a thread panicked with.
pub fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into())
}
