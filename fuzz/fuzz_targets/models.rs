//! Any bytes under any model: the quick way through a record must come to what serde_json's comes to, in outcomes, texts and
//! reasons. The first byte chooses the model: a digit one that is built in, any other one that is made at random from it.
#![no_main]

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use dataflows::model::{Model, ReadyMade};
use freshet::source::decode::{Clock, Decoder, Redaction, Referrers, Rules};
use libfuzzer_sys::fuzz_target;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

/// The Kafka timestamp of all records: 2020-06-04 12:00:00 UTC, in milliseconds.
const TIMESTAMP: i64 = 1_591_272_000_000;

const NAMES: [&str; 7] = ["a", "in", "k", "url", "value", "\"x.y\"", "é"];
const KINDS: [&str; 11] =
    ["id", "text", "url", "host", "path", "query", "country", "country-code", "browser", "device", "boolean"];
const ENVELOPES: [&str; 6] = ["auto", "none", "array", "array", "payload", "confluent-json"];
const TIMES: [&str; 6] = ["auto", "date-time", "rfc3339", "seconds", "milliseconds", "microseconds"];

/// Of each model the quick way and the exact one.
type Decoders = HashMap<u8, [Decoder; 2]>;

thread_local! {
    static DECODERS: RefCell<Decoders> = RefCell::default();
}

fn decoders(number: u8) -> [Decoder; 2] {
    let model = match ReadyMade::ALL.get(usize::from(number.wrapping_sub(b'0'))) {
        Some(ready_made) => Model::parse(ready_made.text, ready_made.name),
        None => Model::parse(&random(number), "random"),
    };
    let model = Arc::new(model.unwrap_or_else(|error| panic!("{error}\n{}", random(number))));
    let rules = || Rules {
        views: "all".parse().expect("a list"),
        clock: if number % 2 == 0 { Clock::LocalTime } else { Clock::TimeStamp },
        time_zone: chrono_tz::America::New_York,
        skip_bots: number % 5 == 0,
        redaction: Redaction { referrers: Referrers::Full, mask_emails: number % 3 == 0 },
        ..Rules::new(model.clone())
    };
    [Decoder::new(rules()), Decoder::exact(rules())]
}

/// A file of reports with random ways to its members.
fn random(number: u8) -> String {
    let mut random = StdRng::seed_from_u64(number.into());
    let mut text = String::from("[event]\n");
    if random.random() {
        writeln!(text, "type = {}\nviews = [\"v\"]", ways(&mut random)).expect("a text");
    }
    writeln!(text, "time_stamp = {}", ways(&mut random)).expect("a text");
    writeln!(text, "time_format = \"{}\"", TIMES.choose(&mut random).expect("some")).expect("a text");
    let envelope = ENVELOPES.choose(&mut random).expect("some");
    writeln!(text, "envelope = \"{envelope}\"").expect("a text");
    if *envelope == "array" && random.random() {
        writeln!(text, "array = '{}'", way(&mut random)).expect("a text");
    }
    text += "[fields]\n";
    let fields = random.random_range(1..6);
    for field in 0..fields {
        let kind = KINDS.choose(&mut random).expect("some");
        let query = if *kind == "query" { ", parameter = \"k\"" } else { "" };
        let lower = if matches!(*kind, "id" | "text") && random.random() { ", lower = true" } else { "" };
        writeln!(text, "f{field} = {{ path = {}, kind = \"{kind}\"{query}{lower} }}", ways(&mut random)).expect("a text");
    }
    for field in 0..fields {
        writeln!(text, "[[report]]\ntable = \"t{field}\"\nby = [\"day\", \"f{field}\"]").expect("a text");
    }
    text
}

/// A way to a member, or a list of ways, some of them to pairs.
fn ways(random: &mut StdRng) -> String {
    let one = |random: &mut StdRng| {
        let way = way(random);
        if random.random_ratio(1, 4) { format!("{{ path = '{way}', key = 'k' }}") } else { format!("'{way}'") }
    };
    let ways: Vec<_> = (0..random.random_range(1..4)).map(|_| one(random)).collect();
    format!("[{}]", ways.join(", "))
}

fn way(random: &mut StdRng) -> String {
    let names: Vec<_> =
        (0..random.random_range(1..4)).map(|_| *NAMES.choose(random).expect("some")).collect();
    names.join(".")
}

fuzz_target!(|bytes: &[u8]| {
    let Some((number, payload)) = bytes.split_first() else { return };
    DECODERS.with_borrow_mut(|known| {
        let decoders = known.entry(*number).or_insert_with(|| decoders(*number));
        let [quick, exact] = decoders.each_mut().map(|decoder| {
            let mut outcomes = Vec::new();
            decoder.decode(Some(payload), Some(TIMESTAMP), |outcome| outcomes.push(format!("{outcome:?}")));
            outcomes
        });
        assert_eq!(quick, exact);
    });
});
