//! The fold, all six reports and the dimensions, as one worker alone has them.

use std::time::Instant;

use dataflows::{Epoch, Fact, Fold, Key, MemberLimit, SEED, View, configure, reports};
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
    views: InputSession<Epoch, Key, i64>,
    facts: InputSession<Epoch, Fact, isize>,
    probe: Handle<Epoch>,
}

impl Reports {
    pub fn new() -> Reports {
        let allocator = Allocator::Thread(Thread::default());
        let mut worker = Worker::new(configure(WorkerConfig::default()), allocator, Some(Instant::now()));
        let (mut views, mut facts, probe) = (InputSession::new(), InputSession::new(), Handle::new());
        worker.dataflow(|scope| {
            reports(views.to_collection(scope), facts.to_collection(scope), MemberLimit::default()).probe_with(&probe);
        });
        views.advance_to(SEED + 1);
        facts.advance_to(SEED + 1);
        Reports { worker, fold: Fold::default(), views, facts, probe }
    }

    /// Takes a view into the open epoch.
    pub fn take(&mut self, view: &View<'_>) {
        self.fold.add(view);
    }

    /// Closes the open epoch, and waits until all rows that it changes are there.
    pub fn close(&mut self) {
        let (counts, facts) = self.fold.drain();
        for (key, views) in counts {
            self.views.update(key, views);
        }
        for fact in facts {
            self.facts.insert(fact);
        }
        let next = self.views.time() + 1;
        self.views.advance_to(next);
        self.views.flush();
        self.facts.advance_to(next);
        self.facts.flush();
        while self.probe.less_than(&next) {
            self.worker.step();
        }
    }
}
