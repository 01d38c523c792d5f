//! A look at a topic before any table exists: which records would be counted, ignored and rejected. Changes nothing.
//!
//! ```text
//! watermarks of the partitions ► ranges over them ─┬─► decode ► tally ──────────────────────┬─► findings ► tables or JSON
//!                                                  └─► kept ─┬─► members ─► proposal (TOML) ─┤
//!                                                            └─► each built-in model ────────┘
//! ```

mod example;
mod findings;
mod members;
mod propose;
mod sample;
mod show;
mod tally;
mod trial;

use std::cmp::Reverse;
use std::sync::Arc;

use anyhow::Result;
use dataflows::model::ReadyMade;

pub use findings::{Findings, Proposal};
pub use show::tables;

use crate::source::decode::Rules;
use crate::source::{Settings, Topic, offset_range};
use tally::Tally;
use trial::{Kept, Trial};

/// Bytes that are fetched ahead: few, as records after a range are not needed.
const BYTES_AHEAD_MAX: usize = 1 << 20;

/// Looks at this many records of a topic, or at all if there are fewer; and proposes a file of reports if that is wanted.
pub fn look(kafka: &Settings, rules: &Rules, records: u64, wants_proposal: bool) -> Result<Findings> {
    let topic = Topic::connect(kafka)?;
    let partitions = topic.watermarks_of(topic.partitions()?)?;
    let (mut tally, mut kept) = (Tally::new(rules), Kept::new(records));
    let kafka = kafka.clone().fetching_ahead(BYTES_AHEAD_MAX);
    for round in sample::rounds(&partitions, records) {
        offset_range::read(&kafka, &round, |record| {
            tally.add(record);
            kept.add(record);
            Ok(())
        })?;
    }
    let mut findings = tally.findings(topic.name(), &partitions);
    let ((survey, envelope), fits) = (kept.survey(), fits(&kept, rules)?);
    if wants_proposal {
        findings.proposal = propose::proposal(&kept, (&survey, envelope), &fits, rules)?.map(Into::into);
    }
    findings.models = fits.into_iter().map(|(model, trial)| (model.name.to_owned(), trial).into()).collect();
    findings.models.sort_by_key(|model| Reverse(model.counted));
    findings.members = survey.findings();
    let best = findings.models.first().filter(|best| best.counted > 0 && findings.counts_nothing());
    let hint = best.map(|it| format!("--reports {} would count {} of {} records", it.model, it.counted, it.tried));
    findings.hints.extend(hint);
    if findings.counts_nothing() && findings.proposal.is_none() {
        findings.hints.push("--propose FILE writes a file of reports that fits these events".into());
    }
    Ok(findings)
}

/// Tries each built-in model on the kept records.
fn fits(kept: &Kept, rules: &Rules) -> Result<Vec<(ReadyMade, Trial)>> {
    let fit = |model: ReadyMade| Ok((model, kept.try_model(Arc::new(model.model()?), rules)));
    ReadyMade::ALL.into_iter().map(fit).collect()
}
