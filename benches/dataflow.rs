//! What an epoch costs: so many views folded, and all six reports brought up to date.

mod input;
mod worker;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dataflows::View;

use worker::Reports;

/// The views that the dataflow holds from the start; an epoch takes some of them again.
const HELD: u64 = 300_000;

/// Takes the views in one epoch.
fn epoch<'a>(reports: &mut Reports, views: impl Iterator<Item = &'a View<'static>>) {
    views.for_each(|view| reports.take(view));
    reports.close();
}

fn dataflow(criterion: &mut Criterion) {
    let views = input::views(HELD);
    let mut reports = Reports::new();
    epoch(&mut reports, views.iter());
    let mut group = criterion.benchmark_group("fold and reports, views an epoch");
    for size in [1_000, 10_000, 100_000_usize] {
        group.throughput(Throughput::Elements(size as u64));
        let mut views = views.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| epoch(&mut reports, views.by_ref().take(size)))
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
