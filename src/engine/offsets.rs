//! Offsets to commit to the consumer group, for the tools that watch groups. A start resumes from those in Postgres.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often offsets are committed. The tools look less often, and it costs the brokers a record each time.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// The next offsets of one worker's partitions.
#[derive(Debug)]
pub(super) struct Offsets {
    /// As of the epoch that was closed last.
    closed: BTreeMap<i32, i64>,
    /// As of the epochs before it, and not committed yet.
    durable: BTreeMap<i32, i64>,
    sent_at: Instant,
}

impl Offsets {
    /// None yet.
    pub fn new(now: Instant) -> Self {
        Offsets { closed: BTreeMap::new(), durable: BTreeMap::new(), sent_at: now }
    }

    /// An epoch closes, so the one before it is durable. Returns the offsets to commit, if it is time.
    pub fn close(&mut self, next: BTreeMap<i32, i64>, now: Instant) -> Option<BTreeMap<i32, i64>> {
        self.durable.append(&mut self.closed);
        self.closed = next;
        if self.durable.is_empty() || now - self.sent_at < COMMIT_INTERVAL {
            return None;
        }
        self.sent_at = now;
        Some(std::mem::take(&mut self.durable))
    }
}
