//! The beat of the commits: how far the tables are, as soon as they are there, and how fast they move.

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
use crate::notice::Notice;
use crate::reports::{Commits, Position};

/// How long it listens before it looks whether anybody still wants to know.
const LISTEN: Duration = Duration::from_secs(1);
/// How soon it tries again if Postgres or the tables are not there. The writer says so in the log; this need not.
const AGAIN: Duration = Duration::from_millis(250);
/// The rate is that of so long a time.
const WINDOW: Duration = Duration::from_secs(5);

/// Where the beat is heard. Its clones hear the same.
#[derive(Clone)]
pub(super) struct Pulse(pub watch::Receiver<Beat>);

/// What is known of the tables without asking them.
#[derive(Clone, Debug, Default)]
pub(super) struct Beat {
    /// How far the tables are.
    pub position: Position,
    /// The next offset of each partition.
    pub next: BTreeMap<i32, i64>,
    /// When the last commit was heard of; none before the first.
    pub committed: Option<Instant>,
    /// Moments of the last seconds, and how many records were read by then.
    moments: VecDeque<(Instant, i64)>,
}

impl Pulse {
    /// Listens in a thread of its own until nobody wants to know any more.
    pub fn take(target: &Target, model: &Arc<Model>, metrics: &Metrics) -> Result<Pulse> {
        let (beats, heard) = watch::channel(Beat::default());
        let (target, model, metrics) = (target.clone(), Arc::clone(model), metrics.clone());
        thread::Builder::new().name("page-pulse".into()).spawn(move || {
            while !beats.is_closed() {
                if let Err(error) = listen(&target, &model, &metrics, &beats) {
                    debug!("no word of commits: {error:#}");
                    // Whoever shows something shall look for themselves, and see that it cannot be read.
                    beats.send_modify(|_| ());
                    thread::sleep(AGAIN);
                }
            }
        })?;
        Ok(Pulse(heard))
    }
}

/// Listens first, and reads then where the tables stand: so nothing is missed in between. As long as the writer has a
/// session: it comes first, and has made sure that no pooler lends what listens to others.
fn listen(target: &Target, model: &Arc<Model>, metrics: &Metrics, beats: &watch::Sender<Beat>) -> Result<()> {
    if !metrics.is_postgres_up() {
        bail!(WriterFirst);
    }
    let mut commits = Commits::listen(target, AGAIN.max(LISTEN), Arc::clone(model))?;
    let mut snapshot = commits.snapshot()?;
    let (position, next) = (snapshot.position()?, snapshot.next_offsets()?);
    drop(snapshot);
    beats.send_modify(|beat| beat.begin(position, next));
    while !beats.is_closed() {
        if let Some(notice) = commits.next(LISTEN)? {
            beats.send_modify(|beat| beat.commit(notice, Instant::now()));
        }
        if !metrics.is_postgres_up() {
            bail!(WriterFirst);
        }
    }
    Ok(())
}

impl Beat {
    fn begin(&mut self, position: Position, next: BTreeMap<i32, i64>) {
        (self.position, self.next) = (position, next);
        self.moments = [(Instant::now(), position.consumed)].into();
    }

    fn commit(&mut self, notice: Notice, now: Instant) {
        self.position = Position::from(&notice);
        self.next.extend(notice.partitions);
        self.committed = Some(now);
        self.moments.push_back((now, self.position.consumed));
        // One moment before the window stays, so that the window is full.
        while self.moments.get(1).is_some_and(|(moment, _)| now.duration_since(*moment) > WINDOW) {
            self.moments.pop_front();
        }
    }

    /// Records a second, of the last seconds; none before there was a commit.
    pub fn rate(&self, now: Instant) -> Option<f64> {
        self.committed?;
        let first = self.moments.iter().find(|(moment, _)| now.duration_since(*moment) <= WINDOW);
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
        let (begin, mut beat) = (Instant::now(), Beat::default());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(beat.rate(at(0)), None);
        for second in 0..=10 {
            beat.commit(Notice { consumed: second * 100, ..Notice::default() }, at(second as u64));
        }
        assert_eq!(beat.rate(at(10)), Some(100.0));
        assert_eq!(beat.rate(at(12)), Some(60.0), "three of five seconds had records");
        assert_eq!(beat.rate(at(60)), Some(0.0));
    }
}
