//! What an epoch costs: so many views folded, and all six reports brought up to date.

mod input;

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dataflows::{Epoch, Fold, Key, View, reports};
use differential_dataflow::input::InputSession;
use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;

/// The views that the dataflow holds from the start; an epoch takes some of them again.
const HELD: u64 = 300_000;

/// The reports, as one worker alone.
struct Reports {
    worker: Worker,
    fold: Fold,
    input: InputSession<Epoch, Key, i64>,
    probe: Handle<Epoch>,
}

impl Reports {
    fn new() -> Reports {
        let allocator = Allocator::Thread(Thread::default());
        let mut worker = Worker::new(WorkerConfig::default(), allocator, Some(Instant::now()));
        let (mut input, probe) = (InputSession::new(), Handle::new());
        worker.dataflow(|scope| {
            reports(input.to_collection(scope)).probe_with(&probe);
        });
        Reports { worker, fold: Fold::default(), input, probe }
    }

    /// Takes the views in one epoch, until all rows that they change are there.
    fn epoch<'a>(&mut self, views: impl Iterator<Item = &'a View<'static>>) {
        for view in views {
            self.fold.add(view);
        }
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

fn dataflow(criterion: &mut Criterion) {
    let views = input::views(HELD);
    let mut reports = Reports::new();
    reports.epoch(views.iter());
    let mut group = criterion.benchmark_group("fold and reports, views an epoch");
    for size in [1_000, 10_000, 100_000_usize] {
        group.throughput(Throughput::Elements(size as u64));
        let mut views = views.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| reports.epoch(views.by_ref().take(size)))
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4));
    targets = dataflow
}
criterion_main!(benches);
