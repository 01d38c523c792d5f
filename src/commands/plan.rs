//! Where each partition of a topic is read from.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::batch::{Gap, Progress, Totals};
use crate::engine::Assignment;
use crate::failure::Failure;
use crate::source::{Bounds, Topic};

/// What a start does, and writes down before it reads the first record.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// All partitions.
    pub assignments: Vec<Assignment>,
    /// Those that the tables did not know.
    pub new: Vec<Progress>,
    /// What can no longer be read.
    pub gaps: Vec<Gap>,
}

/// What is to be done where the tables do not decide.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// Whether a topic that the tables do not know is read from its end.
    pub from_latest: bool,
    /// Whether to go on at the earliest record where the topic does not go on where the tables stand.
    pub skip_lost: bool,
}

impl Plan {
    /// Where the tables stand, else as the policy says, or from the beginning of a partition if only that is new.
    pub fn new(topic: &Topic, progress: &BTreeMap<i32, Progress>, policy: Policy) -> Result<Plan> {
        let partitions = topic.partitions()?;
        if let Some(gone) = progress.keys().find(|partition| !partitions.contains(partition)) {
            bail!(lost(topic, &format!("the tables include partition {gone}, which the topic does not have"), ANEW));
        }
        let mut plan = Plan::default();
        for partition in partitions {
            let bounds = topic.bounds(partition)?;
            let from = match progress.get(&partition) {
                Some(progress) => match lost_offsets(topic, progress, bounds)? {
                    None => *progress,
                    Some(what) if !policy.skip_lost => bail!(lost(
                        topic,
                        &what,
                        &format!("give --on-lost-offsets earliest to go on with a gap, or {ANEW}")
                    )),
                    Some(_) => {
                        plan.gaps.push(Gap { partition, from: progress.next_offset, to: bounds.low });
                        Progress { next_offset: bounds.low, last: None, ..*progress }
                    }
                },
                None => {
                    let at_end = progress.is_empty() && policy.from_latest;
                    let first = first(partition, if at_end { bounds.high } else { bounds.low });
                    plan.new.push(first);
                    first
                }
            };
            plan.assignments.push(Assignment { progress: from, end: bounds.high });
        }
        Ok(plan)
    }
}

/// What is wrong if the topic does not go on where the tables stand: the next offset must be there, and the last record
/// that the tables include must still be the one before it, unless it is no longer kept.
fn lost_offsets(topic: &Topic, progress: &Progress, bounds: Bounds) -> Result<Option<String>> {
    let Progress { partition, next_offset, last, .. } = progress;
    if !(bounds.low..=bounds.high).contains(next_offset) {
        let there = format!("offsets {} to {}", bounds.low, bounds.high);
        return Ok(Some(format!("partition {partition} is to be read from offset {next_offset}, and has {there}")));
    }
    if let Some(last) = last.filter(|last| last.offset >= bounds.low)
        && topic.record(*partition, last.offset)?.is_some_and(|found| found != last)
    {
        let offset = last.offset;
        return Ok(Some(format!("at offset {offset} of partition {partition} stands another record than was read")));
    }
    Ok(None)
}

/// What can always be done.
const ANEW: &str = "give --database-url an empty database to count anew";

fn lost(topic: &Topic, what: &str, advice: &str) -> Failure {
    Failure::OffsetsLost(format!("topic '{}' does not go on where the tables stand: {what}; {advice}", topic.name()))
}

/// A partition that is read from this offset on.
pub(super) fn first(partition: i32, offset: i64) -> Progress {
    Progress { partition, first_offset: offset, next_offset: offset, totals: Totals::default(), last: None }
}
