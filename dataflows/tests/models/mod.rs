//! Models as files may declare them, and events that they count: both at random, from small ranges, so that keys meet and
//! counts tie.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write;

use dataflows::model::{Dimension, Filter, Model};
use dataflows::{Day, Event, Text};
use proptest::prelude::*;
use proptest::sample::subsequence;

/// The fields, and the values that events have there: an empty one is none.
const FIELDS: [(&str, &str, &[&str]); 8] = [
    ("item", "id", &["1", "2", "10", "a 'b'"]),
    ("note", "text", &["x", "y", "z", ""]),
    ("site", "url", &["https://a.de/", "https://b.fr/x?y=1", "https://a.de/\u{1f}z"]),
    ("land", "country", &["DE", "FR", "ZZ"]),
    ("browser", "browser", &["Chrome", "Firefox"]),
    ("system", "os", &["Linux", "Unknown"]),
    ("is_member", "boolean", &["true", "false"]),
    ("campaign", "query", &["spring", "sale", "7"]),
];
/// The types of events; the first two are views.
const TYPES: [&str; 4] = ["view", "look", "buy", "leave"];

/// What a count is made of.
#[derive(Clone, Debug)]
struct Counted {
    fields: Vec<usize>,
    /// 0 for all days, 1 for days, 2 for hours; and where these stand among the fields.
    grain: u8,
    time_first: bool,
    /// The `where`, as the file has it.
    filter: String,
    /// Whether the sum over its hours, or over its days, is declared too.
    has_sum: [bool; 2],
    /// Rankings: of which field, of hours or days, with so many places.
    tops: Vec<(usize, u8, u8)>,
    is_named: bool,
}

fn counted() -> impl Strategy<Value = Counted> {
    let fields = subsequence((0..FIELDS.len()).collect::<Vec<_>>(), 0..=4).prop_shuffle();
    let tops = prop::collection::vec((0..4usize, 0..=2u8, 1..=4u8), 0..3);
    let parts = (fields, 0..=2u8, any::<bool>(), filter(), any::<[bool; 2]>(), tops, any::<bool>());
    let of = |(fields, grain, time_first, filter, has_sum, tops, is_named)| Counted {
        fields,
        grain,
        time_first,
        filter,
        has_sum,
        tops,
        is_named,
    };
    parts.prop_map(of).prop_filter("a count by nothing", |it| it.grain > 0 || !it.fields.is_empty())
}

/// By type, by field, by both, or none: half of all counts are of the views.
fn filter() -> impl Strategy<Value = String> {
    let one = |values: &[&str]| values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ");
    let types = subsequence(&TYPES[..], 1..=2).prop_map(move |types| format!("kind = [{}]", one(&types)));
    let field = (0..FIELDS.len()).prop_map(move |field| {
        let (name, _, values) = FIELDS[field];
        format!("{name} = [{}]", one(&values[..2]))
    });
    let some = prop_oneof![
        types.clone().prop_map(|it| vec![it]),
        field.clone().prop_map(|it| vec![it]),
        (types, field).prop_map(|(types, field)| vec![types, field]),
    ];
    let line = |parts: Vec<String>| format!("where = {{ {} }}\n", parts.join(", "));
    prop_oneof![Just(String::new()), some.prop_map(line)]
}

/// The text of a model's file: up to twelve reports, which count by up to four fields, by hour, by day or over all days, of
/// the views or of what passes a filter; sums of them, with or without a table of their own; and rankings.
pub fn model() -> impl Strategy<Value = String> {
    prop::collection::vec(counted(), 1..=12).prop_map(|counts| {
        let (mut text, mut reports) = (head(), Reports::default());
        for count in &counts {
            reports.count(count, count.grain);
            for grain in (0..count.grain).filter(|grain| count.has_sum[usize::from(*grain)]) {
                reports.count(count, grain);
            }
            for (of, grain, places) in &count.tops {
                reports.top(count, *of, *grain, *places);
            }
        }
        reports.texts.truncate(12);
        text.extend(reports.texts);
        text
    })
}

fn head() -> String {
    let mut text = "[event]\ntype = \"kind\"\nviews = [\"view\", \"look\"]\nlocal_time = \"at\"\n[fields]\n".to_owned();
    for (name, kind, _) in FIELDS {
        let parameter = if kind == "query" { ", parameter = \"utm_campaign\"" } else { "" };
        let _ = writeln!(text, "{name} = {{ path = \"{name}\", kind = \"{kind}\"{parameter} }}");
    }
    text
}

/// The declarations so far, none of them twice.
#[derive(Default)]
struct Reports {
    texts: Vec<String>,
    known: BTreeSet<(BTreeSet<usize>, u8, String)>,
}

impl Reports {
    fn count(&mut self, count: &Counted, grain: u8) {
        let fields: BTreeSet<_> = count.fields.iter().copied().collect();
        let is_new = self.known.insert((fields, grain, count.filter.clone()));
        if is_new && (grain > 0 || !count.fields.is_empty()) {
            let by = by(&count.fields, grain, count.time_first);
            self.add(count, &format!("by = [{by}]"));
        }
    }

    fn top(&mut self, count: &Counted, of: usize, grain: u8, places: u8) {
        let (grain, fields) = (grain.min(count.grain), &count.fields);
        let Some(of) = fields.get(of).copied() else { return };
        let rest: Vec<_> = fields.iter().copied().filter(|field| *field != of).collect();
        if grain > 0 || !rest.is_empty() {
            let by = by(&rest, grain, count.time_first);
            self.add(count, &format!("top = {{ count = {places}, of = \"{}\", by = [{by}] }}", FIELDS[of].0));
        }
    }

    fn add(&mut self, count: &Counted, what: &str) {
        let place = self.texts.len();
        let name = if count.is_named { format!("name = \"report-{place}\"\n") } else { String::new() };
        self.texts.push(format!("[[report]]\n{name}table = \"table_{place}\"\n{what}\n{}", count.filter));
    }
}

fn by(fields: &[usize], grain: u8, time_first: bool) -> String {
    let time = ["\"day\"", "\"hour\""].into_iter().take(grain.into()).map(str::to_owned);
    let fields = fields.iter().map(|field| format!("\"{}\"", FIELDS[*field].0));
    let by: Vec<_> = if time_first { time.chain(fields).collect() } else { fields.chain(time).collect() };
    by.join(", ")
}

/// Events that the model counts in some report: of three days and three hours, some without some fields.
pub fn events(model: &Model, number: usize) -> impl Strategy<Value = Vec<Event<'static>>> + use<> {
    let filters = model.filters.clone();
    let values: Vec<_> = model.fields.iter().map(|field| values(&field.name)).collect();
    let fields =
        values.iter().map(|values| prop::option::weighted(0.9, prop::sample::select(*values))).collect::<Vec<_>>();
    let event = (18_410..18_413i32, 0..3u8, prop::sample::select(&TYPES[..]), fields).prop_map(
        move |(day, hour, kind, fields)| {
            let fields = fields.into_iter().map(|field| field.filter(|text| !text.is_empty()));
            let fields: Vec<Option<&'static str>> = fields.collect();
            let passes = (0..filters.len()).filter(|at| does_pass(&filters[*at], kind, &fields));
            let passes = passes.fold(0, |passes, at| passes | 1 << at);
            let text = |text: &'static str| Text::<&str>::from(text).map(Cow::Borrowed);
            let fields = fields.into_iter().map(|field| field.map(text)).collect();
            Event { day: Day(day), hour, time: 0, id: None, passes, fields, page: None }
        },
    );
    prop::collection::vec(event, 0..=number)
        .prop_map(|events| events.into_iter().filter(|event| event.passes != 0).collect())
}

fn values(field: &str) -> &'static [&'static str] {
    FIELDS.iter().find(|(name, ..)| *name == field).map_or(&["value"], |(_, _, values)| values)
}

/// Whether an event passes, in the plainest way.
pub fn does_pass(filter: &Filter, kind: &str, fields: &[Option<&str>]) -> bool {
    let views = || ["view".to_owned(), "look".to_owned()];
    let has_type = filter.types.clone().unwrap_or_else(|| views().into()).iter().any(|name| name == kind);
    has_type
        && filter.fields.iter().all(|(at, values)| fields[*at].is_some_and(|text| values.iter().any(|it| it == text)))
}

/// The fields of some dimensions, by their places in the model.
pub fn fields_of(by: &[Dimension]) -> Vec<usize> {
    let field = |dimension: &Dimension| if let Dimension::Field(field) = dimension { Some(*field) } else { None };
    by.iter().filter_map(field).collect()
}
