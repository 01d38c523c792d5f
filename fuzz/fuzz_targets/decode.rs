//! Any bytes: the decoder must end with the same outcome, and the same view, as the plain reading of the contract that
//! the tests' oracle has, which shares no code and no JSON parser with it. `make fuzz` runs it.
#![no_main]

#[path = "../../tests/support/countries.rs"]
mod countries;
#[path = "../../tests/support/json.rs"]
mod json;
#[path = "../../tests/support/urls.rs"]
#[allow(dead_code)]
mod urls;
#[path = "../../tests/support/verdict.rs"]
#[allow(dead_code)]
mod verdict;

use std::cell::RefCell;

use chrono::{Days, NaiveDate, NaiveTime, Timelike};
use dataflows::model::Model;
use freshet::source::decode::{Decoder, Outcome, Redaction, Referrers, Rules};
use libfuzzer_sys::fuzz_target;
use verdict::{Event, Verdict};

/// The Kafka timestamp of all records: 2020-06-04 12:00:00 UTC, in milliseconds.
const TIMESTAMP: i64 = 1_591_272_000_000;

/// What is kept of a view: everything, or little.
const KEPT: [(Referrers, urls::Referrers, bool); 3] = [
    (Referrers::Full, urls::Referrers::Full, false),
    (Referrers::NoQuery, urls::Referrers::NoQuery, true),
    (Referrers::Host, urls::Referrers::Host, true),
];

thread_local! {
    /// One each for all inputs, as in a run: what it remembers of user agents must not show.
    static DECODERS: RefCell<[Decoder; 3]> = RefCell::new(KEPT.map(|(referrers, _, mask_emails)| {
        let redaction = Redaction { referrers, mask_emails };
        Decoder::new(Rules { redaction, ..Rules::new(Model::builtin()) })
    }));
}

/// What the decoder made of it. Of a rejection the reason is left out: which of two faults is named is its own matter.
fn decoded(outcome: &Outcome<'_>) -> Verdict {
    match outcome {
        Outcome::Ignored(_) | Outcome::Bot | Outcome::Forgotten(_) => Verdict::Ignored,
        Outcome::Rejected(_) => Verdict::Rejected(0),
        Outcome::Counted(event) => {
            let day = NaiveDate::default() + Days::new(event.day.0 as u64);
            let hour = NaiveTime::from_hms_opt(event.hour.into(), 0, 0).expect("an hour");
            let mut fields = event.fields.iter().map(|text| text.as_ref().map(ToString::to_string));
            let mut text = || fields.next().flatten();
            // In the order of the default model.
            Verdict::Counted(Event {
                time: day.and_time(hour),
                product: text(),
                store: text(),
                referrer: text(),
                url: event.page.as_ref().map(ToString::to_string),
                country: text().expect("a country"),
                browser: text().expect("a browser"),
                os: text().expect("a system"),
            })
        }
    }
}

fn expected(payload: &[u8], referrers: urls::Referrers, mask_emails: bool) -> Verdict {
    let rules = verdict::Rules { referrers, mask_emails, ..verdict::Rules::default() };
    match verdict::judge(&rules, Some(TIMESTAMP), Some(payload)) {
        Verdict::Rejected(_) => Verdict::Rejected(0),
        Verdict::Counted(Event { time, product, store, referrer, url, country, browser, os }) => {
            let hour = NaiveTime::from_hms_opt(time.hour(), 0, 0).expect("an hour");
            let time = time.date().and_time(hour);
            Verdict::Counted(Event { time, product, store, referrer, url, country, browser, os })
        }
        Verdict::Ignored => Verdict::Ignored,
    }
}

fuzz_target!(|payload: &[u8]| {
    DECODERS.with_borrow_mut(|decoders| {
        for (decoder, (_, referrers, mask_emails)) in decoders.iter_mut().zip(KEPT) {
            decoder.decode(Some(payload), Some(TIMESTAMP), |outcome| {
                assert_eq!(decoded(&outcome), expected(payload, referrers, mask_emails));
            });
        }
    });
});
