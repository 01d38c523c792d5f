//! How far partitions come, turned into columns: the arrays that the statements which move `progress` begin with.

use std::collections::BTreeMap;

use postgres::types::ToSql;

use super::date::Date;
use super::places::Places;
use super::tid::Tid;
use crate::batch::{Fingerprint, Progress, Totals, Window};

/// Columns of some partitions, an array each.
pub(super) struct ProgressColumns {
    partitions: Vec<i32>,
    places: Vec<Option<Tid>>,
    /// Where this process left them.
    left: Vec<i64>,
    /// Offsets, outcomes and the last record.
    moved: Vec<Vec<Option<i64>>>,
    epochs: Vec<Option<i32>>,
    days: Vec<Option<Date>>,
    windows: [Vec<Option<i64>>; 2],
    window_days: Vec<Option<Date>>,
}

impl ProgressColumns {
    /// Those of partitions that move from `before` to `after`.
    pub fn new(after: &[&Progress], before: &BTreeMap<i32, Progress>, places: &Places) -> ProgressColumns {
        let numbers = |value: &dyn Fn(&Progress) -> Option<i64>| after.iter().map(|it| value(it)).collect::<Vec<_>>();
        let last = |value: fn(&Fingerprint) -> i64| numbers(&|progress| progress.last.as_ref().map(value));
        let window = |value: fn(&Window) -> i64| numbers(&|progress| progress.window.as_ref().map(value));
        let totals = (0..Totals::OUTCOMES.len()).map(|at| numbers(&|progress| Some(progress.totals.values()[at])));
        let next = numbers(&|progress| Some(progress.next_offset));
        let consumed = numbers(&|progress| Some(progress.totals.consumed()));
        let record = [last(|record| record.offset), last(|record| record.timestamp), last(|record| record.hash)];
        let left = |p: &&Progress| before.get(&p.partition).map_or(p.first_offset, |before| before.next_offset);
        let window_day = |progress: &&Progress| progress.window.and_then(|window| window.newest_day).map(Date);
        ProgressColumns {
            partitions: after.iter().map(|progress| progress.partition).collect(),
            places: after.iter().map(|progress| places.of_partition(progress.partition)).collect(),
            left: after.iter().map(left).collect(),
            moved: [next, consumed].into_iter().chain(totals).chain(record).collect(),
            epochs: after.iter().map(|progress| progress.last_leader_epoch).collect(),
            days: after.iter().map(|progress| progress.newest_day.map(Date)).collect(),
            windows: [window(|window| window.offset), window(|window| window.newest)],
            window_days: after.iter().map(window_day).collect(),
        }
    }

    /// The first parameters of a statement that moves them: the rest is in the order of `statements::progress_columns`.
    pub fn parameters<'a>(&'a self, topic: &'a &str, notice: &'a &str) -> Vec<&'a (dyn ToSql + Sync)> {
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![topic, notice, &self.partitions, &self.places, &self.left];
        parameters.extend(self.moved.iter().map(as_parameter));
        parameters.extend([&self.epochs as &(dyn ToSql + Sync), &self.days]);
        parameters.extend(self.windows.iter().map(as_parameter));
        parameters.push(&self.window_days);
        parameters
    }
}

fn as_parameter(column: &Vec<Option<i64>>) -> &(dyn ToSql + Sync) {
    column
}
