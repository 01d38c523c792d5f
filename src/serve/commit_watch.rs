//! Watches the commits: how far the tables are after each, and how fast they progress.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use dataflows::model::Model;
use tokio::sync::watch;
use tracing::debug;

use super::error::WriterFirst;
use crate::database::Target;
use crate::metrics::Metrics;
use crate::notify::Notice;
use crate::reports::{Position, Reader};

/// How long it listens before it checks whether there are still receivers.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(1);
/// How soon it tries again if Postgres or the tables are not there. The writer logs that already.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// The time over which the rate is measured.
const RATE_WINDOW: Duration = Duration::from_secs(5);

/// The receiving end of the watch; clones see the same commits.
#[derive(Clone)]
pub(super) struct CommitWatch(pub watch::Receiver<CommitState>);

/// What is known about the tables without querying them.
#[derive(Clone, Debug, Default)]
pub(super) struct CommitState {
    /// How far the tables are.
    pub position: Position,
    /// The next offset of each partition.
    pub next: BTreeMap<i32, i64>,
    /// When the last commit was heard of; none before the first.
    pub committed: Option<Instant>,
    /// Times of the last seconds, and how many records were consumed by then.
    moments: VecDeque<(Instant, i64)>,
}

impl CommitWatch {
    /// Listens in a thread of its own until all receivers are gone.
    pub fn start(target: &Target, model: &Arc<Model>, metrics: &Metrics) -> Result<CommitWatch> {
        let (sender, receiver) = watch::channel(CommitState::default());
        let (target, model, metrics) = (target.clone(), Arc::clone(model), metrics.clone());
        thread::Builder::new().name("page-commits".into()).spawn(move || {
            while !sender.is_closed() {
                if let Err(error) = listen(&target, &model, &metrics, &sender) {
                    debug!("cannot listen for commits: {error:#}");
                    // Wakes the pages, which read the tables and find out that they cannot be read.
                    sender.send_modify(|_| ());
                    thread::sleep(RETRY_INTERVAL);
                }
            }
        })?;
        Ok(CommitWatch(receiver))
    }
}

/// Listens first, and then reads where the tables stand, so that no commit is missed in between. Only while the writer has a
/// session: it comes first, and has checked that no pooler lends a listening session to others.
fn listen(target: &Target, model: &Arc<Model>, metrics: &Metrics, sender: &watch::Sender<CommitState>) -> Result<()> {
    if !metrics.is_postgres_up() {
        bail!(WriterFirst);
    }
    let mut reader = Reader::connect(target, RETRY_INTERVAL.max(LISTEN_TIMEOUT), Arc::clone(model))?;
    let mut listener = reader.listen()?;
    let mut snapshot = reader.snapshot()?;
    let (position, next) = (snapshot.position()?, snapshot.next_offsets()?);
    drop(snapshot);
    sender.send_modify(|state| state.begin(position, next));
    while !sender.is_closed() {
        if let Some(notice) = reader.next_commit(&mut listener, LISTEN_TIMEOUT)? {
            sender.send_modify(|state| state.commit(notice, Instant::now()));
        }
        if !metrics.is_postgres_up() {
            bail!(WriterFirst);
        }
    }
    Ok(())
}

impl CommitState {
    fn begin(&mut self, position: Position, next: BTreeMap<i32, i64>) {
        (self.position, self.next) = (position, next);
        self.moments = [(Instant::now(), position.consumed)].into();
    }

    fn commit(&mut self, notice: Notice, now: Instant) {
        self.position = Position::from(&notice);
        self.next.extend(notice.partitions);
        self.committed = Some(now);
        self.moments.push_back((now, self.position.consumed));
        // One entry from before the window stays, so that the window is full.
        while self.moments.get(1).is_some_and(|(moment, _)| now.duration_since(*moment) > RATE_WINDOW) {
            self.moments.pop_front();
        }
    }

    /// Records per second over the last seconds; none before the first commit.
    pub fn rate(&self, now: Instant) -> Option<f64> {
        self.committed?;
        let first = self.moments.iter().find(|(moment, _)| now.duration_since(*moment) <= RATE_WINDOW);
        let (first, last) = (first.or(self.moments.back())?, self.moments.back()?);
        let seconds = now.duration_since(first.0).max(Duration::from_secs(1)).as_secs_f64();
        Some((last.1 - first.1).max(0) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let (begin, mut state) = (Instant::now(), CommitState::default());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(state.rate(at(0)), None);
        for second in 0..=10 {
            state.commit(Notice { consumed: second * 100, ..Notice::default() }, at(second as u64));
        }
        assert_eq!(state.rate(at(10)), Some(100.0));
        assert_eq!(state.rate(at(12)), Some(60.0), "three of five seconds had records");
        assert_eq!(state.rate(at(60)), Some(0.0));
    }
}
