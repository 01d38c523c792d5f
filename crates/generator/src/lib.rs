//! Events like those of the real topic, to try Freshet with; and records that break careless consumers.
//!
//! ```text
//! Clock: when ────────────────┐
//! Crowd ► Visitor: who, where ┼► record: JSON ──────────────────────────┬─► Record
//! COLLECTIONS: what ──────────┘        └► hostile: a case spoils it ────┘
//! ```
//!
//! [`shapes`] has the formats of other producers: the same visitors, written as Segment or nginx would.
//!
//! Several hundred visitors are active at once. Each looks at a handful of pages, so that an event's referrer is mostly the
//! page before it, as on a real site. All personal data are made up: e-mail addresses in the domains that are reserved for
//! examples, IP addresses from 10.0.0.0/8, random device ids.
//!
//! The same [`Settings`] give the same bytes on every machine: the random numbers are those of xoshiro256++
//! ([`rand::rngs::Xoshiro256PlusPlus`], which rand keeps portable), the shares are counted in integers. Only
//! [`Span::Live`] also depends on the clock.

mod clock;
mod collections;
pub mod hostile;
mod pages;
mod publisher;
mod record;
pub mod shapes;
mod shares;
mod shops;
#[cfg(test)]
mod tests;
mod user_agents;
mod visitor;

use chrono::NaiveDate;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

pub use clock::Span;
pub use publisher::Publisher;
pub use shapes::Shape;

use clock::{Clock, Moment};
use collections::{COLLECTIONS, Collection, Extra};
use shares::Shares;
use visitor::{Crowd, Visitor};

/// The random number generator.
type Dice = Xoshiro256PlusPlus;

/// Visitors that are active at once.
const VISITORS_ACTIVE: u32 = 512;

/// What to generate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The same seed gives the same events.
    pub seed: u64,
    /// The share of records, from 0 to 1, that are cases of [`hostile`].
    pub hostile: f64,
    /// When the events happen.
    pub span: Span,
}

/// One Kafka record. It has no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its value; none is what Kafka calls a tombstone, which only a hostile case is.
    pub payload: Option<Vec<u8>>,
    /// The name of the hostile case; none for an ordinary event.
    pub case: Option<&'static str>,
    /// When it is sent to Kafka, in seconds since 1970: when its event happens, unless it is late.
    pub sent: i64,
}

/// Makes one record after the other, without end.
pub struct Generator {
    shape: Shape,
    span: Span,
    clock: Clock,
    crowd: Crowd,
    collections: Shares,
    visitors: Vec<Visitor>,
    hostile: f64,
    dice: Dice,
    /// How many records were made.
    made: u64,
    /// How many of them were hostile.
    spoiled: usize,
}

impl Generator {
    /// A generator of the shop's events at its first record.
    pub fn new(settings: Settings) -> Self {
        Self::of_shape(Shape::default(), settings)
    }

    /// The same for events of this shape.
    pub fn of_shape(shape: Shape, settings: Settings) -> Self {
        let mut dice = Dice::seed_from_u64(settings.seed);
        let crowd = Crowd::new();
        let visitors = (0..VISITORS_ACTIVE).map(|_| crowd.arrival(&mut dice)).collect();
        Self {
            shape,
            span: settings.span,
            clock: Clock::new(settings.span),
            crowd,
            collections: Shares::new(COLLECTIONS.iter().map(|collection| collection.events)),
            visitors,
            hostile: settings.hostile.clamp(0.0, 1.0),
            dice,
            made: 0,
            spoiled: 0,
        }
    }

    /// The next record.
    pub fn record(&mut self) -> Record {
        let hostile = self.hostile > 0.0 && self.dice.random_bool(self.hostile);
        let record = if hostile { self.spoiled_record() } else { self.ordinary_record() };
        self.made += 1;
        record
    }

    fn ordinary_record(&mut self) -> Record {
        let collection = &COLLECTIONS[self.collections.pick(&mut self.dice)];
        let (event, sent) = self.event(collection);
        Record { payload: Some(event.into_bytes()), case: None, sent }
    }

    /// The hostile cases take turns, so that each of them occurs once there are enough hostile records. If events are recent,
    /// cases of a day long ago are left out.
    fn spoiled_record(&mut self) -> Record {
        if self.shape != Shape::default() {
            return self.spoiled_shape();
        }
        let case = loop {
            let case = hostile::case(self.spoiled);
            self.spoiled += 1;
            if !case.is_old || matches!(self.span, Span::Days { .. }) {
                break case;
            }
        };
        let views = COLLECTIONS.iter().find(|collection| collection.extra == Extra::View);
        let (event, sent) = views.map(|collection| self.event(collection)).unwrap_or_default();
        let first = self.clock.first_day().unwrap_or(NaiveDate::MIN);
        Record { payload: case.spoil_since(&event, first), case: Some(case.name), sent }
    }

    /// The same in another shape.
    fn spoiled_shape(&mut self) -> Record {
        let Some(case) = shapes::hostile::case(self.shape, self.spoiled) else { return self.ordinary_record() };
        self.spoiled += 1;
        let views = COLLECTIONS.iter().find(|collection| collection.extra == Extra::View);
        let (event, sent) = views.map(|collection| self.event(collection)).unwrap_or_default();
        Record { payload: case.spoil(&event, self.shape), case: Some(case.name), sent }
    }

    /// One event of some visitor, who then leaves in one of six cases; and when it is sent.
    fn event(&mut self, collection: &Collection) -> (String, i64) {
        let slot = self.dice.random_range(0..VISITORS_ACTIVE) as usize;
        let visitor = &mut self.visitors[slot];
        let moment: Moment = self.clock.moment(self.made, visitor.shop.utc_hours, &mut self.dice);
        self.crowd.browse(visitor, collection, &mut self.dice);
        let event = shapes::json(self.shape, visitor, collection, moment, &mut self.dice)
            .unwrap_or_else(|| record::json(visitor, collection, moment, &mut self.dice));
        if self.dice.random_ratio(1, 6) {
            *visitor = self.crowd.arrival(&mut self.dice);
        }
        (event, moment.sent)
    }
}

impl Iterator for Generator {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        Some(self.record())
    }
}
