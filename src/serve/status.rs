//! The state of the tables and of the run, in numbers.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::Result;
use chrono::NaiveDate;
use serde::Serialize;

use super::commit_watch::CommitState;
use crate::metrics::{Metrics, Phase, State};
use crate::reports::{Position, Run, Snapshot};

/// How far the tables are behind the topic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Behind {
    /// Records that wait.
    records: i64,
    /// How long the oldest of them has waited, if that is known.
    seconds: Option<f64>,
}

impl Behind {
    /// None while the run does not read, or while the lag is not known.
    fn new(state: &State) -> Option<Behind> {
        let seconds = state.lag.time.map(|time| rounded(time.as_secs_f64()));
        let records = state.lag.records.filter(|_| state.phase == Phase::Reading)?;
        Some(Behind { records, seconds })
    }
}

/// What the tables say about themselves, from one snapshot.
#[derive(Clone, Debug)]
pub(super) struct TablesRead {
    pub position: Position,
    /// The current or latest day.
    pub day: Option<NaiveDate>,
    run: Run,
}

impl TablesRead {
    pub fn read(snapshot: &mut Snapshot<'_>) -> Result<TablesRead> {
        Ok(TablesRead { position: snapshot.position()?, day: snapshot.current_day()?, run: snapshot.run()? })
    }
}

/// The state of the tables and of the run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Status {
    /// The day of the reports that no day was given for.
    day: Option<NaiveDate>,
    /// None before the tables could be read.
    position: Option<Position>,
    /// Records per second over the last seconds; none before the first commit.
    records_per_second: Option<f64>,
    /// None before this page has heard of a commit.
    seconds_since_commit: Option<f64>,
    behind: Option<Behind>,
    /// Whether Kafka answers.
    kafka_up: bool,
    /// Who writes the tables. None before they could be read.
    run: Option<Run>,
}

impl Status {
    /// `read` is none before the tables could be read.
    pub fn new(read: Option<&TablesRead>, commits: &CommitState, metrics: &Metrics) -> Status {
        let (now, state) = (Instant::now(), metrics.state());
        let behind: HashMap<_, _> = metrics.behind().into_iter().collect();
        let mut run = read.map(|read| read.run.clone());
        for process in run.iter_mut().flat_map(|run| &mut run.processes) {
            process.add_lag(|partition| behind.get(&partition).copied().flatten());
        }
        Status {
            day: read.and_then(|read| read.day),
            position: read.map(|read| read.position),
            records_per_second: commits.rate(now).map(rounded),
            seconds_since_commit: commits.committed.map(|then| rounded(now.duration_since(then).as_secs_f64())),
            behind: Behind::new(&state),
            kafka_up: state.kafka_up,
            run,
        }
    }
}

/// Rounded to thousandths: nobody reads more digits.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
