//! What an epoch costs: so many views combined, and all six reports brought up to date; and what it costs by how many products
//! the day has, of which some are viewed again: it should follow those, not all.

mod input;
mod worker;

use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dataflows::{Day, DaysKept, Event, Model, Text};

use worker::Reports;

/// The views that the dataflow holds from the start; an epoch takes some of them again.
const HELD: u64 = 300_000;

/// Products that are viewed in an epoch, of the many.
const CHANGED: usize = 10_000;

/// Takes the views in one epoch.
fn epoch<'a, 'e: 'a>(reports: &mut Reports, events: impl Iterator<Item = &'a Event<'e>>) {
    events.for_each(|event| reports.take(event));
    reports.close();
}

fn dataflow(criterion: &mut Criterion) {
    let views = input::counted(HELD);
    let mut reports = Reports::new(DaysKept::All);
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

fn products(criterion: &mut Criterion) {
    let model = Model::builtin();
    let page = |product: u64| (product, format!("https://www.shop.example/rings/ring-{product}.html"));
    let view = |(product, page): (u64, String)| {
        let text = |name: &str| match name {
            "product_id" => Some(Text::Number(product)),
            "country" => Some(Text::Other("ZZ".into())),
            "browser" => Some(Text::Other("Chrome".into())),
            "os" => Some(Text::Other("Android".into())),
            _ => None,
        };
        let fields = model.fields.iter().map(|field| text(&field.name)).collect();
        Event { day: Day(20_000), hour: 12, time: 0, id: None, passes: 1, fields, page: Some(page.into()) }
    };
    let mut group = criterion.benchmark_group("fold and reports, 10000 products viewed of");
    group.throughput(Throughput::Elements(CHANGED as u64));
    for products in [20_000, 1_000_000_u64] {
        let mut reports = Reports::new(DaysKept::All);
        (0..products).map(page).for_each(|page| reports.take(&view(page)));
        reports.close();
        // A prime, so that every product has its turn, and neighbours do not follow each other.
        let mut product = (0_u64..).map(|turn| turn * 7_919 % products);
        group.bench_function(BenchmarkId::from_parameter(products), |bencher| {
            let mut views = || product.by_ref().take(CHANGED).map(page).map(view).collect();
            bencher.iter_batched(&mut views, |views: Vec<_>| epoch(&mut reports, views.iter()), BatchSize::PerIteration)
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
    targets = dataflow, products
}
criterion_main!(benches);
