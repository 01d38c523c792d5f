//! When an epoch closes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dataflows::{Epoch, SEED};

use crate::clock::Origin;

/// How far apart epochs close.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// While nothing comes. What an epoch holds may wait four times as long, as long as commits take long.
    pub tick: Duration,
    /// Those that hold something, at least.
    pub tick_min: Duration,
}

impl Pace {
    /// How long an epoch stays open at most, unless the one before is not durable or the worker is far behind.
    pub fn longest(self) -> Duration {
        TICKS_MAX * self.tick
    }
}

/// The open epoch of one worker, and the closed one that is not durable yet, if any.
///
/// One at a time is on its way: all records that arrive meanwhile fold into the open epoch, so batches grow under
/// load and shrink when it is calm. (With two, catching up wrote a tenth more rows and took no less time.)
///
/// What comes after a while of silence is closed at once. Otherwise an epoch stays open for as long as the one before took to
/// become durable and once more, so that Postgres rests half of the time, within the bounds of [`Pace`].
///
/// While so much is waiting that nobody can be fresh, an epoch stays open longer than that: what meets in one epoch is
/// one row, so the way there is shorter.
///
/// Epochs are numbered by the clock, and a worker follows the others of its process, so that all close them at the same moments.
/// Those of other processes are not heard of in time: there all close at each tick. An idle worker does so anyway, and holds
/// nobody up.
#[derive(Debug)]
pub(super) struct Epochs {
    origin: Origin,
    pace: Pace,
    open: Epoch,
    closed: Option<Epoch>,
    /// Since when the open epoch is open.
    opened: Instant,
    /// When the last epoch closed that held something, and how long until it was durable.
    filled: Option<Instant>,
    is_awaited: bool,
    took: Duration,
    /// The newest epoch that a worker of this process has opened.
    newest: Arc<AtomicU64>,
    /// Whether there are other processes.
    is_shared: bool,
}

/// How long an epoch stays open at least while the worker is far behind. Against half a second, five million records
/// write 7 % fewer rows and 6 to 9 % less log, for a seventh more memory at the peak (2026-11-25).
const FAR_BEHIND: Duration = Duration::from_millis(2_000);

/// Epochs that hold something close within so many ticks, if the one before is durable.
const TICKS_MAX: u32 = 4;

/// Records are taken so long before an epoch closes: librdkafka then fetches what came since, which is there in time.
const AHEAD: Duration = Duration::from_millis(3);
/// Otherwise they may lie in librdkafka's queue for so long.
const LIE: Duration = Duration::from_millis(25);

impl Epochs {
    /// Opens the epoch after the seed. `origin` is the same on all workers, `newest` on those of a process; `is_shared` says
    /// whether there are others.
    pub fn new(origin: Origin, pace: Pace, newest: Arc<AtomicU64>, is_shared: bool, now: Instant) -> Self {
        let (closed, filled, is_awaited, took) = (None, None, false, Duration::ZERO);
        let open = SEED + 1;
        let mut epochs =
            Epochs { origin, pace, open, closed, opened: now, filled, is_awaited, took, newest, is_shared };
        epochs.open = epochs.at(now);
        epochs
    }

    /// The open epoch.
    pub fn open(&self) -> Epoch {
        self.open
    }

    /// How long until the open epoch should close; nothing if that is now. `holds` says whether there is anything in it.
    pub fn left(&self, now: Instant, holds: bool, is_far_behind: impl FnOnce() -> bool) -> Duration {
        if self.newest.load(Ordering::Relaxed) > self.open {
            return Duration::ZERO;
        }
        let left = if holds { self.until_due(now) } else { self.until_tick(now) };
        let longer = FAR_BEHIND.saturating_sub(now - self.opened);
        if left.is_zero() && !longer.is_zero() && is_far_behind() { longer } else { left }
    }

    /// How long records need not be taken that lie there; they were taken last at `taken`.
    pub fn rest(&self, now: Instant, taken: Instant) -> Duration {
        self.until_due(now).saturating_sub(AHEAD).min((taken + LIE).saturating_duration_since(now))
    }

    /// How long until an epoch should close that holds something.
    fn until_due(&self, now: Instant) -> Duration {
        if self.is_shared {
            return self.until_tick(now);
        }
        let Some(filled) = self.filled else { return Duration::ZERO };
        let apart = (2 * self.took).min(self.pace.longest()).max(self.pace.tick_min);
        (filled + apart).saturating_duration_since(now)
    }

    fn until_tick(&self, now: Instant) -> Duration {
        let tick = self.pace.tick.as_nanos().max(1);
        let end = (self.origin.elapsed(self.opened).as_nanos() / tick + 1).saturating_mul(tick);
        Duration::from_nanos_u128(end).saturating_sub(self.origin.elapsed(now))
    }

    /// Whether the open epoch may be closed: the one before it is durable.
    pub fn may_close(&mut self, now: Instant, is_durable: impl Fn(&Epoch) -> bool) -> bool {
        let may_close = self.closed.as_ref().is_none_or(is_durable);
        if may_close
            && std::mem::take(&mut self.is_awaited)
            && let Some(filled) = self.filled
        {
            self.took = now - filled;
        }
        may_close
    }

    /// Closes the open epoch and opens the one of this moment, which is returned. `holds` says whether anything is in it.
    pub fn close(&mut self, now: Instant, holds: bool) -> Epoch {
        self.closed = Some(self.open);
        self.open = self.at(now).max(self.open + 1).max(self.newest.load(Ordering::Relaxed));
        self.newest.fetch_max(self.open, Ordering::Relaxed);
        self.opened = now;
        if holds {
            (self.filled, self.is_awaited) = (Some(now), true);
        }
        self.open
    }

    /// The epoch of a moment.
    fn at(&self, now: Instant) -> Epoch {
        let length = self.pace.tick.min(self.pace.tick_min).as_nanos().max(1);
        SEED + 1 + (self.origin.elapsed(now).as_nanos() / length) as Epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { tick: Duration::from_millis(25), tick_min: Duration::from_millis(10) };

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_pace_follows_what_commits_take() {
        let now = Instant::now();
        let at = |milliseconds| now + ms(milliseconds);
        let open = |newest: &Arc<AtomicU64>| Epochs::new(Origin::new(now), PACE, newest.clone(), false, now);
        let left = |epochs: &Epochs, milliseconds, holds| epochs.left(at(milliseconds), holds, || false);

        let mut epochs = open(&Arc::default());
        assert_eq!(
            [left(&epochs, 7, true), left(&epochs, 7, false)],
            [ms(0), ms(18)],
            "the first record waits for nothing"
        );
        for (took, apart) in [(2, 10), (5, 10), (15, 30), (60, 100)] {
            epochs.close(at(7), true);
            assert!(!epochs.may_close(at(8), |_| false) && epochs.may_close(at(7 + took), |_| true));
            assert_eq!(left(&epochs, 7 + took, true), ms(apart).saturating_sub(ms(took)), "after {took} ms");
            epochs.close(at(200), false);
            assert_eq!(left(&epochs, 200, true), ms(0), "a pause came before");
        }

        let newest = Arc::default();
        let (mut one, mut other) = (open(&newest), open(&newest));
        one.close(at(12), true);
        assert_eq!(left(&other, 13, false), ms(0), "the other worker follows");
        assert_eq!(one.open(), other.close(at(13), false));
    }
}
