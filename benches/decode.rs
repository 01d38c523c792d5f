//! What one record costs to decode: bytes in, an outcome out.

mod input;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use freshet::source::decode::{Collections, Decoder};
use freshet_generator::Record;

use input::{WRITTEN, events, rules};

/// Enough that user agents and URLs vary, few enough for the processor's cache: what Kafka's client hands over is
/// there as well.
const RECORDS: usize = 1_000;

fn decode(criterion: &mut Criterion) {
    let views: Collections = "view_product_detail".parse().expect("a collection");
    let is_view = |record: &Record| {
        let payload = record.payload.as_deref().unwrap_or_default();
        memchr::memmem::find(payload, br#""collection":"view_product_detail""#).is_some()
    };
    let kinds: [(&str, Vec<Record>); 3] = [
        ("a counted record", events(100_000, 0.0).filter(is_view).take(RECORDS).collect()),
        ("an ignored record", events(100_000, 0.0).filter(|record| !is_view(record)).take(RECORDS).collect()),
        ("a hostile record", events(100_000, 1.0).filter(is_small).take(RECORDS).collect()),
    ];
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(RECORDS as u64));
    for (name, records) in kinds {
        let mut decoder = Decoder::new(rules(views.clone()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for record in &records {
                    decoder.decode(record.payload.as_deref(), WRITTEN, |outcome| drop(black_box(outcome)));
                }
            })
        });
    }
    group.finish();
}

/// A few of the hostile cases are of a hundred kilobytes, and would be all that is measured.
fn is_small(record: &Record) -> bool {
    record.payload.as_ref().is_none_or(|payload| payload.len() < 4_096)
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = decode
}
criterion_main!(benches);
