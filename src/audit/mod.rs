//! The audit: recounts the topic independently of the engine, and compares every table with the result.
//!
//! ```text
//! Postgres, one snapshot ──► ledger: stored ──────────────────────────┐
//!                               │ first to next offsets               ├─► differences ► a verdict
//! Kafka, those offsets ► decode ► ledger: recounted ► rank, describe ─┘
//! ```
//!
//! It shares the model and decoding with `freshet run`, and the tables of names that describe dimensions, and nothing else:
//! plain maps, a ranking by sorting, dimensions derived from the counts. `run` may go on meanwhile, as a snapshot of the tables
//! says exactly which records they include. What the report views show is read in the same snapshot.

mod admitted;
mod compare;
mod copies;
mod countries;
mod dimensions;
mod explain;
mod ledger;
mod names;
mod pages;
mod ranking;
mod recount;
mod rejected;
mod retention;
mod show;
mod stored;
mod texts;
mod views;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use dataflows::model::Model;
use dataflows::{DaysKept, MemberLimit};

pub use compare::{Verdict, unchecked};
pub use copies::of_ids as copies_of_ids;
pub use explain::{Found, Number, Wanted, explain, explained_by};
pub use recount::ranges;
pub use show::text;
pub use stored::partitions;

use crate::sink::Snapshot;
use crate::source::decode::Rules;
use crate::source::{Settings, Topic, Watermarks};
use ledger::Ledger;
pub use ledger::Partition;
pub use texts::Texts;

/// What tables were built with, besides the rules.
pub struct Built {
    /// The model.
    pub model: Arc<Model>,
    /// How many members of a dimension are counted one by one.
    pub limit: MemberLimit,
    /// How many days are kept of reports that do not declare it themselves.
    pub retain: DaysKept,
}

/// What the tables of a topic held at one moment.
pub struct Tables {
    ledger: Ledger,
}

impl Tables {
    /// Copies the tables of a topic.
    pub fn copy(snapshot: &mut Snapshot<'_>, topic: &str, built_with: &Built) -> Result<Tables> {
        Ok(Tables { ledger: stored::load(snapshot, topic, built_with)? })
    }

    /// How many rows they have of expired days.
    pub fn leaving(&self) -> usize {
        self.ledger.leaving
    }

    /// Recounts the records that the tables include, and compares. Reports how many there are at most, and then each record
    /// that is done.
    pub fn verify(mut self, kafka: &Settings, rules: &Rules, report: &mut dyn FnMut(AuditProgress)) -> Result<Verdict> {
        let watermarks = watermarks(kafka, &self.ledger.partitions)?;
        recount::recount(&mut self.ledger, &watermarks, kafka, rules, report)?;
        Ok(compare::compare(self.ledger))
    }
}

/// Where the partitions begin and end now, except those that the topic does not have.
fn watermarks(kafka: &Settings, partitions: &BTreeMap<i32, Partition>) -> Result<BTreeMap<i32, Watermarks>> {
    let topic = Topic::connect(kafka)?;
    let there = topic.partitions()?;
    topic.watermarks_of(partitions.keys().copied().filter(|partition| there.contains(partition)))
}

/// The progress of a recount.
pub enum AuditProgress {
    /// It reads at most this many records.
    Records(u64),
    /// One more record is done.
    Done,
}
