//! From the bytes of one record to what becomes of it: counted, ignored or rejected (sections 2 and 3 of the
//! contract in ARCHITECTURE.md). Pure: the same record decides the same in every run.
//!
//! ```text
//! bytes ► members (raw JSON of the few read) ► type ► event time ► fields, by their kinds ► filters ► Event
//! ```

mod collections;
mod countries;
mod country;
mod envelope;
mod exact;
mod filters;
mod members;
mod paths;
mod plan;
mod reason;
mod redaction;
mod scalar;
mod scan;
mod structural;
mod time;
mod user_agents;
mod web_url;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use dataflows::model::Model;
use dataflows::{Day, Event, EventId, FieldText};

use crate::batch::Totals;
use crate::id_key::IdKey;

pub use collections::Collections;
pub use countries::Countries;
use envelope::Unwrapping;
use filters::Filters;
use members::{Members, Reader};
use plan::Plan;
pub use reason::Reason;
pub use redaction::{Redaction, Referrers};
use scalar::Scalar;
use time::TimeSource;
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
    /// The zone of time stamps, and of "today".
    pub time_zone: Tz,
    /// How far the event time may lie after the record's Kafka timestamp.
    pub max_future: Duration,
    /// The countries of hosts, where the last label of a domain does not decide.
    pub countries: Option<Countries>,
    /// The rule set for browser and OS names.
    pub user_agents: UserAgents,
    /// Whether events of crawlers are left out.
    pub skip_bots: bool,
    /// What is not kept of a counted event.
    pub redaction: Redaction,
    /// How far apart in time events of one id are copies, of which one counts; none to count all.
    pub dedup: Option<Duration>,
    /// The key of the hashes of ids, if events are to be identified.
    pub ids: Option<IdKey>,
    /// The ids of events that are not to count any more.
    pub forgotten: Arc<HashSet<EventId>>,
}

impl Rules {
    /// The defaults of `freshet run`.
    pub fn new(model: Arc<Model>) -> Rules {
        Rules {
            views: Collections::new(&model.event.views),
            model,
            clock: Clock::LocalTime,
            time_zone: Tz::UTC,
            max_future: Duration::from_hours(24),
            countries: None,
            user_agents: UserAgents::default(),
            skip_bots: false,
            redaction: Redaction::default(),
            dedup: None,
            ids: None,
            forgotten: Arc::default(),
        }
    }

    /// The same, and of events of one id within this span one counts.
    pub fn deduplicating(self, dedup: Option<Duration>) -> Rules {
        Rules { dedup, ids: dedup.map(|_| IdKey::random()), ..self }
    }

    /// The same, and events of these ids do not count.
    pub fn forgetting(self, key: IdKey, forgotten: Arc<HashSet<EventId>>) -> Rules {
        // Where nothing was forgotten, nobody looks for ids.
        if forgotten.is_empty() { self } else { Rules { ids: Some(key), forgotten, ..self } }
    }
}

/// What becomes of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<'a> {
    /// It is an event that some report counts.
    Counted(&'a Event<'a>),
    /// It is an event, of the type named here, that no report counts.
    Ignored(&'a str),
    /// Some report would count it, if it were not a crawler's.
    Bot,
    /// Some report would count it, if it were not to be forgotten. That it was there is still true.
    Forgotten(&'a Event<'a>),
    /// It cannot be counted.
    Rejected(Reason),
}

impl Outcome<'_> {
    /// Counts its event, or all rejected ones of a record.
    pub fn add_to(&self, totals: &mut Totals) {
        match self {
            Outcome::Counted(_) => totals.counted += 1,
            Outcome::Ignored(_) => totals.ignored += 1,
            Outcome::Bot => totals.bot += 1,
            Outcome::Forgotten(_) => totals.forgotten += 1,
            Outcome::Rejected(reason) => totals.rejected += reason.events(),
        }
    }
}

/// Decodes records one after the other.
///
/// It keeps nothing of a record but the names of browsers already seen, so that a user agent is parsed once.
#[derive(Debug)]
pub struct Decoder {
    reader: Reader,
    judge: Judge,
}

impl Decoder {
    /// A decoder with these rules.
    pub fn new(rules: Rules) -> Self {
        Decoder { reader: Reader::default(), judge: Judge::new(rules) }
    }

    /// One that decides the same by serde_json alone, at four times the cost: the fast path is tested against it.
    pub fn exact(rules: Rules) -> Self {
        Decoder { reader: Reader::exact(), judge: Judge::new(rules) }
    }

    /// Decides about one record: its value, if it has one, and its Kafka timestamp in milliseconds, if it has one.
    /// Calls `each` with the outcome of every event in it, but with one for all that are rejected.
    ///
    /// A panic on the way (in a parser of URLs, user agents or JSON) makes the record rejected: one record must
    /// not stop the pipeline, and would do so again at every restart.
    pub fn decode(&mut self, payload: Option<&[u8]>, timestamp: Option<i64>, mut each: impl FnMut(Outcome<'_>)) {
        let (payload, Decoder { reader, judge }) = (payload.unwrap_or_default(), self);
        if judge.plan.unwrapping.array.is_some() {
            return judge.decide_array(payload, timestamp, reader, &mut each);
        }
        judge.decide(
            |plan| plan.unwrapping.members(plan.unwrapping.record(payload)?, &plan.paths, reader),
            timestamp,
            each,
        );
    }

    /// The model by which it decides.
    pub fn model(&self) -> &Arc<Model> {
        &self.judge.rules.model
    }

    /// The type of the event in a record, whether it counts or not; of several, that of the first.
    ///
    /// # Errors
    /// Why it would be rejected whatever its type.
    pub fn event_type<'a>(&mut self, payload: Option<&'a [u8]>) -> Result<Cow<'a, str>, Reason> {
        let Decoder { reader, judge: Judge { plan, .. } } = self;
        contained(|| {
            let record = plan.unwrapping.record(payload.unwrap_or_default())?;
            let Some(array) = &plan.unwrapping.array else {
                return plan.event_type(&plan.unwrapping.members(record, &plan.paths, reader)?);
            };
            let first = array.events(record, reader)?.first().copied();
            let first = first.ok_or(Reason::NoArray { member: None })?;
            plan.event_type(&reader.inside(record, first, &plan.paths)?)
        })
    }

    /// The ids of the events in a record, as far as they can be read, whatever is wrong with it otherwise.
    pub fn ids(&mut self, payload: &[u8]) -> Vec<EventId> {
        let Decoder { reader, judge: Judge { plan, rules, .. } } = self;
        let read = contained(|| {
            let record = plan.unwrapping.record(payload)?;
            let Some(array) = &plan.unwrapping.array else {
                return Ok(Vec::from_iter(plan.id(&plan.unwrapping.members(record, &plan.paths, reader)?, rules)));
            };
            let events = array.events(record, reader)?;
            let id = |event| plan.id(&reader.inside(record, event, &plan.paths).ok()?, rules);
            Ok(events.into_iter().filter_map(id).collect())
        });
        read.unwrap_or_default()
    }

    /// Whether a record has an event that is to be forgotten.
    pub fn is_forgotten(&mut self, payload: &[u8]) -> bool {
        let forgotten = self.judge.rules.forgotten.clone();
        !forgotten.is_empty() && self.ids(payload).iter().any(|id| forgotten.contains(id))
    }

    /// How often each member decided when an event of a counted type happened, since this was asked last.
    pub fn take_times(&mut self) -> TimeSources {
        mem::take(&mut self.judge.times)
    }
}

/// How often each member decided when an event happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeSources {
    /// That of the visitor's clock.
    pub local_time: u64,
    /// That of the moment.
    pub time_stamp: u64,
}

/// Why an event is not counted that could be.
enum LeftOut<'a> {
    /// No report counts this type.
    Ignored(Cow<'a, str>),
    /// It is a crawler's.
    Bot,
}

/// Decides about events.
#[derive(Debug)]
struct Judge {
    rules: Rules,
    plan: Plan,
    filters: Filters,
    agents: KnownAgents,
    times: TimeSources,
    /// Those of the next event, all missing: a reused buffer.
    fields: Vec<Option<FieldText<'static>>>,
}

impl Judge {
    fn new(rules: Rules) -> Self {
        let (plan, filters) = (Plan::new(&rules), Filters::new(&rules.model, rules.views.clone()));
        let (agents, times) = (KnownAgents::new(rules.user_agents), TimeSources::default());
        let fields = rules.model.fields.iter().map(|_| None).collect();
        Judge { rules, plan, filters, agents, times, fields }
    }

    /// Decides about one event, whose members `read` returns.
    #[inline]
    fn decide<'a, 's>(
        &mut self,
        read: impl FnOnce(&Plan) -> Result<Members<'a, 's>, Reason>,
        timestamp: Option<i64>,
        mut each: impl FnMut(Outcome<'_>),
    ) {
        let Judge { rules, plan, filters, agents, times, fields } = self;
        // Passed by reference, as it is large and would be copied several times on its way.
        let mut event = Event { day: Day(0), hour: 0, time: 0, id: None, passes: 0, fields: Vec::new(), page: None };
        // The contract's rules in their order; an error is a rejection.
        let left_out = contained(|| {
            let members = read(plan)?;
            let kind = plan.event_type(&members)?;
            let taking = filters.taking(&kind);
            if taking == 0 {
                return Ok(Some(LeftOut::Ignored(kind)));
            }
            event.fields = mem::take(fields);
            let (said_by, is_bot) = plan.read(&members, timestamp, rules, agents, &mut event)?;
            times.add(said_by);
            if !rules.redaction.is_none() {
                rules.redaction.redact(&mut event, plan);
            }
            plan.complete(&mut event);
            event.passes = filters.passed(taking, &event.fields);
            Ok(if event.passes == 0 { Some(LeftOut::Ignored(kind)) } else { is_bot.then_some(LeftOut::Bot) })
        });
        match left_out {
            Ok(None) if event.id.is_some_and(|id| rules.forgotten.contains(&id)) => each(Outcome::Forgotten(&event)),
            Ok(None) => each(Outcome::Counted(&event)),
            Ok(Some(LeftOut::Ignored(kind))) => each(Outcome::Ignored(&kind)),
            Ok(Some(LeftOut::Bot)) => each(Outcome::Bot),
            Err(reason) => each(Outcome::Rejected(reason)),
        }
        if event.fields.capacity() > 0 {
            *fields = emptied(event.fields);
        }
    }

    /// Decides about each event of an array by itself.
    #[inline(never)]
    fn decide_array(
        &mut self,
        payload: &[u8],
        timestamp: Option<i64>,
        reader: &mut Reader,
        each: &mut impl FnMut(Outcome<'_>),
    ) {
        let Unwrapping { array, .. } = &self.plan.unwrapping;
        let events = contained(|| {
            let record = self.plan.unwrapping.record(payload)?;
            Ok((record, array.as_ref().map_or(Ok(Vec::new()), |array| array.events(record, reader))?))
        });
        let (record, events) = match events {
            Ok(events) => events,
            Err(reason) => return each(Outcome::Rejected(reason)),
        };
        let (mut first, mut rejected) = (None, 0);
        for event in &events {
            let reader = &mut *reader;
            let note = |outcome: Outcome<'_>| match outcome {
                Outcome::Rejected(reason) => {
                    rejected += 1;
                    first.get_or_insert(reason);
                }
                outcome => each(outcome),
            };
            self.decide(|plan| reader.inside(record, *event, &plan.paths), timestamp, note);
        }
        if let Some(reason) = first.map(Box::new) {
            each(Outcome::Rejected(Reason::InArray { rejected, reason }));
        }
    }
}

impl TimeSources {
    #[inline]
    fn add(&mut self, said_by: TimeSource) {
        match said_by {
            TimeSource::LocalTime => self.local_time += 1,
            TimeSource::TimeStamp => self.time_stamp += 1,
        }
    }
}

/// The memory of fields, for those of another event.
fn emptied<'a>(fields: Vec<Option<FieldText<'_>>>) -> Vec<Option<FieldText<'a>>> {
    // They are collected in place.
    fields.into_iter().map(|_| None).collect()
}

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Turns a panic into the rejection of the record that it happened in. It may leave one entry of a memo half done.
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
