//! From the bytes of one record to what becomes of it: counted, ignored or rejected (sections 2 and 3 of the
//! contract in ARCHITECTURE.md). Pure: the same record decides the same in every run.
//!
//! ```text
//! bytes ► members (raw JSON of the few used) ► collection ► event time ► ids ► URL, user agent ► View
//! ```

mod browser_os;
mod collections;
mod countries;
mod country;
mod members;
mod reason;
mod redaction;
mod scalar;
mod scan;
mod special;
mod time;
mod user_agents;

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use dataflows::{Model, View};

use browser_os::BrowserOsNames;
pub use collections::Collections;
pub use countries::Countries;
use members::{Member, Members};
pub use reason::Reason;
pub use redaction::{Redaction, Referrers};
use scalar::Scalar;
use special::Special;
pub use time::{Clock, date};
pub use user_agents::UserAgents;

/// The rules that decide about records; part of what the tables were built with.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// What is read from an event.
    pub model: Arc<Model>,
    /// The collections that are counted.
    pub views: Collections,
    /// What the event time is read from.
    pub clock: Clock,
    /// How far the event time may lie after the record's Kafka timestamp.
    pub max_future: Duration,
    /// The countries of hosts, where the last label of a domain does not decide.
    pub countries: Option<Countries>,
    /// By what browsers and operating systems are named.
    pub user_agents: UserAgents,
    /// What of a counted record is not kept.
    pub redaction: Redaction,
}

/// What becomes of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<'a> {
    /// It is a view that the reports count.
    Counted(View<'a>),
    /// Its collection, named here, is not one that is counted.
    Ignored(Cow<'a, str>),
    /// It cannot be counted.
    Rejected(Reason),
}

/// Decodes records one after the other.
///
/// It keeps nothing of a record but the names of browsers already seen, so that a user agent is parsed once.
#[derive(Debug)]
pub struct Decoder {
    rules: Rules,
    browsers: BrowserOsNames,
    /// Kept for its memory.
    special: Special,
}

impl Decoder {
    /// A decoder after these rules.
    pub fn new(rules: Rules) -> Self {
        Decoder { browsers: BrowserOsNames::new(rules.user_agents), rules, special: Special::default() }
    }

    /// Decides about one record: its value, if it has one, and its Kafka timestamp in milliseconds, if it has one.
    ///
    /// A panic on the way (in a parser of URLs, user agents or JSON) makes the record rejected: one record must
    /// not stop the pipeline, and would do so again at every restart.
    pub fn decode<'a>(&'a mut self, payload: Option<&'a [u8]>, timestamp: Option<i64>) -> Outcome<'a> {
        contained(move || self.decide(payload.unwrap_or_default(), timestamp)).unwrap_or_else(Outcome::Rejected)
    }

    /// The contract's rules in their order; an error is a rejection.
    fn decide<'a>(&'a mut self, payload: &'a [u8], timestamp: Option<i64>) -> Result<Outcome<'a>, Reason> {
        let members = Members::parse(payload, &mut self.special)?;
        let collection = match Scalar::of(members.get(Member::Collection))? {
            Scalar::Text(name) if !name.is_empty() => name,
            _ => return Err(Reason::NoCollection),
        };
        if !self.rules.views.contain(&collection) {
            return Ok(Outcome::Ignored(collection));
        }
        let time = self.rules.clock.event_time(members.get(Member::LocalTime), members.get(Member::TimeStamp))?;
        time.check(timestamp, self.rules.max_future)?;
        let product_id = scalar::id(members.get(Member::ProductId), "product_id")?;
        let store_id = scalar::id(members.get(Member::StoreId), "store_id")?;
        let referrer_url = scalar::referrer(members.get(Member::ReferrerUrl))?;
        let current_url = Scalar::of(members.get(Member::CurrentUrl))?;
        let mut view = View {
            day: time.day(),
            hour: time.hour(),
            product_id,
            store_id,
            referrer_url,
            country: country::of(&current_url, self.rules.countries.as_ref()),
            current_url: current_url.into_text(),
            browser_os: self.browsers.of(&Scalar::of(members.get(Member::UserAgent))?),
        };
        let texts =
            [("product_id", &view.product_id), ("store_id", &view.store_id), ("referrer_url", &view.referrer_url)];
        for (member, text) in texts {
            // JSON spells U+0000 with an escape, and a text without escapes is borrowed.
            if let Some(dataflows::Text::Other(Cow::Owned(text))) = text
                && text.contains('\0')
            {
                return Err(Reason::Nul { member });
            }
        }
        if !self.rules.redaction.is_none() {
            self.rules.redaction.redact(&mut view);
        }
        Ok(Outcome::Counted(view))
    }
}

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Makes a panic the rejection of the record that it happened in. What it may leave half done is one entry of a memo.
fn contained<T>(decide: impl FnOnce() -> Result<T, Reason>) -> Result<T, Reason> {
    DECODING.set(true);
    let decided = catch_unwind(AssertUnwindSafe(decide));
    DECODING.set(false);
    decided.unwrap_or(Err(Reason::Panicked))
}

/// Whether this thread is inside [`Decoder::decode`]: a panic there is caught and ends one record, not the process.
pub fn is_decoding() -> bool {
    DECODING.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_rejects_the_record_and_nothing_else() {
        let panics = |at: usize| [1, 2].get(at).copied().ok_or(Reason::NotJson);
        assert_eq!(contained(|| panics(1)), Ok(2));
        assert_eq!(contained(|| Ok([1, 2][panics(1)?])), Err(Reason::Panicked));
        assert!(!is_decoding(), "a later panic would pass for one of these");
        assert_eq!(contained(|| panics(7)), Err(Reason::NotJson));
    }
}
