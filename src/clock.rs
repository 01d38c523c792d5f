//! Time: the system's, or the simulation's, which passes as a seed says.

use std::time::{Duration, Instant};

/// A monotonic clock.
pub trait Clock: Send + Sync {
    /// Now. It never goes back.
    fn now(&self) -> Instant;

    /// Lets so much time pass.
    fn sleep(&self, time: Duration);
}

/// The system's.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
