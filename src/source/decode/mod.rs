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
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use dataflows::model::Model;
use dataflows::{Day, Event, FieldText};

pub use collections::Collections;
pub use countries::Countries;
use filters::Filters;
use members::Reader;
use plan::Plan;
pub use reason::Reason;
pub use redaction::{Redaction, Referrers};
use scalar::Scalar;
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
pub enum Outcome<'a> {
    /// It is an event that some report counts.
    Counted(&'a Event<'a>),
    /// It is an event, of the type named here, that no report counts.
    Ignored(&'a str),
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
    reader: Reader,
    /// None: the memory for those of the next event.
    fields: Vec<Option<FieldText<'static>>>,
}

impl Decoder {
    /// A decoder after these rules.
    pub fn new(rules: Rules) -> Self {
        let (plan, filters) = (Plan::new(&rules.model), Filters::new(&rules.model, rules.views.clone()));
        let (agents, reader, fields) = (KnownAgents::new(rules.user_agents), Reader::default(), Vec::new());
        Decoder { rules, plan, filters, agents, reader, fields }
    }

    /// Decides about one record: its value, if it has one, and its Kafka timestamp in milliseconds, if it has one.
    ///
    /// A panic on the way (in a parser of URLs, user agents or JSON) makes the record rejected: one record must
    /// not stop the pipeline, and would do so again at every restart.
    pub fn decode(&mut self, payload: Option<&[u8]>, timestamp: Option<i64>, mut each: impl FnMut(Outcome<'_>)) {
        let Decoder { rules, plan, filters, agents, reader, fields } = self;
        // It is lent, as it is large and would be copied several times on its way.
        let mut event = Event { day: Day(0), hour: 0, passes: 0, fields: Vec::new(), page: None };
        // The contract's rules in their order; an error is a rejection.
        let ignored = contained(|| {
            let members = reader.read(payload.unwrap_or_default(), &plan.paths)?;
            let kind = plan.event_type(&members, &rules.model.event)?;
            let taking = filters.taking(&kind);
            if taking == 0 {
                return Ok(Some(kind));
            }
            event.fields = mem::take(fields);
            plan.read(&members, timestamp, rules, agents, &mut event)?;
            if !rules.redaction.is_none() {
                rules.redaction.redact(&mut event, plan);
            }
            event.passes = filters.passed(taking, &event.fields);
            Ok((event.passes == 0).then_some(kind))
        });
        match ignored {
            Ok(None) => each(Outcome::Counted(&event)),
            Ok(Some(kind)) => each(Outcome::Ignored(&kind)),
            Err(reason) => each(Outcome::Rejected(reason)),
        }
        if event.fields.capacity() > 0 {
            *fields = emptied(event.fields);
        }
    }

    /// The type of an event, whether it counts or not.
    ///
    /// # Errors
    /// Why it would be rejected whatever its type.
    pub fn event_type<'a>(&mut self, payload: Option<&'a [u8]>) -> Result<Cow<'a, str>, Reason> {
        let Decoder { rules, plan, reader, .. } = self;
        contained(|| {
            let members = reader.read(payload.unwrap_or_default(), &plan.paths)?;
            plan.event_type(&members, &rules.model.event)
        })
    }
}

/// The memory of fields, for those of another event.
fn emptied<'a>(mut fields: Vec<Option<FieldText<'_>>>) -> Vec<Option<FieldText<'a>>> {
    fields.clear();
    // They are collected in place.
    fields.into_iter().map(|_| None).collect()
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
