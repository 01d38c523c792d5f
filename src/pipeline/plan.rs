//! Where each partition of a topic is read from.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tracing::warn;

use crate::batch::{Fingerprint, Gap, GapReason, Progress, TopicIdentity, Window};
use crate::engine::Assignment;
use crate::failure::Failure;
use crate::source::{Topic, Watermarks, another_topic, is_away};

/// Time after which brokers have noticed that another one died, and report its partitions as without a leader: Kafka's
/// `broker.session.timeout.ms` is 9 s by default.
const BROKER_DEATH_TIMEOUT: Duration = Duration::from_secs(15);
/// How long before the brokers are asked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Where a start reads from, which is recorded before the first record is read.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// All partitions that have a leader.
    pub assignments: Vec<Assignment>,
    /// Partitions that the tables did not know.
    pub new: Vec<Progress>,
    /// What can no longer be read.
    pub gaps: Vec<Gap>,
    /// Partitions without a leader, which cannot be read now.
    pub offline: Vec<i32>,
}

/// What to do where the tables do not decide.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Whether a topic that the tables do not know is read from its end.
    pub from_latest: bool,
    /// Whether to resume at the earliest record if the topic cannot be resumed where the tables stand.
    pub skip_lost: bool,
}

/// Where the tables stand, and in which topic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<'a> {
    /// By partition.
    pub progress: &'a BTreeMap<i32, Progress>,
    /// The topic's, as far as the tables know it.
    pub identity: &'a TopicIdentity,
    /// Where partitions that the tables do not know yet begin, if not at the earliest record.
    pub begin_at: &'a BTreeMap<i32, i64>,
}

impl Plan {
    /// Resumes where the tables stand; new tables begin as the policy says, and a new partition at its beginning.
    /// `identity` is what the topic has now.
    pub fn new(topic: &Topic, stored: Stored<'_>, identity: &TopicIdentity, policy: Policy) -> Result<Plan> {
        let is_another = identity.differs(stored.identity);
        if is_another && !policy.skip_lost {
            bail!(another_topic(topic.name()));
        }
        let (watermarks, offline) = watermarks(topic)?;
        let is_there = |partition: &i32| watermarks.contains_key(partition) || offline.contains(partition);
        let gone = stored.progress.keys().find(|partition| !is_there(partition));
        if let Some(gone) = gone.filter(|_| !policy.skip_lost) {
            bail!(lost(topic, &format!("the tables include partition {gone}, which the topic does not have")));
        }
        let from_end = stored.progress.is_empty() && policy.from_latest;
        if let Some(partition) = offline.first().filter(|_| is_another || from_end) {
            // Its gap, or its end as the offset to begin at, must be recorded together with the others'.
            bail!("partition {partition} of topic '{}' has no leader; try again when it has", topic.name());
        }
        let mut plan = Plan { offline, ..Plan::default() };
        let records = last_records(topic, stored.progress, &watermarks, is_another)?;
        let is_same = identity.topic_id.is_some() && identity.topic_id == stored.identity.topic_id;
        for (partition, watermarks) in watermarks {
            let from = match stored.progress.get(&partition) {
                Some(progress) => {
                    let found = records.get(&partition);
                    let loss =
                        if is_another { Some(Loss::OtherTopic) } else { Loss::find(progress, watermarks, found) };
                    plan.go_on(topic, progress, watermarks, loss.map(|loss| (loss, is_same)), policy)?
                }
                None => {
                    let begin = stored.begin_at.get(&partition).map_or(watermarks.low, |at| watermarks.clamp(*at));
                    let first = first(partition, if from_end { watermarks.high } else { begin });
                    plan.new.push(first);
                    first
                }
            };
            plan.assignments.push(Assignment { progress: from, end: watermarks.high });
        }
        Ok(plan)
    }

    /// Where reading resumes in a partition that the tables know, with a gap if it has lost records.
    fn go_on(
        &mut self,
        topic: &Topic,
        progress: &Progress,
        watermarks: Watermarks,
        loss: Option<(Loss, bool)>,
        policy: Policy,
    ) -> Result<Progress> {
        let Some((loss, is_same)) = loss else { return known_from(topic, progress, watermarks, policy) };
        let reason = loss.reason(is_same);
        if !policy.skip_lost {
            bail!(lost(topic, &loss.sentence(progress, watermarks, reason)));
        }
        let (partition, from) = (progress.partition, progress.next_offset);
        let to = match reason {
            GapReason::Retention | GapReason::AnotherTopic => watermarks.low,
            // Behind everything that was counted, so that nothing is counted twice.
            GapReason::Truncated => from.clamp(watermarks.low, watermarks.high),
        };
        self.gaps.push(Gap { partition, from, to, reason });
        Ok(progress.resumed_at(to))
    }
}

/// A partition that resumes, with a deduplication window without the records that Kafka no longer has.
fn known_from(topic: &Topic, progress: &Progress, watermarks: Watermarks, policy: Policy) -> Result<Progress> {
    let Some(window) = progress.window.filter(|window| window.offset < watermarks.low) else { return Ok(*progress) };
    let (Watermarks { low, .. }, partition, from) = (watermarks, progress.partition, window.offset);
    let what = format!("records {from} to {} of partition {partition}, whose ids --dedup needs, are gone", low - 1);
    if !policy.skip_lost {
        bail!(lost(topic, &what));
    }
    warn!("{what}: a copy of one of them counts again");
    Ok(Progress { window: Some(Window { offset: low, ..window }), ..*progress })
}

/// Where the partitions that have a leader begin and end, and those that have none.
fn watermarks(topic: &Topic) -> Result<(BTreeMap<i32, Watermarks>, Vec<i32>)> {
    let asked = Instant::now();
    loop {
        let (led, offline): (Vec<_>, Vec<_>) = topic.leaders()?.into_iter().partition(|(_, is_led)| *is_led);
        let numbers = |of: Vec<(i32, bool)>| of.into_iter().map(|(partition, _)| partition).collect::<Vec<_>>();
        match topic.watermarks_of(numbers(led)) {
            Ok(watermarks) => return Ok((watermarks, numbers(offline))),
            // A leader may have died while the other brokers still believe that it is alive.
            Err(error) if is_away(&error) && asked.elapsed() < BROKER_DEATH_TIMEOUT => thread::sleep(RETRY_INTERVAL),
            Err(error) => return Err(error),
        }
    }
}

/// Why a partition cannot resume where the tables stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// It begins after the next offset.
    BeginsLater,
    /// It ends before the next offset.
    EndsEarlier,
    /// The last offset that the tables include holds another record now.
    OtherRecord,
    /// It belongs to a topic with another id.
    OtherTopic,
}

impl Loss {
    /// The next offset must be there, and the last record must still be the one before it, unless it is no longer kept.
    fn find(progress: &Progress, watermarks: Watermarks, found: Option<&Fingerprint>) -> Option<Loss> {
        if progress.next_offset < watermarks.low {
            Some(Loss::BeginsLater)
        } else if progress.next_offset > watermarks.high {
            Some(Loss::EndsEarlier)
        } else {
            let is_other = found.is_some_and(|found| progress.last.is_some_and(|last| last != *found));
            is_other.then_some(Loss::OtherRecord)
        }
    }

    /// The reason to record. Only a topic whose id is known can be known to have assigned the same offsets again.
    fn reason(self, is_same: bool) -> GapReason {
        match self {
            Loss::BeginsLater => GapReason::Retention,
            Loss::EndsEarlier | Loss::OtherRecord if is_same => GapReason::Truncated,
            Loss::EndsEarlier | Loss::OtherRecord | Loss::OtherTopic => GapReason::AnotherTopic,
        }
    }

    fn sentence(self, progress: &Progress, watermarks: Watermarks, reason: GapReason) -> String {
        let Progress { partition, next_offset, last, .. } = progress;
        let what = match self {
            Loss::BeginsLater | Loss::EndsEarlier => {
                let there = format!("offsets {} to {}", watermarks.low, watermarks.high);
                format!("partition {partition} must be read from offset {next_offset}, but has {there}")
            }
            Loss::OtherRecord | Loss::OtherTopic => {
                let offset = last.map_or(*next_offset, |last| last.offset);
                format!("offset {offset} of partition {partition} holds another record than was read")
            }
        };
        if reason == GapReason::Truncated { format!("{what} (its log was truncated)") } else { what }
    }
}

/// The records that are now at the last offsets that the tables include, where Kafka still has them.
fn last_records(
    topic: &Topic,
    progress: &BTreeMap<i32, Progress>,
    watermarks: &BTreeMap<i32, Watermarks>,
    is_another: bool,
) -> Result<BTreeMap<i32, Fingerprint>> {
    let place = |progress: &Progress| {
        let (last, watermarks) = (progress.last?, watermarks.get(&progress.partition)?);
        (watermarks.low..watermarks.high).contains(&last.offset).then_some((progress.partition, last.offset))
    };
    let places = progress.values().filter_map(place);
    if is_another { Ok(BTreeMap::new()) } else { topic.records(places) }
}

fn lost(topic: &Topic, what: &str) -> Failure {
    Failure::OffsetsLost(format!(
        "topic '{}' does not go on where the tables stand: {what}; give --on-lost-offsets earliest to go on with a gap, \
         or --database-url an empty database to count again",
        topic.name()
    ))
}

/// Resumes a partition where the tables stand, some time after the start.
pub(super) fn resume(topic: &Topic, progress: &Progress, watermarks: Watermarks) -> Result<Progress> {
    let partition = progress.partition;
    let all = (BTreeMap::from([(partition, *progress)]), BTreeMap::from([(partition, watermarks)]));
    let records = last_records(topic, &all.0, &all.1, false)?;
    match Loss::find(progress, watermarks, records.get(&partition)) {
        None => Ok(*progress),
        Some(loss) => bail!(lost(topic, &loss.sentence(progress, watermarks, loss.reason(true)))),
    }
}

/// A partition that has not been read yet, and begins at this offset.
pub(super) fn first(partition: i32, offset: i64) -> Progress {
    Progress { partition, first_offset: offset, next_offset: offset, ..Progress::default() }
}
