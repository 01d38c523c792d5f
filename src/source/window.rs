//! Which events of a partition are looked at for copies, and where in the topic those begin that are still needed.

use std::collections::VecDeque;
use std::time::Duration;

use dataflows::Day;

use crate::batch::Window;

/// The clock of one partition, moved on by its events in order.
///
/// The clock of a partition is the greatest time of its events so far, each capped at its record's Kafka timestamp: so
/// a visitor's clock cannot put it forward. An event that is further behind than the span came too late to be compared:
/// it counts. All of it follows from the records of the partition, in whatever order partitions are read.
#[derive(Debug)]
pub struct PartitionWindow {
    span: i64,
    /// The partition's clock, in seconds since 1970.
    newest: i64,
    slices: VecDeque<Slice>,
}

/// Consecutive records during which the clock moved on a little.
#[derive(Debug)]
struct Slice {
    /// The offset of the first.
    offset: i64,
    /// The clock before it, and the newest day.
    newest_before: i64,
    day_before: Option<Day>,
    /// The greatest time of an event in it.
    latest: i64,
}

/// Slices in a span.
const SLICES: i64 = 16;

impl PartitionWindow {
    /// Begins at this window, or where nothing of the partition was read.
    pub fn new(span: Duration, window: Option<Window>) -> Self {
        let newest = window.map_or(i64::MIN, |window| window.newest);
        PartitionWindow { span: span.as_secs() as i64, newest, slices: VecDeque::new() }
    }

    /// The partition's clock; the least number before its first event.
    pub fn newest(&self) -> i64 {
        self.newest
    }

    /// The next event, and whether it is compared. `day` is the newest one that was counted before it.
    pub fn see(&mut self, offset: i64, time: i64, timestamp: Option<i64>, day: Option<Day>) -> bool {
        if time < self.newest.saturating_sub(self.span) {
            return false;
        }
        let step = (self.span / SLICES).max(1);
        match self.slices.back_mut() {
            Some(last) if self.newest < last.newest_before.saturating_add(step) => last.latest = last.latest.max(time),
            _ => {
                let (newest_before, day_before) = (self.newest, day);
                self.slices.push_back(Slice { offset, newest_before, day_before, latest: time });
            }
        }
        self.newest = self.newest.max(timestamp.map_or(time, |millis| time.min(millis.div_euclid(1_000))));
        true
    }

    /// Where the records begin whose events are of this time or later; `next_offset`, with this newest day, if there is none.
    pub fn since(&mut self, time: i64, next_offset: i64, day: Option<Day>) -> Window {
        while self.slices.front().is_some_and(|slice| slice.latest < time) {
            self.slices.pop_front();
        }
        let first = self.slices.front();
        first.map_or(Window { offset: next_offset, newest: self.newest, newest_day: day }, |slice| Window {
            offset: slice.offset,
            newest: slice.newest_before,
            newest_day: slice.day_before,
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Where a window begins, the same events are compared as from the beginning on, and none is missing that is needed.
    #[test]
    fn starting_within_a_window_changes_nothing() {
        let span = Duration::from_secs(100);
        for seed in 0..300 {
            let mut random = StdRng::seed_from_u64(seed);
            let event = |at: i64, random: &mut StdRng| (at * 3 + random.random_range(-150..150), Some(at * 3_000));
            let events: Vec<_> = (0..500).map(|at| event(at, &mut random)).collect();
            let mut whole = PartitionWindow::new(span, None);
            let compared: Vec<_> = (0..)
                .zip(&events)
                .map(|(offset, (time, timestamp))| whole.see(offset, *time, *timestamp, None))
                .collect();
            let needed = random.random_range(0..1_500);
            let window = whole.since(needed, 500, None);
            let mut again = PartitionWindow::new(span, Some(window));
            for (offset, (time, timestamp)) in (0..).zip(&events) {
                let is_compared = compared[offset as usize];
                if offset >= window.offset {
                    assert_eq!(again.see(offset, *time, *timestamp, None), is_compared, "seed {seed}, offset {offset}");
                } else {
                    assert!(!is_compared || *time < needed, "seed {seed}: offset {offset} is needed");
                }
            }
        }
    }
}
