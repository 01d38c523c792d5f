//! Notices that no epoch closes any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Time between two looks that counts, at most: a process that was suspended must not take its sleep for a stall.
const PASSED_MAX: Duration = Duration::from_secs(1);

/// An epoch closes only when the one before it is durable, and does so at every tick, idle or not. So when none does,
/// something hangs: a worker, the writer, or Postgres behind a lock.
pub(super) struct Watchdog {
    timeout: Duration,
    closed: Arc<AtomicU64>,
    seen: u64,
    looked: Instant,
    still: Duration,
}

impl Watchdog {
    /// Watches the number of epochs that were closed.
    pub fn new(timeout: Duration, closed: Arc<AtomicU64>) -> Self {
        Watchdog { timeout, closed, seen: 0, looked: Instant::now(), still: Duration::ZERO }
    }

    /// To be called every now and then. `excused` is a time in which no epoch can close, for a reason that is known.
    pub fn look(&mut self, excused: bool) -> Result<()> {
        let closed = self.closed.load(Ordering::Relaxed);
        let passed = self.looked.elapsed().min(PASSED_MAX);
        self.looked = Instant::now();
        if excused || std::mem::replace(&mut self.seen, closed) != closed {
            self.still = Duration::ZERO;
            return Ok(());
        }
        self.still += passed;
        if self.still >= self.timeout {
            bail!(
                "nothing became durable for {} s although Postgres responds (--stall-timeout); does a session hold a \
                 lock on a table? Starting again is safe",
                self.timeout.as_secs_f64()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stall_without_an_excuse_counts() {
        let closed = Arc::new(AtomicU64::new(1));
        let mut watchdog = Watchdog::new(Duration::ZERO, closed.clone());
        assert!(watchdog.look(false).is_ok(), "an epoch closed");
        assert!(watchdog.look(true).is_ok(), "Postgres is away");
        closed.store(2, Ordering::Relaxed);
        assert!(watchdog.look(false).is_ok(), "another one closed");
        assert!(watchdog.look(false).is_err());
    }
}
