//! What the benches are fed with: generated events, decoded.

use std::borrow::Cow;
use std::time::Duration;

use dataflows::model::Model;
use dataflows::{BrowserOs, Fold, Key, Text, View};
use freshet::source::decode::{Clock, Collections, Decoder, Outcome, Redaction, Rules, UserAgents, shim};
use freshet_generator::{Generator, Settings, Span};

/// The Kafka timestamp of all records, in ms: 2020-09-13.
pub const WRITTEN: Option<i64> = Some(1_600_000_000_000);

/// Default rules, but for what counts.
pub fn rules(views: Collections) -> Rules {
    let (clock, max_future) = (Clock::LocalTime, Duration::from_hours(24));
    Rules {
        model: Model::builtin(),
        views,
        clock,
        max_future,
        countries: None,
        user_agents: UserAgents::Woothee,
        redaction: Redaction::default(),
    }
}

/// A generator of events over three days, some of them hostile.
pub fn events(count: u64, hostile: f64) -> Generator {
    let start = "2020-06-01".parse().expect("a date");
    Generator::new(Settings { seed: 1, hostile, span: Span::Days { start, days: 3, events: count } })
}

/// The views of so many events, all of which count. They are never let go: a bench ends soon.
#[allow(dead_code, reason = "not all benches begin there")]
pub fn views(count: u64) -> Vec<View<'static>> {
    let mut decoder = Decoder::new(rules(Collections::All));
    let mut views = Vec::new();
    for record in events(count, 0.0).take(count as usize) {
        match decoder.decode(record.payload.as_deref(), WRITTEN) {
            Outcome::Counted(event) => views.push(shim::with_view(&event, kept)),
            other => panic!("an ordinary event is counted, not {other:?}"),
        }
    }
    views
}

fn kept(view: &View<'_>) -> View<'static> {
    let text = |text: &Option<Text<Cow<'_, str>>>| {
        text.clone().map(|text| text.map(|text| Cow::Owned::<'static, str>(text.into_owned())))
    };
    let (browser, os) = view.browser_os.names();
    let browser_os: &'static BrowserOs = Box::leak(Box::new(BrowserOs::new(browser, os)));
    View {
        day: view.day,
        hour: view.hour,
        product_id: text(&view.product_id),
        store_id: text(&view.store_id),
        referrer_url: text(&view.referrer_url),
        current_url: view.current_url.as_deref().map(|url| Cow::Owned(url.to_owned())),
        country: view.country,
        browser_os: browser_os.borrowed(),
    }
}

/// Their distinct keys, with how often each was viewed.
#[allow(dead_code, reason = "not all benches begin there")]
pub fn folded(views: &[View<'_>]) -> Vec<(Key, i64)> {
    let mut fold = Fold::default();
    for view in views {
        fold.add(view);
    }
    fold.drain().0.collect()
}
