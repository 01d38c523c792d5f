//! What one record costs to decode: bytes in, an outcome out.

mod input;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dataflows::Model;
use dataflows::model::ReadyMade;
use freshet::source::decode::{Collections, Decoder, Rules};
use freshet_generator::{Generator, Record, Settings, Shape, Span};
use serde_json::Value;

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
    let [deep, flat] = segment();
    for (name, (model, records)) in [("a nested record", deep), ("the same record, flat", flat)] {
        let model = Arc::new(Model::parse(&model, name).expect("a model"));
        let mut decoder = Decoder::new(Rules { model, ..rules(Collections::All) });
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for record in &records {
                    decoder.decode(Some(record), WRITTEN, |outcome| drop(black_box(outcome)));
                }
            })
        });
    }
    group.finish();
}

/// A model with records of its shape.
type Shaped = (String, Vec<Vec<u8>>);

/// The ways into objects of Segment's model.
const WAYS: [&str; 8] = [
    "context.page.url",
    "context.page.referrer",
    "context.campaign.source",
    "context.campaign.name",
    "context.locale",
    "context.userAgent",
    "properties.url",
    "properties.referrer",
];

/// Segment's model and events, and the same with all that is read at the top: the bytes are about as many.
fn segment() -> [Shaped; 2] {
    let deep = ReadyMade::find("segment").expect("it is built in").text;
    let flat = WAYS.iter().fold(deep.to_owned(), |text, way| text.replace(way, &at_top(way)));
    let start = "2020-06-01".parse().expect("a date");
    let settings = Settings { seed: 1, hostile: 0.0, span: Span::Days { start, days: 3, events: RECORDS as u64 } };
    let records = Generator::of_shape(Shape::Segment, settings).take(RECORDS);
    let events: Vec<Value> =
        records.map(|record| serde_json::from_slice(&record.payload.expect("an event")).expect("JSON")).collect();
    let bytes = |event: &Value| serde_json::to_vec(event).expect("JSON");
    let flat_records = events.iter().map(|event| bytes(&flattened(event.clone()))).collect();
    [(deep.to_owned(), events.iter().map(bytes).collect()), (flat, flat_records)]
}

fn at_top(way: &str) -> String {
    way.replace('.', "_")
}

fn flattened(mut event: Value) -> Value {
    for way in WAYS {
        let (object, name) = way.rsplit_once('.').expect("a way into an object");
        let object = event.pointer_mut(&format!("/{}", object.replace('.', "/")));
        if let Some(value) = object.and_then(|object| object.as_object_mut()?.remove(name)) {
            event[at_top(way)] = value;
        }
    }
    event
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
