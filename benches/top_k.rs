//! What a ranking costs an epoch, by how many items there are: it should follow those that changed, not those.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dataflows::{Counted, Epoch, Item, Text, top_k};
use differential_dataflow::input::InputSession;
use hashbrown::HashSet;
use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::dataflow::operators::probe::Handle;
use timely::progress::frontier::AntichainRef;
use timely::worker::Worker;

/// Items that change in an epoch.
const CHANGED: usize = 10_000;

/// Nothing falls here, so no group is ranked again.
struct Never;

impl Counted<u8, Text> for Never {
    fn items(&mut self, _: &HashSet<u8>, _: Epoch) -> Vec<(u8, Text, i64)> {
        Vec::new()
    }

    fn advance(&mut self, _: AntichainRef<'_, Epoch>) {}
}

/// The best ten of one group.
struct Ranking {
    worker: Worker,
    input: InputSession<Epoch, (u8, Item<Text>), isize>,
    probe: Handle<Epoch>,
    /// The views of each item.
    views: Vec<i64>,
    next: usize,
}

impl Ranking {
    /// With this many items, a few of which have most of the views.
    fn new(items: usize) -> Ranking {
        let allocator = Allocator::Thread(Thread::default());
        let mut worker = Worker::new(WorkerConfig::default(), allocator, Some(Instant::now()));
        let (mut input, probe) = (InputSession::new(), Handle::new());
        worker.dataflow(|scope| {
            top_k(input.to_collection(scope), |_| 10, |_, item| item, Never).probe_with(&probe);
        });
        let mut ranking = Ranking { worker, input, probe, views: vec![0; items], next: 0 };
        for item in 0..items {
            ranking.view(item, (items / (item + 1)) as i64);
        }
        ranking.close();
        ranking
    }

    fn view(&mut self, item: usize, times: i64) {
        self.views[item] += times;
        let item = Item { item: Text::Number(item as u64), views: self.views[item], is_fall: false };
        self.input.insert((0, item));
    }

    fn close(&mut self) {
        self.input.advance_to(self.input.time() + 1);
        self.input.flush();
        while self.probe.less_than(self.input.time()) {
            self.worker.step();
        }
    }

    /// One view more of each of the items whose turn it is, all over them.
    fn epoch(&mut self) {
        for _ in 0..CHANGED {
            // A prime, so that every item has its turn, and neighbours do not follow each other.
            self.next = (self.next + 7_919) % self.views.len();
            self.view(self.next, 1);
        }
        self.close();
    }
}

fn ranking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("top_k, 10000 changed of");
    group.throughput(Throughput::Elements(CHANGED as u64));
    for items in [20_000, 1_000_000] {
        let mut ranking = Ranking::new(items);
        group.bench_function(BenchmarkId::from_parameter(items), |bencher| bencher.iter(|| ranking.epoch()));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4));
    targets = ranking
}
criterion_main!(benches);
