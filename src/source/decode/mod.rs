//! From the bytes of one record to what becomes of it: counted, ignored or rejected (sections 2 and 3 of the
//! contract in ARCHITECTURE.md). Pure: the same record decides the same in every run.
//!
//! ```text
//! bytes ► members (raw JSON of the few read) ► type ► event time ► fields, by their kinds ► filters ► Event
//! ```

mod collections;
mod countries;
mod country;
mod filters;
mod members;
mod paths;
mod plan;
mod reason;
mod redaction;
mod scalar;
mod scan;
mod special;
mod time;
mod user_agents;
mod web_url;

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use dataflows::Event;
use dataflows::model::Model;

pub use collections::Collections;
pub use countries::Countries;
use filters::Filters;
use members::Members;
use plan::Plan;
pub use reason::Reason;
pub use redaction::{Redaction, Referrers};
use scalar::Scalar;
use special::Special;
pub use time::{Clock, date};
use user_agents::KnownAgents;
pub use user_agents::UserAgents;

/// The rules that decide about records; part of what the tables were built with.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What is read from a record, and which records count.
    pub model: Arc<Model>,
    /// The types of events that count as views.
    pub views: Collections,
    /// What the event time is read from.
    pub clock: Clock,
    /// How far the event time may lie after the record's Kafka timestamp.
    pub max_future: Duration,
    /// The countries of hosts, where the last label of a domain does not decide.
    pub countries: Option<Countries>,
    /// By what browsers and operating systems are named.
    pub user_agents: UserAgents,
    /// What of a counted event is not kept.
    pub redaction: Redaction,
}

/// What becomes of a record.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "it is looked at once and let go: a box would be an allocation a record")]
pub enum Outcome<'a> {
    /// It is an event that some report counts.
    Counted(Event<'a>),
    /// It is an event, of the type named here, that no report counts.
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
    plan: Plan,
    filters: Filters,
    agents: KnownAgents,
    /// Kept for its memory.
    special: Special,
}

impl Decoder {
    /// A decoder after these rules.
    pub fn new(rules: Rules) -> Self {
        let (plan, filters) = (Plan::new(&rules.model), Filters::new(&rules.model, rules.views.clone()));
        Decoder { plan, filters, agents: KnownAgents::new(rules.user_agents), rules, special: Special::default() }
    }

    /// Decides about one record: its value, if it has one, and its Kafka timestamp in milliseconds, if it has one.
    ///
    /// A panic on the way (in a parser of URLs, user agents or JSON) makes the record rejected: one record must
    /// not stop the pipeline, and would do so again at every restart.
    pub fn decode<'a>(&'a mut self, payload: Option<&'a [u8]>, timestamp: Option<i64>) -> Outcome<'a> {
        contained(move || self.decide(payload.unwrap_or_default(), timestamp)).unwrap_or_else(Outcome::Rejected)
    }

    /// The type of an event, whether it counts or not.
    ///
    /// # Errors
    /// Why it would be rejected whatever its type.
    pub fn event_type<'a>(&mut self, payload: Option<&'a [u8]>) -> Result<Cow<'a, str>, Reason> {
        contained(move || {
            let mut members = Members::none(&self.plan.paths);
            members.read(payload.unwrap_or_default(), &self.plan.paths, &mut self.special)?;
            self.plan.event_type(&members, &self.rules.model.event)
        })
    }

    /// The contract's rules in their order; an error is a rejection.
    fn decide<'a>(&'a mut self, payload: &'a [u8], timestamp: Option<i64>) -> Result<Outcome<'a>, Reason> {
        let Decoder { rules, plan, filters, agents, special } = self;
        let mut members = Members::none(&plan.paths);
        members.read(payload, &plan.paths, special)?;
        let kind = plan.event_type(&members, &rules.model.event)?;
        let taking = filters.taking(&kind);
        if taking == 0 {
            return Ok(Outcome::Ignored(kind));
        }
        let mut event = plan.event(&members, timestamp, rules, agents)?;
        if !rules.redaction.is_none() {
            rules.redaction.redact(&mut event, plan);
        }
        event.passes = filters.passed(taking, &event.fields);
        Ok(if event.passes == 0 { Outcome::Ignored(kind) } else { Outcome::Counted(event) })
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
