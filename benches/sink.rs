//! What a transaction costs, by how many rows it sets: on a private Postgres with its own settings, so on the disk.

mod input;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use dataflows::{Epoch, Key, Model, Row, SEED};
use freshet::batch::Batch;
use freshet::metrics::Metrics;
use freshet::sink::{Sink, TableSettings};
use freshet_embedded::Postgres;

/// The writer, as the program runs it: in a thread of its own.
struct Writer {
    epoch: Epoch,
    batches: Sender<Batch>,
    durable: Receiver<Epoch>,
    thread: JoinHandle<Result<()>>,
}

impl Writer {
    fn start(postgres: &Postgres) -> Result<Writer> {
        let sink = Sink::open(
            &postgres.url().parse()?,
            "events",
            &Model::builtin(),
            &TableSettings::new([]),
            &Metrics::new()?,
        )?;
        let (batches, received) = channel();
        let (acknowledge, durable) = channel();
        let thread = thread::spawn(move || {
            sink.write(
                |wait| received.recv_timeout(wait),
                |epoch| acknowledge.send(epoch).expect("the bench listens until the end"),
            )
        });
        Ok(Writer { epoch: SEED, batches, durable, thread })
    }

    /// Sets these rows, all to other views than before, and returns how long it took until they were durable.
    fn set(&mut self, keys: &[(Key, i64)]) -> Duration {
        self.epoch += 1;
        let more = self.epoch as i64;
        let rows = keys.iter().map(|(key, views)| Row::count(key.clone(), views + more)).collect();
        let (batch, begin) = (Batch { epoch: self.epoch, rows, ..Batch::default() }, Instant::now());
        self.batches.send(batch).expect("the writer takes a batch");
        self.durable.recv().expect("the writer makes it durable");
        begin.elapsed()
    }

    fn end(self) -> Result<()> {
        let Writer { batches, durable: _listening, thread, .. } = self;
        drop(batches);
        thread.join().expect("the writer does not panic")
    }
}

fn sink(criterion: &mut Criterion) {
    let postgres = Postgres::start().expect("a private Postgres");
    let mut writer = Writer::start(&postgres).expect("the tables");
    // About one key for each event.
    let keys = input::aggregated(&input::counted(200_000));
    let mut group = criterion.benchmark_group("sink, rows a transaction");
    group.sampling_mode(SamplingMode::Flat);
    for size in [1_000, 10_000, 100_000] {
        let keys = keys.get(..size).expect("enough distinct keys");
        // From here on every row is there, and is updated.
        writer.set(keys);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| writer.set(keys)).sum())
        });
    }
    group.finish();
    writer.end().expect("a clean end");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4));
    targets = sink
}
criterion_main!(benches);
