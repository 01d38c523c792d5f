//! How the tables are, in one line of numbers.

use std::time::Instant;

use chrono::NaiveDate;
use serde::Serialize;

use super::pulse::Beat;
use crate::metrics::{Metrics, Stage, State};
use crate::reports::Position;

/// How far the tables are behind the topic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Behind {
    /// So many records wait.
    records: i64,
    /// The oldest of them has waited so long, if that is known.
    seconds: Option<f64>,
}

impl Behind {
    /// None while the run does not read.
    fn of(metrics: &Metrics) -> Option<Behind> {
        let State { stage, lag, .. } = metrics.state();
        let seconds = lag.time.map(|time| rounded(time.as_secs_f64()));
        (stage == Stage::Reading).then_some(Behind { records: lag.records, seconds })
    }
}

/// How the tables are.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Status {
    /// The day of the reports that no day was given for.
    day: Option<NaiveDate>,
    position: Position,
    /// Records read, of the last seconds; none before there was a commit.
    records_per_second: Option<f64>,
    /// None before this page has heard of a commit.
    seconds_since_commit: Option<f64>,
    behind: Option<Behind>,
}

impl Status {
    pub fn new(day: Option<NaiveDate>, position: Position, beat: &Beat, metrics: &Metrics) -> Status {
        let now = Instant::now();
        Status {
            day,
            position,
            records_per_second: beat.rate(now).map(rounded),
            seconds_since_commit: beat.committed.map(|then| rounded(now.duration_since(then).as_secs_f64())),
            behind: Behind::of(metrics),
        }
    }
}

/// To thousandths: nobody wants to read more.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
