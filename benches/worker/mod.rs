//! Pre-aggregation, all six reports and the dimensions, as one worker alone has them.

use std::time::Instant;

use dataflows::{
    Day, DaysKept, DimensionUpdate, Epoch, Event, Kept, Key, MemberLimit, Model, PreAggregator, Retention, SEED,
    configure, reports, retaining_reports,
};
use differential_dataflow::input::InputSession;
use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;

/// Long behind the days of all events, so that those that are kept are those that come.
const NEWEST: Day = Day(18_430);
/// So many keys are looked at in an epoch, as in a run.
const SLICE: usize = 4_096;

/// The reports, without anything around them.
pub struct Reports {
    worker: Worker,
    events: PreAggregator,
    counts: InputSession<Epoch, Key, i64>,
    dimensions: InputSession<Epoch, DimensionUpdate, isize>,
    probe: Handle<Epoch>,
    retention: Option<Retention>,
}

impl Reports {
    /// With all days, or with so many before the newest.
    pub fn new(kept: DaysKept) -> Reports {
        let allocator = Allocator::Thread(Thread::default());
        let mut worker = Worker::new(configure(WorkerConfig::default()), allocator, Some(Instant::now()));
        let model = Model::builtin();
        let (mut counts, mut dimensions, probe) = (InputSession::new(), InputSession::new(), Handle::new());
        let (kept, limit) = (Kept::new(&model, kept), MemberLimit::default());
        let retention = worker.dataflow(|scope| {
            let (counts, dimensions) = (counts.to_collection(scope), dimensions.to_collection(scope));
            if kept.is_all() {
                reports(&model, counts, dimensions, limit).probe_with(&probe);
                return None;
            }
            let (rows, retention) = retaining_reports(&model, counts, dimensions, limit, kept);
            rows.probe_with(&probe);
            Some(retention)
        });
        counts.advance_to(SEED + 1);
        dimensions.advance_to(SEED + 1);
        Reports { worker, events: PreAggregator::new(model, 1), counts, dimensions, probe, retention }
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
        if let Some(retention) = &mut self.retention {
            retention.set_newest(NEWEST);
            for (key, events) in retention.slice(next - 1, SLICE) {
                self.counts.update(key, -events);
            }
        }
        self.counts.advance_to(next);
        self.counts.flush();
        self.dimensions.advance_to(next);
        self.dimensions.flush();
        while self.probe.less_than(&next) {
            self.worker.step();
        }
    }
}
