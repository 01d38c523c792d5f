//! What a worker reads from: partitions of a topic, Kafka's or the simulation's.

use anyhow::Result;

use super::{PartitionStats, Record};
use crate::batch::Progress;

/// The records of the partitions that one worker was given. An error ends the run.
pub trait Source {
    /// What is fetched at once.
    type Fetched<'a>: Fetched
    where
        Self: 'a;

    /// Also reads this partition.
    fn assign(&mut self, position: Position) -> Result<()>;

    /// What is there, without waiting.
    fn fetch(&mut self) -> Result<Self::Fetched<'_>>;

    /// Lets fetches go on, up to a bound, while nothing that was fetched is wanted.
    fn fetch_ahead(&mut self);

    /// Handles events that belong to no partition: statistics, errors. Also due while nothing is fetched.
    fn serve(&mut self) -> Result<()>;

    /// How far a partition reaches, as of about a second ago; none before that is known.
    fn stats(&self, partition: i32) -> Option<PartitionStats>;

    /// Where a partition ended when it was fetched from last, also if records before that have not come yet; none before that.
    fn end(&self, partition: i32) -> Option<i64>;

    /// An error if anything that was fetched so far may be of another topic of the same name.
    fn must_be_same_topic(&self) -> Result<()>;

    /// Commits to the group, by partition, that everything before these offsets is durable. Nothing resumes from there.
    fn commit(&mut self, offsets: impl IntoIterator<Item = (i32, i64)>) -> Result<()>;

    /// Stops reading, and waits, but not for long, for the answer to the last commit.
    fn close(self);
}

/// Records that were fetched, each partition's in its order, and where partitions end.
pub trait Fetched {
    /// One after the other.
    fn items(&self) -> impl Iterator<Item = Item<'_>>;

    /// Whether there is more at hand.
    fn has_more(&self) -> bool;
}

/// One of the things that were fetched.
pub enum Item<'a> {
    /// A record.
    Record(Record<'a>),
    /// The end of this partition, as of then: everything before this offset was given.
    End(i32, i64),
}

/// Where to read on in a partition.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// The partition.
    pub partition: i32,
    /// The offset of the next record.
    pub offset: i64,
    /// The leader epoch of the record before it. With it librdkafka notices a log that was truncated below, whenever
    /// the partition gets another leader.
    pub leader_epoch: Option<i32>,
}

impl Position {
    /// Behind what was read already.
    pub fn after(progress: &Progress) -> Position {
        let Progress { partition, next_offset, last_leader_epoch, .. } = *progress;
        Position { partition, offset: next_offset, leader_epoch: last_leader_epoch }
    }
}
