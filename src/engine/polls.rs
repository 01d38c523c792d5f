//! When a worker polls for records. Each poll lets the next fetch begin (`source/fetch_batch.rs`), so few polls are few fetches:
//! 960 fetches for 2,000 records a second, one for whatever had come, took two thirds of the program's CPU (2026-11-30).

use std::time::{Duration, Instant};

/// How long before an epoch should close its last fetch begins. It may close as much early or late for what that brings.
const LAST_FETCH_INTERVAL: Duration = Duration::from_millis(3);
/// How long records may wait for a poll in a longer epoch, so that they are decoded as they come.
const REST_MAX: Duration = Duration::from_millis(50);
/// How soon a worker that waits for a fetch polls again.
const AWAIT_INTERVAL: Duration = Duration::from_millis(1);

/// The polls of one worker.
///
/// While records come there is one shortly before the open epoch closes, which lets a fetch begin, and further ones until it has
/// come. While none come there is one when the epoch closes. A worker that is behind polls as soon as it can.
#[derive(Debug)]
pub(super) struct Polls {
    last: Instant,
    remaining: Remaining,
    /// Whether the open epoch has records.
    has_records: bool,
    /// Whether the one before it had.
    is_flowing: bool,
    fetch: Fetch,
}

/// What a poll has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remaining {
    /// Records that were fetched already.
    AtHand,
    /// Records that were there at the last fetch, which had no room for them.
    InKafka,
    /// Nothing.
    Nothing,
}

/// The last fetch for the open epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fetch {
    NotBegun,
    /// It began earlier, and waits in Kafka for a record: the poll that was to let it begin gave none.
    Waits,
    /// A poll at this moment has let it begin.
    Begun(Instant),
    Came,
}

impl Polls {
    /// None was made yet.
    pub fn new(now: Instant) -> Self {
        let (has_records, is_flowing) = (false, false);
        Polls { last: now, remaining: Remaining::InKafka, has_records, is_flowing, fetch: Fetch::NotBegun }
    }

    /// How long until the next one, if the open epoch should close after `left`; zero if that is now.
    pub fn rest(&self, left: Duration, now: Instant) -> Duration {
        let since = now - self.last;
        let interval = match (self.remaining, self.fetch) {
            (Remaining::AtHand, _) => Duration::ZERO,
            (Remaining::InKafka, _) => AWAIT_INTERVAL,
            (_, Fetch::Waits) => (since + left).max(LAST_FETCH_INTERVAL),
            _ if !self.is_flowing => REST_MAX.min(since + left).max(LAST_FETCH_INTERVAL),
            _ if left > LAST_FETCH_INTERVAL => REST_MAX.min(since + left - LAST_FETCH_INTERVAL),
            (_, Fetch::NotBegun) => Duration::ZERO,
            (_, Fetch::Begun(_)) => AWAIT_INTERVAL,
            (_, Fetch::Came) => LAST_FETCH_INTERVAL,
        };
        interval.saturating_sub(since)
    }

    /// Notes one that was made when the open epoch should close after `left`.
    pub fn note(&mut self, now: Instant, left: Duration, has_records: bool, remaining: Remaining) {
        (self.last, self.remaining) = (now, remaining);
        self.has_records |= has_records;
        self.fetch = match self.fetch {
            Fetch::NotBegun if left <= LAST_FETCH_INTERVAL && has_records => Fetch::Begun(now),
            Fetch::NotBegun if left <= LAST_FETCH_INTERVAL => Fetch::Waits,
            Fetch::Begun(_) if has_records => Fetch::Came,
            fetch => fetch,
        };
    }

    /// Whether the open epoch, which should close after `left`, waits for no fetch.
    pub fn may_close(&self, left: Duration, now: Instant) -> bool {
        match self.fetch {
            _ if self.remaining != Remaining::Nothing || !self.is_flowing => left.is_zero(),
            Fetch::Waits => left.is_zero(),
            Fetch::NotBegun => false,
            Fetch::Begun(at) => now - at >= 2 * LAST_FETCH_INTERVAL,
            Fetch::Came => left <= LAST_FETCH_INTERVAL,
        }
    }

    /// Notes that the open epoch was closed.
    pub fn close(&mut self) {
        self.is_flowing = std::mem::take(&mut self.has_records);
        self.fetch = Fetch::NotBegun;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK_INTERVAL: Duration = Duration::from_millis(25);

    /// Runs polls for some ticks, a millisecond at a time. `given` says how many records a poll gives at this moment, and what
    /// remains. Returns, in milliseconds, when there were polls and when epochs closed.
    fn run(ticks: u64, mut given: impl FnMut(u64) -> (bool, Remaining)) -> (Vec<u64>, Vec<u64>) {
        let start = Instant::now();
        let (mut polls, mut polled, mut closed, mut open) = (Polls::new(start), Vec::new(), Vec::new(), 1);
        for millisecond in 1..=ticks * 25 {
            let now = start + Duration::from_millis(millisecond);
            let left = (start + TICK_INTERVAL * open).saturating_duration_since(now);
            if polls.rest(left, now).is_zero() {
                polled.push(millisecond);
                let (has_records, remaining) = given(millisecond);
                polls.note(now, left, has_records, remaining);
            }
            if polls.may_close(left, now) {
                closed.push(millisecond);
                polls.close();
                open = open.max((millisecond / 25) as u32) + 1;
            }
        }
        (polled, closed)
    }

    #[test]
    fn a_silent_topic_is_polled_once_an_epoch() {
        let (polled, closed) = run(4, |_| (false, Remaining::Nothing));
        assert_eq!((polled, closed), (vec![1, 25, 50, 75, 100], vec![25, 50, 75, 100]));
    }

    #[test]
    fn the_first_record_closes_its_epoch() {
        let (polled, closed) = run(3, |at| (at == 50, Remaining::Nothing));
        assert_eq!(closed[..2], [25, 50], "the record of {polled:?} waits for no fetch");
    }

    #[test]
    fn an_epoch_waits_for_its_last_fetch() {
        // A fetch takes two milliseconds from the poll that lets it begin.
        let mut begun = 0;
        let (polled, closed) = run(4, |at| {
            let came = at - begun >= 2;
            begun = if came { at } else { begun };
            (came, Remaining::Nothing)
        });
        assert_eq!(polled, [1, 25, 47, 48, 49, 72, 73, 74, 97, 98, 99]);
        assert_eq!(closed, [25, 49, 74, 99]);
    }

    #[test]
    fn a_fetch_that_does_not_come_delays_little() {
        let (_, closed) = run(3, |at| (at <= 47, Remaining::Nothing));
        assert_eq!(closed, [25, 53, 75], "twice that time after the poll at 47");
    }

    #[test]
    fn few_records_wait_for_no_fetch() {
        let (polled, closed) = run(4, |at| (at == 25, Remaining::Nothing));
        assert_eq!((polled, closed), (vec![1, 25, 47, 50, 75, 100], vec![25, 50, 75, 100]));
    }

    #[test]
    fn a_worker_that_is_behind_does_not_rest() {
        let (polled, closed) = run(2, |at| (true, if at % 2 == 0 { Remaining::AtHand } else { Remaining::InKafka }));
        assert_eq!((polled.len(), closed), (50, vec![25, 50]));
    }
}
