//! The fold and all six reports, as one worker alone has them.

use std::time::Instant;

use dataflows::{Epoch, Fold, Key, SEED, View, reports};
use differential_dataflow::input::InputSession;
use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;

/// The reports, without anything around them.
pub struct Reports {
    worker: Worker,
    fold: Fold,
    input: InputSession<Epoch, Key, i64>,
    probe: Handle<Epoch>,
}

impl Reports {
    pub fn new() -> Reports {
        let allocator = Allocator::Thread(Thread::default());
        let mut worker = Worker::new(WorkerConfig::default(), allocator, Some(Instant::now()));
        let (mut input, probe) = (InputSession::new(), Handle::new());
        worker.dataflow(|scope| {
            reports(input.to_collection(scope)).probe_with(&probe);
        });
        input.advance_to(SEED + 1);
        Reports { worker, fold: Fold::default(), input, probe }
    }

    /// Takes a view into the open epoch.
    pub fn take(&mut self, view: &View<'_>) {
        self.fold.add(view);
    }

    /// Closes the open epoch, and waits until all rows that it changes are there.
    pub fn close(&mut self) {
        for (key, views) in self.fold.drain() {
            self.input.update(key, views);
        }
        self.input.advance_to(self.input.time() + 1);
        self.input.flush();
        while self.probe.less_than(self.input.time()) {
            self.worker.step();
        }
    }
}
