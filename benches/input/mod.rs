//! What the benches are fed with: generated events, decoded.

use std::borrow::Cow;

use dataflows::{Event, Key, Model, PreAggregator};
use freshet::source::decode::{Collections, Decoder, Outcome, Rules};
use freshet_generator::{Generator, Settings, Span};

/// The Kafka timestamp of all records, in ms: 2020-09-13.
pub const WRITTEN: Option<i64> = Some(1_600_000_000_000);

/// Default rules, but for what counts.
pub fn rules(views: Collections) -> Rules {
    Rules { views, ..Rules::new(Model::builtin()) }
}

/// A generator of events over three days, some of them hostile.
pub fn events(count: u64, hostile: f64) -> Generator {
    let start = "2020-06-01".parse().expect("a date");
    Generator::new(Settings { seed: 1, hostile, span: Span::Days { start, days: 3, events: count } })
}

/// So many events as they are counted. Their texts are never let go: a bench ends soon.
#[allow(dead_code, reason = "not all benches begin there")]
pub fn counted(count: u64) -> Vec<Event<'static>> {
    let mut decoder = Decoder::new(rules(Collections::All));
    let mut counted = Vec::new();
    for record in events(count, 0.0).take(count as usize) {
        decoder.decode(record.payload.as_deref(), WRITTEN, |outcome| match outcome {
            Outcome::Counted(event) => counted.push(kept(event)),
            other => panic!("an ordinary event is counted, not {other:?}"),
        });
    }
    counted
}

fn kept(event: &Event<'_>) -> Event<'static> {
    let owned = |text: &Cow<'_, str>| Cow::Owned::<'static, str>(text.as_ref().to_owned());
    let fields = event.fields.iter().map(|text| text.as_ref().map(|text| text.clone().map(|text| owned(&text))));
    let page = event.page.as_ref().map(owned);
    Event { day: event.day, hour: event.hour, time: 0, id: None, passes: event.passes, fields: fields.collect(), page }
}

/// Their distinct keys, with how often each was counted.
#[allow(dead_code, reason = "not all benches begin there")]
pub fn aggregated(events: &[Event<'_>]) -> Vec<(Key, i64)> {
    let mut aggregated = PreAggregator::new(Model::builtin(), 1);
    for event in events {
        aggregated.add(event);
    }
    aggregated.drain().0.collect()
}
