//! Pre-aggregation, all six reports and the dimensions, as one worker alone has them.

use std::time::Instant;

use dataflows::{DimensionUpdate, Epoch, Event, Key, MemberLimit, Model, PreAggregator, SEED, configure, reports};
use differential_dataflow::input::InputSession;
use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;

/// The reports, without anything around them.
pub struct Reports {
    worker: Worker,
    events: PreAggregator,
    counts: InputSession<Epoch, Key, i64>,
    dimensions: InputSession<Epoch, DimensionUpdate, isize>,
    probe: Handle<Epoch>,
}

impl Reports {
    pub fn new() -> Reports {
        let allocator = Allocator::Thread(Thread::default());
        let mut worker = Worker::new(configure(WorkerConfig::default()), allocator, Some(Instant::now()));
        let model = Model::builtin();
        let (mut counts, mut dimensions, probe) = (InputSession::new(), InputSession::new(), Handle::new());
        worker.dataflow(|scope| {
            let (counts, dimensions) = (counts.to_collection(scope), dimensions.to_collection(scope));
            reports(&model, counts, dimensions, MemberLimit::default()).probe_with(&probe);
        });
        counts.advance_to(SEED + 1);
        dimensions.advance_to(SEED + 1);
        Reports { worker, events: PreAggregator::new(model, 1), counts, dimensions, probe }
    }

    /// Takes an event into the open epoch.
    pub fn take(&mut self, event: &Event<'_>) {
        self.events.add(event);
    }

    /// Closes the open epoch, and waits until all rows that it changes are there.
    pub fn close(&mut self) {
        let (counts, updates) = self.events.drain();
        for (key, total) in counts {
            self.counts.update(key, total);
        }
        for update in updates {
            self.dimensions.insert(update);
        }
        let next = self.counts.time() + 1;
        self.counts.advance_to(next);
        self.counts.flush();
        self.dimensions.advance_to(next);
        self.dimensions.flush();
        while self.probe.less_than(&next) {
            self.worker.step();
        }
    }
}
